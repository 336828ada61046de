import type { StateSource, UpMessage } from '../proto/index.js';

/** Where a worker said it stands, in answer to a survey. */
export type Standing = Pick<UpMessage<'standing'>, 'nextUpdate' | 'stateFingerprint'>;

/** The newest complete checkpoint. */
export interface CheckpointRecord {
  /** The state is that of the replica just before this update. */
  readonly update: number;
  readonly object: string;
  readonly sha256: string;
  readonly stateFingerprint: string;
  /** The history up to `update`, in an object of its own; none before the first step. */
  readonly historyObject: string | null;
}

/** Everything that a start has to tell, with the reason in words. */
export type StartDecision =
  | {
      readonly kind: 'start';
      /** Ring order: rank r is world[r]. */
      readonly world: readonly string[];
      readonly spares: readonly string[];
      readonly nextUpdate: number;
      readonly source: StateSource;
      readonly reason: string;
    }
  | { readonly kind: 'impossible'; readonly reason: string };

/**
 * Decides a ring epoch's world and where it goes on. Pure; the ring order follows from the order of `candidates` alone.
 * @param candidates ids of the workers that answered, longest known first
 * @param shards S: a world larger than that would have idle members; the rest are spares
 */
export function decideStart(
  candidates: readonly string[],
  standings: ReadonlyMap<string, Standing>,
  shards: number,
  checkpoint: CheckpointRecord | null,
): StartDecision {
  const world = candidates.slice(0, shards);
  const spares = candidates.slice(shards);
  if (world.length === 0) return { kind: 'impossible', reason: 'no worker answered' };
  const advanced = world.filter((id) => (standings.get(id)?.nextUpdate ?? null) !== null);
  if (advanced.length > 0) {
    return {
      kind: 'impossible',
      reason: `${advanced.join(', ')} hold the state of a run in progress, which cannot be passed on yet`,
    };
  }
  const who = world.length === 1 ? '1 worker' : `${world.length} workers`;
  if (checkpoint === null) {
    return {
      kind: 'start',
      world,
      spares,
      nextUpdate: 0,
      source: { kind: 'initial' },
      reason: `first world of ${who}`,
    };
  }
  const { object, sha256, update } = checkpoint;
  return {
    kind: 'start',
    world,
    spares,
    nextUpdate: update,
    source: { kind: 'checkpoint', object, sha256, update },
    reason: `${who} go on from the checkpoint at step ${Math.floor(update / 2)}`,
  };
}
