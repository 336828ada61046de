import { stepOf, type RingMember, type StateSource, type UpMessage } from '../proto/index.js';
import { chooseWorld, isCut, type CutLink } from './ring-order.js';

/** Where a worker said it stands, in answer to a survey. */
export type Standing = Omit<UpMessage<'standing'>, 'workerId' | 'term' | 'survey'>;

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

/** A worker that answered the survey. */
export interface Candidate {
  readonly member: RingMember;
  readonly standing: Omit<Standing, 'begunIn'>;
  /** It may hand its state over but takes no place in the world. */
  readonly leaving: boolean;
}

export interface StartQuestion {
  /** Longest known first. */
  readonly candidates: readonly Candidate[];
  /** S: a world larger than that would have idle members; the rest are spares. */
  readonly shards: number;
  readonly checkpoint: CheckpointRecord | null;
  /** Rows below this one are in the history. */
  readonly committed: number;
  readonly cuts: readonly CutLink[];
  /** Trust nothing newer than what all replicas agreed on and a checkpoint keeps. */
  readonly fromAgreed: boolean;
}

/** What a start has to tell. */
export interface StartDecision {
  /** Ring order: rank r is world[r]. */
  readonly world: readonly string[];
  readonly spares: readonly string[];
  readonly nextUpdate: number;
  readonly stateFingerprint: string | null;
  readonly source: StateSource;
  /** In words, where the state comes from. */
  readonly from: string;
}

/** A state that differs between two workers that stand at the same update. */
export interface StandingMismatch {
  readonly update: number;
  readonly fingerprints: ReadonlyMap<string, string>;
}

/** Two of the most advanced workers whose states differ; null when they agree. */
export function compareStandings(candidates: readonly Candidate[]): StandingMismatch | null {
  const best = Math.max(...candidates.map(({ standing }) => standing.nextUpdate ?? -1));
  const fingerprints = new Map<string, string>();
  for (const { member, standing } of candidates) {
    if (standing.nextUpdate === best && standing.stateFingerprint !== null)
      fingerprints.set(member.workerId, standing.stateFingerprint);
  }
  return new Set(fingerprints.values()).size > 1 ? { update: best, fingerprints } : null;
}

/**
 * Decides a ring epoch's world, the update it goes on with and where the state comes from. Pure; null when nobody is left
 * to train. Where all leave, they make a last world if they hold more than the checkpoint does: it is to be kept.
 *
 * The most advanced state wins, unless the checkpoint is newer, or rows of the history would be missing: those between the
 * committed ones and that state, which only workers hold. Going back costs time and changes no bit.
 */
export function decideStart(question: StartQuestion): StartDecision | null {
  const { candidates, checkpoint } = question;
  const idOf = ({ member }: Candidate): string => member.workerId;
  const staying = candidates.filter(({ leaving }) => !leaving).map(idOf);
  if (staying.length > 0) return startAmong(staying, question);
  const last = startAmong(candidates.map(idOf), question);
  return last?.source.kind === 'peer' && last.nextUpdate > (checkpoint?.update ?? 0) ? last : null;
}

function startAmong(able: readonly string[], question: StartQuestion): StartDecision | null {
  const { candidates, shards, checkpoint, cuts, fromAgreed } = question;
  if (able.length === 0) return null;
  const world = chooseWorld(able, shards, cuts);
  const spares = able.filter((id) => !world.includes(id));
  const seats = { world, spares };
  const source = fromAgreed ? null : bestSource(question, world);
  if (source !== null && source.nextUpdate >= (checkpoint?.update ?? 0)) {
    const { member, nextUpdate, stateFingerprint } = source;
    const start: StartDecision = {
      ...seats,
      nextUpdate,
      stateFingerprint,
      source: { kind: 'peer', peer: member },
      from: 'where the workers stand',
    };
    const stands = new Set(
      candidates
        .filter(({ standing }) => standing.nextUpdate === nextUpdate)
        .map((other) => other.member.workerId),
    );
    const apart = world.filter((id) => !stands.has(id) && isCut(cuts, id, member.workerId));
    if (apart.length === 0) return start;
    // Whoever cannot reach the state that it needs steps aside, if anybody is left then.
    const reaching = able.filter((id) => !apart.includes(id));
    const other = startAmong(reaching, question);
    if (other !== null) return { ...other, spares: [...other.spares, ...apart] };
  }
  if (checkpoint === null) {
    const initial = { nextUpdate: 0, stateFingerprint: null, source: { kind: 'initial' as const } };
    return { ...seats, ...initial, from: 'the beginning' };
  }
  const { object, sha256, update, stateFingerprint } = checkpoint;
  return {
    ...seats,
    nextUpdate: update,
    stateFingerprint,
    source: { kind: 'checkpoint', object, sha256, update },
    from: `the checkpoint of step ${stepOf(update)}`,
  };
}

interface Source {
  readonly member: RingMember;
  readonly nextUpdate: number;
  readonly stateFingerprint: string;
}

/**
 * Who hands the state over: of the most advanced, the one that most can reach, that holds the most rows, members of the
 * world first. Null when nobody has a state, or the rows from `committed` on are not all there.
 */
function bestSource({ candidates, committed, cuts }: StartQuestion, world: readonly string[]): Source | null {
  const inWorld = ({ member }: Candidate): number => Number(world.includes(member.workerId));
  const cutsOf = ({ member }: Candidate): number =>
    world.filter((id) => isCut(cuts, id, member.workerId)).length;
  const [best] = candidates
    .filter(({ standing }) => standing.nextUpdate !== null && standing.stateFingerprint !== null)
    .sort(
      (a, b) =>
        (b.standing.nextUpdate ?? 0) - (a.standing.nextUpdate ?? 0) ||
        cutsOf(a) - cutsOf(b) ||
        a.standing.rowsFrom - b.standing.rowsFrom ||
        inWorld(b) - inWorld(a),
    );
  if (best === undefined) return null;
  const { nextUpdate, stateFingerprint, rowsFrom } = best.standing;
  if (nextUpdate === null || stateFingerprint === null) return null;
  if (rowsFrom > committed && nextUpdate > committed) return null;
  // Rows travel with the state, but who stands there already keeps its own: then nobody would have them.
  const others = candidates.filter((other) => other !== best && inWorld(other) === 1);
  const fetched = others.some(({ standing }) => standing.nextUpdate !== nextUpdate);
  const held = others.some(
    ({ standing }) => standing.nextUpdate === nextUpdate && standing.rowsFrom <= committed,
  );
  if (inWorld(best) === 0 && nextUpdate > committed && !fetched && !held) return null;
  return { member: best.member, nextUpdate, stateFingerprint };
}
