import fc from 'fast-check';
import type { Weather } from './network.js';

/**
 * When a fault happens: at a time, when somebody reaches an update, when a message has been sent or a key been written for
 * the n-th time.
 */
export type Trigger =
  | { readonly at: 'ms'; readonly ms: number }
  | { readonly at: 'update'; readonly update: number }
  | { readonly at: 'sent'; readonly topic: SentTopic; readonly count: number }
  | { readonly at: 'written'; readonly key: 'ring' | 'checkpoint'; readonly count: number };

/** Messages that open the doors of a ring epoch, a checkpoint or the end. */
export const SENT_TOPICS = [
  'survey',
  'standing',
  'start',
  'started',
  'settle',
  'checkpoint',
  'checkpointed',
  'export',
  'failure',
  'leaving',
] as const;
export type SentTopic = (typeof SENT_TOPICS)[number];

/** Who is meant is found among those that are there by then. */
export type Fault =
  /** SIGKILL; started again after so long, or never. */
  | { readonly kind: 'kill'; readonly who: number; readonly restartMs: number | null }
  /** SIGSTOP. */
  | { readonly kind: 'stop'; readonly who: number; readonly forMs: number }
  /** The thread that computes stands still, heartbeats go on. */
  | { readonly kind: 'hang'; readonly who: number; readonly forMs: number }
  | { readonly kind: 'slow'; readonly who: number; readonly forMs: number }
  /** SIGTERM. */
  | { readonly kind: 'leave'; readonly who: number; readonly replaceMs: number | null }
  | { readonly kind: 'join' }
  /** Its engine fails once. */
  | { readonly kind: 'breakdown'; readonly who: number }
  | { readonly kind: 'flip'; readonly who: number }
  /** Nothing passes between two workers. */
  | { readonly kind: 'cutLink'; readonly who: number; readonly other: number; readonly forMs: number }
  /** A worker is cut off from NATS. */
  | { readonly kind: 'cutOff'; readonly who: number; readonly forMs: number; readonly silently: boolean }
  | { readonly kind: 'killCoordinator'; readonly restartMs: number }
  | { readonly kind: 'stopCoordinator'; readonly forMs: number }
  | { readonly kind: 'cutOffCoordinator'; readonly forMs: number; readonly silently: boolean }
  | { readonly kind: 'natsAway'; readonly forMs: number }
  /** The stores refuse writes, all or those of objects, or take them without an answer. */
  | { readonly kind: 'refuseWrites'; readonly forMs: number }
  | { readonly kind: 'refuseObjects'; readonly forMs: number }
  | { readonly kind: 'muteWrites'; readonly forMs: number }
  /** All processes at once, the server too. */
  | { readonly kind: 'powerCut'; readonly forMs: number }
  /** No fault: somebody wants the newest generator. */
  | { readonly kind: 'askNewest'; readonly discriminator: boolean }
  | { readonly kind: 'stopRun' }
  /** Never to come back: what the run cannot do without. */
  | { readonly kind: 'goneForGood'; readonly what: 'workers' | 'nats' | 'stores' | 'objects' };

export interface PlannedFault {
  readonly when: Trigger;
  readonly what: Fault;
}

export interface Scenario {
  /** For all that is random and not said here: latencies, what is lost. */
  readonly seed: number;
  readonly workers: number;
  readonly coordinators: number;
  readonly shards: number;
  readonly steps: number;
  readonly prefetch: number;
  readonly computeMs: number;
  readonly engineMs: number;
  readonly transferMs: number;
  readonly checkpointEveryMs: number;
  readonly waitWorkersMs: number;
  /** Whoever started a worker tells the coordinator when it has ended. */
  readonly tellsExits: boolean;
  readonly weather: Weather;
  readonly faults: readonly PlannedFault[];
  /** Nobody can compute this one. */
  readonly poisonedUpdate: number | null;
  /** A run that does not end within this time after the last fault waits for ever. */
  readonly patienceMs: number;
}

const shortOrLong = fc.oneof(
  { weight: 2, arbitrary: fc.integer({ min: 20, max: 600 }) },
  { weight: 2, arbitrary: fc.integer({ min: 600, max: 6_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 6_000, max: 12_000 }) },
);
const restart = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 50, max: 3_000 }) },
  { weight: 1, arbitrary: fc.constant(null) },
);
const who = fc.nat({ max: 4 });
const forMs = shortOrLong;
const cutMs = fc.oneof(forMs, fc.integer({ min: 10_000, max: 60_000 }));
const silently = fc.boolean();

const trigger: fc.Arbitrary<Trigger> = fc.oneof(
  fc.record({ at: fc.constant('ms' as const), ms: fc.integer({ min: 0, max: 4_000 }) }),
  fc.record({ at: fc.constant('update' as const), update: fc.nat({ max: 60 }) }),
  fc.record({
    at: fc.constant('sent' as const),
    topic: fc.constantFrom(...SENT_TOPICS),
    count: fc.integer({ min: 1, max: 12 }),
  }),
  fc.record({
    at: fc.constant('written' as const),
    key: fc.constantFrom('ring', 'checkpoint'),
    count: fc.integer({ min: 1, max: 4 }),
  }),
);

const kind = <K extends Fault['kind']>(name: K) => fc.constant(name);

/** Faults that a run overcomes. */
const passing: readonly fc.WeightedArbitrary<Fault>[] = [
  { weight: 6, arbitrary: fc.record({ kind: kind('kill'), who, restartMs: restart }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('stop'), who, forMs }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('hang'), who, forMs }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('slow'), who, forMs }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('leave'), who, replaceMs: restart }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('join') }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('breakdown'), who }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('cutLink'), who, other: who, forMs: cutMs }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('cutOff'), who, forMs, silently }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: kind('killCoordinator'),
      restartMs: fc.integer({ min: 50, max: 5_000 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: kind('stopCoordinator'), forMs }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('cutOffCoordinator'), forMs, silently }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('natsAway'), forMs }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('refuseWrites'), forMs }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('refuseObjects'), forMs }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('muteWrites'), forMs }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('powerCut'), forMs }) },
  { weight: 4, arbitrary: fc.record({ kind: kind('askNewest'), discriminator: fc.boolean() }) },
];
export const passingFault = fc.oneof(...passing);
export const PASSING_KINDS: readonly Fault['kind'][] = [
  'kill',
  'stop',
  'hang',
  'slow',
  'leave',
  'join',
  'breakdown',
  'cutLink',
  'cutOff',
  'killCoordinator',
  'stopCoordinator',
  'cutOffCoordinator',
  'natsAway',
  'refuseWrites',
  'refuseObjects',
  'muteWrites',
  'powerCut',
  'askNewest',
];
export const flip: fc.Arbitrary<Fault> = fc.record({ kind: kind('flip'), who });
export const goneForGood: fc.Arbitrary<Fault> = fc.record({
  kind: kind('goneForGood'),
  what: fc.constantFrom('workers', 'nats', 'stores', 'objects'),
});
/** What happens to whoever leads. */
export const coordinatorFault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ kind: kind('killCoordinator'), restartMs: fc.integer({ min: 50, max: 5_000 }) }),
  {
    weight: 3,
    arbitrary: fc.record({ kind: kind('stopCoordinator'), forMs: fc.integer({ min: 20, max: 6_000 }) }),
  },
  fc.record({ kind: kind('cutOffCoordinator'), forMs, silently }),
);
/** What happens to workers alone. */
export const workerFault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ kind: kind('kill'), who, restartMs: restart }),
  fc.record({ kind: kind('stop'), who, forMs }),
  fc.record({ kind: kind('leave'), who, replaceMs: restart }),
  fc.record({ kind: kind('join') }),
  fc.record({ kind: kind('breakdown'), who }),
);
export const stopRun: fc.Arbitrary<Fault> = fc.record({ kind: kind('stopRun') });

export const planned = (what: fc.Arbitrary<Fault>, max: number): fc.Arbitrary<PlannedFault[]> =>
  fc.array(fc.record({ when: trigger, what }), { maxLength: max });

export const FAIR: Weather = { lost: 0, doubled: 0, late: 0, lateMs: 0, inOrder: true };
const weather = (inOrder: boolean): fc.Arbitrary<Weather> =>
  fc.oneof(
    fc.constant(FAIR),
    fc.record({
      lost: fc.constantFrom(0, 0.01, 0.1),
      doubled: fc.constantFrom(0, 0.1),
      late: fc.constantFrom(0, 0.02, 0.2),
      lateMs: fc.constantFrom(20, 400),
      inOrder: fc.constant(inOrder),
    }),
  );

export interface ScenarioOptions {
  readonly inOrder: boolean;
  readonly faults: fc.Arbitrary<PlannedFault[]>;
  readonly fixed?: Partial<Scenario>;
}

export const scenarios = ({ inOrder, faults, fixed }: ScenarioOptions): fc.Arbitrary<Scenario> =>
  fc
    .record({
      seed: fc.nat(),
      workers: fc.integer({ min: 1, max: 5 }),
      coordinators: fc.integer({ min: 1, max: 2 }),
      shards: fc.integer({ min: 1, max: 4 }),
      steps: fc.integer({ min: 1, max: 30 }),
      prefetch: fc.integer({ min: 1, max: 4 }),
      computeMs: fc.integer({ min: 1, max: 80 }),
      engineMs: fc.integer({ min: 1, max: 300 }),
      transferMs: fc.integer({ min: 1, max: 200 }),
      checkpointEveryMs: fc.integer({ min: 100, max: 3_000 }),
      tellsExits: fc.boolean(),
      weather: weather(inOrder),
      faults,
    })
    .map((drawn) => ({
      ...drawn,
      waitWorkersMs: 30_000,
      poisonedUpdate: null,
      patienceMs: 200_000,
      ...fixed,
    }));
