import { Bus } from '../../../proto/runtime/bus.js';
import { FAKE_STATUS } from './fake-status.js';

/**
 * A coordinator without a run, as the launcher sees one: it tells its state again and again, what it is told of ended
 * processes, and ends the run when it is asked to stop.
 *
 *     node --import tsx fake-coordinator.ts NATS_URL CREDENTIALS_FILE CLUSTER
 */
const [, , url = '', credentialsFile = '', cluster = ''] = process.argv;
const STATUS_EVERY_MS = 20;

process.stdin.on('end', () => process.exit(1)).resume();
const bus = await Bus.connect({ url, credentialsFile, cluster, name: 'fake coordinator' });
const event = (text: string): void => bus.out('event', { runId: cluster, level: 'info', text });
bus.onUp('exited', ({ hostname, pid, reason }) => event(`exited ${hostname} ${pid} ${reason}`));
process.on('SIGTERM', () => {
  bus.out('ended', { runId: cluster, outcome: 'interrupted', exitStatus: 130, message: 'Interrupted' });
  void bus.flush().then(() => process.exit(130));
});
await bus.flush();
event(`coordinator ${process.pid} listens`);
setInterval(() => bus.out('status', { runId: cluster, ...FAKE_STATUS }), STATUS_EVERY_MS);
