import type { RingMember } from '../../../proto/index.js';
import { openRing, RingServer } from '../../../worker/ring/index.js';
import type { RingProgress } from '../../../worker/ring/index.js';
import { HOST, RUN, SECRET } from './ring-fixture.js';

/** One worker's ring in a process of its own: reduces vectors of ones until told to stop, or until it fails. */
export interface ChildTask {
  readonly rank: number;
  readonly members: readonly RingMember[];
  readonly length: number;
  /** Reductions to do; the child says how many it has done after each. */
  readonly reductions: number;
  readonly silenceMs: number;
}

export type ChildReport =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'reduced'; readonly count: number; readonly right: boolean }
  | { readonly kind: 'done'; readonly bytesSent: number; readonly bytesReceived: number }
  | {
      readonly kind: 'failed';
      readonly code: string;
      readonly message: string;
      readonly progress: RingProgress | undefined;
    };

const say = (report: ChildReport): void => void process.send?.(report);

async function work(server: RingServer, task: ChildTask): Promise<void> {
  const { rank, members, length, reductions, silenceMs } = task;
  const ring = await openRing({
    ...{ server, rank, members, silenceMs, runId: RUN, ringEpoch: 1, secret: SECRET, openMs: 10_000 },
  });
  const vector = new Int32Array(length);
  const sum = (members.length * (members.length + 1)) / 2;
  for (let update = 0; update < reductions; update++) {
    vector.fill(rank + 1);
    await ring.allReduce(vector, { update, attempt: 0 });
    say({ kind: 'reduced', count: update + 1, right: vector.every((value) => value === sum) });
  }
  say({ kind: 'done', bytesSent: ring.bytesSent, bytesReceived: ring.bytesReceived });
  ring.close();
}

const server = await RingServer.listen({ host: HOST, port: 0 });
process.on('disconnect', () => process.exit());
process.on('message', (task: ChildTask) => {
  work(server, task).catch((error: Error & { code?: string; progress?: RingProgress }) =>
    say({ kind: 'failed', code: error.code ?? 'unknown', message: error.message, progress: error.progress }),
  );
});
say({ kind: 'listening', port: server.port });
