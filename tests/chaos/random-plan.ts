import type { Fault } from '../../proto/runtime/fault-injection.js';
import { planned } from './planned.js';
import { Random } from './random.js';
import { LONG, SHARDS, lastUpdate } from './shapes.js';

/** Something that the test does once the run has come to `update`. */
export type Blow = { readonly update: number } & (
  | { readonly kind: 'kill-worker'; readonly who: string }
  | { readonly kind: 'stop-worker'; readonly who: string; readonly forMs: number }
  | { readonly kind: 'drain-worker'; readonly who: string; readonly backAfterMs: number }
  | { readonly kind: 'add-worker'; readonly who: string }
  | {
      readonly kind: 'cut-worker-from-nats';
      readonly who: string;
      readonly how: 'cut' | 'blackHole';
      readonly forMs: number;
    }
  | { readonly kind: 'kill-coordinator'; readonly backAfterMs: number }
  | { readonly kind: 'stop-coordinator'; readonly forMs: number }
  | { readonly kind: 'nats-away'; readonly how: 'stop' | 'kill'; readonly forMs: number }
  | { readonly kind: 'power-cut' }
);

/** A fault that fires in a process by itself; who stands still or hangs is let go on or killed after a while. */
export interface Mine {
  readonly fault: Fault;
  readonly releasedAfterMs: number;
}

export interface RandomPlan {
  readonly seed: number;
  readonly workers: number;
  readonly coordinators: 1 | 2;
  readonly checkpointEveryS: number;
  /** Share of the control messages that are lost, that come twice, that come late; null for none. */
  readonly weather: number | null;
  readonly mines: readonly Mine[];
  /** In the order of their updates. */
  readonly blows: readonly Blow[];
}

const MAX_FAULTS = 5;
/** Blows fall while there is still something to do. */
const LAST_BLOW = lastUpdate(LONG) - 40;
const COMPUTING = ['before-compute', 'in-compute', 'in-reduce-scatter', 'in-all-gather', 'in-adam'] as const;
const RECOVERING = ['in-survey', 'in-state-transfer', 'in-checkpoint'] as const;
const COORDINATING = ['surveyed', 'ring-written', 'checkpoint-stored'] as const;
const FLIPS = ['flip-parameters', 'flip-adam', 'flip-statistics'] as const;

/** Any update, the first and the last ones more often than others. */
function anyUpdate(random: Random): number {
  const dice = random.next();
  if (dice < 0.1) return random.whole(0, 1);
  if (dice < 0.2) return lastUpdate(LONG) - random.whole(0, 1);
  return random.whole(2, lastUpdate(LONG) - 2);
}

function workerMine(random: Random, who: string): Mine {
  const action = random.pick(['kill', 'kill', 'kill', 'stop', 'hang', 'cut'] as const);
  const recovering = random.chance(0.25) && action !== 'cut';
  const point = action === 'cut' ? 'before-compute' : random.pick(recovering ? RECOVERING : COMPUTING);
  return { fault: planned(who, point, anyUpdate(random), action), releasedAfterMs: random.whole(500, 6_000) };
}

function workerBlow(random: Random, who: string, update: number): Blow {
  switch (random.pick(['kill', 'stop', 'drain', 'cut'] as const)) {
    case 'kill':
      return { kind: 'kill-worker', update, who };
    case 'stop':
      return { kind: 'stop-worker', update, who, forMs: random.whole(100, 5_000) };
    case 'drain':
      return { kind: 'drain-worker', update, who, backAfterMs: random.whole(0, 3_000) };
    case 'cut': {
      const how = random.pick(['cut', 'blackHole'] as const);
      return { kind: 'cut-worker-from-nats', update, who, how, forMs: random.whole(100, 8_000) };
    }
  }
}

function sharedBlow(random: Random, update: number): Blow {
  switch (random.pick(['kill', 'kill', 'stop', 'nats', 'nats', 'power'] as const)) {
    case 'kill':
      return { kind: 'kill-coordinator', update, backAfterMs: random.pick([0, 0, random.whole(1, 4_000)]) };
    case 'stop':
      return { kind: 'stop-coordinator', update, forMs: random.whole(100, 5_000) };
    case 'nats': {
      const how = random.pick(['stop', 'kill'] as const);
      return { kind: 'nats-away', update, how, forMs: random.pick([0, random.whole(1, 5_000)]) };
    }
    case 'power':
      return { kind: 'power-cut', update };
  }
}

/**
 * What happens to a run, all of it from the seed: 1 to 5 workers, so that the fifth is a spare, a standby or none, and up to
 * five faults. No worker is hit twice, so that each fault finds its worker at work.
 */
export function randomPlan(seed: number): RandomPlan {
  const random = new Random(seed);
  const workers = random.whole(1, SHARDS + 1);
  const names = Array.from({ length: workers }, (_, i) => `worker-${i}`);
  const shape = {
    seed,
    workers,
    coordinators: random.chance(0.4) ? (2 as const) : (1 as const),
    checkpointEveryS: random.pick([0.5, 2, 30]),
  };
  // A flipped bit is found by comparing: nothing else is to happen before that, and there have to be others.
  if (workers >= 2 && random.chance(0.08)) {
    const who = random.pick(names.slice(0, SHARDS));
    const fault = planned(who, 'before-compute', anyUpdate(random), random.pick(FLIPS));
    return { ...shape, weather: null, mines: [{ fault, releasedAfterMs: 0 }], blows: [] };
  }
  const mines: Mine[] = [];
  const blows: Blow[] = [];
  const victims = random.shuffle(names);
  let added = 0;
  const count = random.whole(1, MAX_FAULTS);
  for (let i = 0; i < count; i++) {
    const update = random.whole(4, LAST_BLOW);
    const who = random.chance(0.7) ? victims.pop() : undefined;
    if (who !== undefined) {
      // A spare computes nothing: what happens to it comes from outside. So does the first fault, which is sure to come.
      const isMember = names.indexOf(who) < SHARDS;
      if (isMember && i > 0 && random.chance(0.6)) mines.push(workerMine(random, who));
      else blows.push(workerBlow(random, who, update));
      continue;
    }
    const dice = random.next();
    if (dice < 0.25) {
      blows.push({ kind: 'add-worker', update, who: `worker-${workers + added++}` });
    } else if (dice < 0.45 && !mines.some(({ fault }) => fault.who === 'coordinator')) {
      const point = random.pick(COORDINATING);
      mines.push({ fault: planned('coordinator', point, anyUpdate(random), 'kill'), releasedAfterMs: 0 });
    } else {
      blows.push(sharedBlow(random, update));
    }
  }
  blows.sort((a, b) => a.update - b.update);
  return { ...shape, weather: random.chance(0.15) ? random.pick([0.02, 0.05, 0.1]) : null, mines, blows };
}
