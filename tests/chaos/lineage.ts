import { shardsOfRank } from '../../proto/index.js';
import type { RunWatch } from './run-watch.js';
import { SHARDS } from './shapes.js';
import type { LogLine } from './timeline.js';

/** A ring epoch as the coordinator that wrote it has logged it. */
export interface WrittenEpoch {
  readonly ringEpoch: number;
  readonly world: readonly string[];
  readonly nextUpdate: number;
  readonly reason: string;
}

/** A part of the final lineage: the updates from `from` on and below `to` were applied in this ring epoch. */
export interface Stretch {
  readonly ringEpoch: number;
  readonly world: readonly string[];
  readonly from: number;
  readonly to: number;
}

export function writtenEpochs(lines: readonly LogLine[]): WrittenEpoch[] {
  return lines
    .filter(({ text }) => text === 'ring epoch written')
    .map(({ fields }) => fields as unknown as WrittenEpoch)
    .sort((a, b) => a.ringEpoch - b.ringEpoch);
}

/** How far a ring epoch got: its last update that was seen, plus one. */
function reached(epochs: readonly WrittenEpoch[], index: number, watch: RunWatch): number {
  const epoch = epochs[index];
  const next = epochs[index + 1];
  if (epoch === undefined) return 0;
  const reports = watch.reports.filter(({ ringEpoch }) => ringEpoch === epoch.ringEpoch);
  // A start "from where the workers stand" tells how far they had come, also when nobody had reported it.
  const stood = next?.reason.includes('where the workers stand') === true ? next.nextUpdate : 0;
  return Math.max(epoch.nextUpdate, stood, ...reports.map(({ nextUpdate }) => nextUpdate));
}

/**
 * The ring epochs that the final state descends from, found from its end: the last one's first state was made by the
 * newest one before it that got that far, and so on. Throws when a part is missing.
 */
export function lineage(epochs: readonly WrittenEpoch[], watch: RunWatch, updates: number): Stretch[] {
  const numbers = epochs.map(({ ringEpoch }) => ringEpoch);
  if (new Set(numbers).size < numbers.length)
    throw new Error(`two ring epochs of one number: ${numbers.join(', ')}`);
  const stretches: Stretch[] = [];
  let needed = updates;
  for (let index = epochs.length - 1; index >= 0 && needed > 0; index--) {
    const epoch = epochs[index];
    if (epoch === undefined || epoch.nextUpdate >= needed) continue;
    // The run's result is the proof that the last one got to the end.
    const to = stretches.length === 0 ? needed : reached(epochs, index, watch);
    if (to < needed) continue;
    const { ringEpoch, world, nextUpdate } = epoch;
    stretches.unshift({ ringEpoch, world, from: nextUpdate, to: needed });
    needed = nextUpdate;
  }
  if (needed > 0) {
    const found = epochs.map((epoch) => `${epoch.ringEpoch} from ${epoch.nextUpdate}`).join(', ');
    throw new Error(`no ring epoch applied update ${needed - 1} (ring epochs: ${found})`);
  }
  return stretches;
}

/** Says which (update, shard) was not applied exactly once. */
export function appliedWrongly(stretches: readonly Stretch[], updates: number): string[] {
  const times = new Map<string, number>();
  for (const { world, from, to } of stretches) {
    for (let update = from; update < to; update++) {
      for (const rank of world.keys())
        for (const shard of shardsOfRank(Math.floor(update / 2), rank, SHARDS, world.length)) {
          const key = `${update}/${shard}`;
          times.set(key, (times.get(key) ?? 0) + 1);
        }
    }
  }
  const wrong: string[] = [];
  for (let update = 0; update < updates; update++) {
    for (let shard = 0; shard < SHARDS; shard++) {
      const count = times.get(`${update}/${shard}`) ?? 0;
      if (count !== 1) wrong.push(`update ${update}, shard ${shard}: ${count} times`);
    }
  }
  return wrong;
}
