import type { HeldDevice } from '../proto/index.js';
import { say } from './decision.js';
import type { RunCommand, RunState, WorkerRecord } from './run-state.js';

/** A worker that needs a card, or tells which one it is on. */
export interface LeaseQuestion {
  readonly workerId: string;
  /** Cards of its host that the run's engine can use, by UUID. None: the engine needs no lease. */
  readonly devices: readonly string[];
  readonly device: HeldDevice | null;
}

export type Lease =
  /** The engine needs no card of its own. */
  | { readonly kind: 'none' }
  | {
      readonly kind: 'granted';
      readonly device: HeldDevice;
      /** Had the card and gave no sign of life: it must not come back to it. */
      readonly takenFrom: WorkerRecord | null;
      /** Are on it as well, as somebody named the card by hand. */
      readonly sharedWith: readonly WorkerRecord[];
    }
  /** Too early to tell: others may hold what is not known yet. The worker asks again. */
  | { readonly kind: 'later' }
  | { readonly kind: 'wait'; readonly message: string }
  /** Somebody else has the card that the worker is on. */
  | { readonly kind: 'lost'; readonly message: string };

type Granted = Lease & { readonly kind: 'granted' };

/**
 * A coordinator that has just begun to lead leases nothing for so long. Within it all workers of the one before, whose
 * heartbeats come twice a second, have told which cards they hold.
 */
export const LEARN_LEASES_MS = 2_000;

/** Silent, so perhaps gone: its card may be leased again, but only when no other is free. */
const isLapsed = ({ excluded }: WorkerRecord): boolean => excluded !== null && !excluded.heard;

const othersOn = (state: RunState, workerId: string, uuid: string): WorkerRecord[] =>
  [...state.workers.values()].filter(
    (worker) => worker.workerId !== workerId && worker.device?.uuid === uuid,
  );

/**
 * Which card a worker computes on, one worker a card. A lease has no record and no deadline of its own: it is part of its
 * worker's record, so it ends with it, and the workers tell a new coordinator what they hold. Pure.
 *
 * Whoever is on a card keeps it, unless another took it over meanwhile. A card named by hand is never refused, as it may
 * well be meant to be shared; but others then know. A newcomer gets the first card that nobody has, else one whose holder
 * is silent, else it waits: a worker that was killed and started again at once comes before its old lease has ended.
 */
export function leaseDevice(state: RunState, question: LeaseQuestion, nowMs: number): Lease {
  const { workerId, devices } = question;
  if (devices.length === 0) return { kind: 'none' };
  const held = question.device ?? state.workers.get(workerId)?.device ?? null;
  if (held !== null) return keepDevice(state, workerId, held);
  if (nowMs - state.leadSinceMs < LEARN_LEASES_MS) return { kind: 'later' };
  const grant = (uuid: string, takenFrom: WorkerRecord | null): Lease => ({
    kind: 'granted',
    device: { uuid, pinned: false },
    takenFrom,
    sharedWith: [],
  });
  const holders = devices.map((uuid) => ({ uuid, on: othersOn(state, workerId, uuid) }));
  const free = holders.find(({ on }) => on.length === 0);
  if (free !== undefined) return grant(free.uuid, null);
  const lapsed = holders.find(({ on }) => on.length === 1 && on.every(isLapsed));
  if (lapsed !== undefined) return grant(lapsed.uuid, lapsed.on[0] ?? null);
  const names = holders.flatMap(({ on }) => on.map(({ name }) => name));
  const all = devices.length === 1 ? 'the one GPU' : `all ${devices.length} GPUs`;
  const leased = `${all} of this host that the engine can use ${devices.length === 1 ? 'is' : 'are'} leased`;
  return {
    kind: 'wait',
    message: `no GPU is free: ${leased} to ${names.join(', ')}; a worker has a card of its own, so this one waits`,
  };
}

/**
 * What becomes of the card that a worker is on already: by its command line, or by a lease, also of an earlier
 * coordinator.
 */
export function keepDevice(state: RunState, workerId: string, device: HeldDevice): Lease {
  const others = othersOn(state, workerId, device.uuid);
  if (device.pinned) return { kind: 'granted', device, takenFrom: null, sharedWith: others };
  const leased = others.find((other) => other.device?.pinned === false);
  if (leased === undefined || isLapsed(leased))
    return { kind: 'granted', device, takenFrom: leased ?? null, sharedWith: [] };
  return {
    kind: 'lost',
    message: `its GPU ${device.uuid} was leased to ${leased.name} while it was not heard: it has to be started again to get another one`,
  };
}

/** What a card's new holder means for those who had it, or have it as well; said once, when the holder changes. */
export function grantWords(name: string, lease: Granted, nowMs: number): RunCommand[] {
  const { device, takenFrom, sharedWith } = lease;
  const { uuid } = device;
  if (takenFrom !== null) {
    const silentS = ((nowMs - takenFrom.lastSeenMs) / 1000).toFixed(1);
    return [
      say('warning', `${name} gets GPU ${uuid}: ${takenFrom.name}, which had it, is silent for ${silentS} s`),
    ];
  }
  if (sharedWith.length === 0) return [say('info', `${name} computes on GPU ${uuid}`)];
  const others = sharedWith.map((worker) => worker.name).join(', ');
  return [
    say('warning', `${name} was told by --device to compute on GPU ${uuid}: it shares it with ${others}`),
  ];
}
