import { OperationalError } from '../../proto/index.js';
import type { ToReplica } from './port.js';

/** For a checkpoint to come out of the object store. */
const DEADLINE_MS = 30_000;

/** Checkpoints that the replica thread has asked the control thread for, which alone speaks with NATS. */
export class CheckpointRequests {
  private readonly open = new Map<
    string,
    { resolve: (bytes: Uint8Array) => void; reject: (error: OperationalError) => void }
  >();

  /** @param ask passes a request on */
  constructor(private readonly ask: (object: string, sha256: string) => void) {}

  /** Rejects with OperationalError 'checkpoint' when there is none, it is damaged or it does not come, or 'aborted'. */
  fetch(object: string, sha256: string, signal: AbortSignal): Promise<Uint8Array> {
    return new Promise<Uint8Array>((resolve, reject) => {
      const fail = (error: OperationalError): void => {
        settled();
        reject(error);
      };
      const abort = (): void => fail(new OperationalError('aborted', 'the ring epoch is over'));
      const timer = setTimeout(() => {
        fail(new OperationalError('checkpoint', `${object} did not come within ${DEADLINE_MS / 1000} s`));
      }, DEADLINE_MS);
      const settled = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        this.open.delete(object);
      };
      signal.addEventListener('abort', abort);
      this.open.set(object, {
        resolve: (bytes) => {
          settled();
          resolve(bytes);
        },
        reject: fail,
      });
      this.ask(object, sha256);
    });
  }

  answer(message: ToReplica & { readonly kind: 'fetched' | 'notFetched' }): void {
    const request = this.open.get(message.object);
    if (message.kind === 'fetched') request?.resolve(message.bytes);
    else request?.reject(new OperationalError('checkpoint', message.message));
  }
}
