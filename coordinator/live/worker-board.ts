import { stepOf, type UpMessage } from '../../proto/index.js';
import type { LiveWorker } from '../../proto/live.js';
import type { RunState, WorkerRecord } from '../run-state.js';

/** A worker from whom nothing came for so long is shown as silent, sooner than it is taken for lost. */
const SILENT_MS = 1_500;

type Heartbeat = UpMessage<'heartbeat'>;

/** What the workers are doing now, as far as their heartbeats tell. */
export class WorkerBoard {
  private readonly beats = new Map<string, Heartbeat>();

  heard(beat: Heartbeat): void {
    this.beats.set(beat.workerId, beat);
  }

  /** All that are known: the world in ring order first. */
  workers(state: RunState, nowMs: number): LiveWorker[] {
    for (const id of this.beats.keys()) if (!state.workers.has(id)) this.beats.delete(id);
    const world = state.phase.kind === 'gathering' ? [] : (state.epoch?.world ?? []);
    const ranks = new Map(world.map((id, rank) => [id, rank]));
    return [...state.workers.values()]
      .map((worker) => this.line(state, worker, ranks.get(worker.workerId) ?? null, nowMs))
      .sort((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity));
  }

  private line({ spec }: RunState, worker: WorkerRecord, rank: number | null, nowMs: number): LiveWorker {
    const { totals } = worker;
    const beat = this.beats.get(worker.workerId);
    const sum = totals.waitMs + totals.computeMs + totals.reduceMs + totals.updateMs;
    const share = (ms: number): number => (sum === 0 ? 0 : ms / sum);
    return {
      name: worker.name,
      hostname: worker.hostname,
      rank,
      role: roleOf(worker, rank, nowMs),
      phase: beat?.phase ?? 'idle',
      step: stepOf(beat?.nextUpdate ?? 0),
      images: totals.shardsComputed * spec.shardBatch,
      ringBytes: totals.ringBytesSent + totals.ringBytesReceived,
      waitShare: share(totals.waitMs),
      computeShare: share(totals.computeMs),
      reduceShare: share(totals.reduceMs),
      updateShare: share(totals.updateMs),
    };
  }
}

function roleOf(worker: WorkerRecord, rank: number | null, nowMs: number): LiveWorker['role'] {
  if (worker.excluded !== null) return worker.excluded.heard ? 'kept-out' : 'silent';
  if (nowMs - worker.lastSeenMs > SILENT_MS) return 'silent';
  if (worker.leaving !== null) return 'leaving';
  if (!worker.ready) return 'preparing';
  return rank === null ? 'spare' : 'member';
}
