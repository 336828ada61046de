import { createHash, randomBytes } from 'node:crypto';
import { RingServer, serveState } from '../../../worker/ring/index.js';
import { admissionOf, HOST } from './ring-fixture.js';

/** To a source in a process of its own: serve a state of noise in ring epoch 1. */
export interface SourceTask {
  readonly stateBytes: number;
  readonly rowsBytes: number;
}

export type SourceReport =
  | { readonly kind: 'listening'; readonly port: number }
  /** Of state and rows, one after the other. */
  | { readonly kind: 'serving'; readonly sha256: string }
  | { readonly kind: 'sent'; readonly bytes: number };

const say = (report: SourceReport): void => void process.send?.(report);

const server = await RingServer.listen({ host: HOST, port: 0 });
process.on('disconnect', () => process.exit());
process.on('message', ({ stateBytes, rowsBytes }: SourceTask) => {
  const held = { state: randomBytes(stateBytes), rows: randomBytes(rowsBytes) };
  serveState(server, admissionOf(), held, { onSent: (bytes) => say({ kind: 'sent', bytes }) });
  const sha256 = createHash('sha256').update(held.state).update(held.rows).digest('hex');
  say({ kind: 'serving', sha256 });
});
say({ kind: 'listening', port: server.port });
