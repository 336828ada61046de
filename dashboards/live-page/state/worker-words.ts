import type { LiveWorker } from '../contract.js';
import { bytes, counted, grouped } from './numbers.js';

/** What takes a worker's time, in the order of an update. */
export const TIMED_PHASES = ['wait', 'compute', 'reduce', 'update'] as const;
export type TimedPhase = (typeof TIMED_PHASES)[number];

export const TIMED_PHASE_WORDS: Readonly<Record<TimedPhase, string>> = {
  wait: 'waiting',
  compute: 'computing',
  reduce: 'summing',
  update: 'updating',
};

const OTHER_PHASE_WORDS: Readonly<Record<string, string>> = {
  idle: 'idle',
  fetch: 'fetching state',
  open: 'linking up',
};

const isTimed = (phase: string): phase is TimedPhase => TIMED_PHASES.some((known) => known === phase);

export const timedPhaseOf = (worker: LiveWorker): TimedPhase | null =>
  isTimed(worker.phase) ? worker.phase : null;

/** What it does now, in a word or two. */
export function doingWords(worker: LiveWorker): string {
  if (worker.role === 'silent') return 'not heard of';
  if (worker.role === 'leaving') return 'leaving';
  if (isTimed(worker.phase)) return TIMED_PHASE_WORDS[worker.phase];
  return OTHER_PHASE_WORDS[worker.phase] ?? worker.phase;
}

export const sharesOf = (worker: LiveWorker): Readonly<Record<TimedPhase, number>> => ({
  wait: worker.waitShare,
  compute: worker.computeShare,
  reduce: worker.reduceShare,
  update: worker.updateShare,
});

export function sharesWords(worker: LiveWorker): string {
  const shares = sharesOf(worker);
  const told = TIMED_PHASES.filter((phase) => shares[phase] > 0);
  if (told.length === 0) return 'no update yet';
  return told.map((phase) => `${TIMED_PHASE_WORDS[phase]} ${Math.round(shares[phase] * 100)}%`).join(', ');
}

/** Those with a place in the ring, in its order. */
export const ringOf = (workers: readonly LiveWorker[]): LiveWorker[] =>
  workers.filter(({ rank }) => rank !== null).sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));

/** How far the ring is. */
export interface Front {
  /** Of whoever is furthest. */
  readonly step: number;
  /** Nobody within so many steps is said to lag. */
  readonly leeway: number;
}

/**
 * Workers are heard one after the other, up to a second apart. So within the steps of a second nobody can be said to lag, and
 * nobody at all while it is not known how many those are.
 */
export function frontOf(
  ring: readonly LiveWorker[],
  imagesPerSecond: number | null,
  imagesPerStep: number | null,
): Front {
  const step = ring.reduce((newest, worker) => Math.max(newest, worker.step), 0);
  if (imagesPerSecond === null || imagesPerStep === null) return { step, leeway: Number.POSITIVE_INFINITY };
  return { step, leeway: 1 + Math.ceil(imagesPerSecond / Math.max(1, imagesPerStep)) };
}

/** Steps behind the front; null for whoever has no place in the ring. */
export function lagOf(worker: LiveWorker, front: Front): number | null {
  if (worker.rank === null) return null;
  const behind = front.step - worker.step;
  return behind > front.leeway ? behind : 0;
}

export const lagWords = (lag: number): string => (lag === 0 ? 'keeps up' : `${counted(lag, 'step')} behind`);

export function detailWords(worker: LiveWorker, front: Front): string {
  const lag = lagOf(worker, front);
  return [
    `${worker.name} on ${worker.hostname}`,
    worker.rank === null ? worker.role : `rank ${worker.rank}`,
    doingWords(worker),
    ...(lag === null ? [] : [lagWords(lag)]),
    `time: ${sharesWords(worker)}`,
    counted(worker.images, 'image'),
    `${bytes(worker.ringBytes)} through the ring`,
  ].join('\n');
}

/** Workers by a key of their own: a name may be there twice for a while, when one was started again. */
export function keyed(workers: readonly LiveWorker[]): Map<string, LiveWorker> {
  const byKey = new Map<string, LiveWorker>();
  for (const worker of workers) {
    let key = worker.name;
    for (let again = 2; byKey.has(key); again++) key = `${worker.name} (${again})`;
    byKey.set(key, worker);
  }
  return byKey;
}

const BESIDE_WORDS = [
  ['spare', 'Spare', 'ready, outside the ring'],
  ['preparing', 'Preparing', 'gets ready to join'],
  ['leaving', 'Leaving', 'goes in order'],
  ['kept-out', 'Kept out', 'failed again and again: let in later'],
  ['silent', 'Silent', 'not heard of'],
] as const;
/** Names of a role that are told one by one. */
const MAX_NAMES = 8;

export interface Beside {
  readonly role: LiveWorker['role'];
  readonly title: string;
  readonly meaning: string;
  readonly names: readonly string[];
  /** How many more there are. */
  readonly more: number;
}

/** Who is there without a place in the ring, by role. */
export function besideOf(workers: readonly LiveWorker[]): Beside[] {
  return BESIDE_WORDS.flatMap(([role, title, meaning]) => {
    const names = workers
      .filter((worker) => worker.rank === null && worker.role === role)
      .map(({ name }) => name);
    if (names.length === 0) return [];
    return [
      { role, title, meaning, names: names.slice(0, MAX_NAMES), more: Math.max(0, names.length - MAX_NAMES) },
    ];
  });
}

/** For those who cannot see the drawing. */
export function ringWords(ring: readonly LiveWorker[]): string {
  if (ring.length === 0) return 'No ring yet.';
  const told = ring.slice(0, 16).map((worker) => `${worker.name} ${doingWords(worker)}`);
  const more = ring.length > 16 ? `, and ${grouped(ring.length - 16)} more` : '';
  return `Ring of ${counted(ring.length, 'worker')}, in order: ${told.join(', ')}${more}.`;
}
