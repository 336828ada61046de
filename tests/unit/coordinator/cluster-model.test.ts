import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { simulate, type Result } from './simulation/cluster.js';
import {
  FAIR,
  PASSING_KINDS,
  coordinatorFault,
  flip,
  goneForGood,
  passingFault,
  planned,
  scenarios,
  stopRun,
  workerFault,
  type Scenario,
} from './simulation/scenario.js';

/**
 * Membership as a model: the decisions of coordinator/ drive a cluster in virtual time to which anything happens. The
 * simulation checks after every event what must always hold (simulation/watcher.ts), and that the run ends; here stands what
 * has to come of it. A failure names seed, path and the smallest scenario found, and tells the end of its story.
 * GAN_MODEL_RUNS=20 tries twenty times as many, GAN_MODEL_SEED=random others than the gate's.
 */
const SEED = process.env['GAN_MODEL_SEED'] === 'random' ? {} : { seed: 1 };
const TIMES = Number(process.env['GAN_MODEL_RUNS'] ?? 1);
const TIMEOUT_MS = 120_000 * Math.max(1, TIMES);
const TOLD_LINES = 60;

/** Tries so many scenarios, each of which `judge` has to accept. */
function tryAll(arbitrary: fc.Arbitrary<Scenario>, runs: number, judge: (result: Result) => void): void {
  const property = fc.property(arbitrary, (scenario) => judge(simulate(scenario)));
  const numRuns = Math.ceil(runs * TIMES);
  const details = fc.check(property, { ...SEED, numRuns, interruptAfterTimeLimit: TIMEOUT_MS - 10_000 });
  if (!details.failed) return;
  const [scenario] = details.counterexample ?? [];
  const story = scenario === undefined ? [] : storyOf(scenario);
  const report = fc.defaultReportMessage(details);
  throw new Error([report, ...story.slice(-TOLD_LINES)].join('\n'), { cause: details.errorInstance });
}

function storyOf(scenario: Scenario): string[] {
  const lines: string[] = [];
  try {
    simulate(scenario, (line) => lines.push(line));
  } catch (error) {
    lines.push(String(error));
  }
  return lines;
}

const done = ({ outcome, message }: Result): void => {
  if (outcome !== 'done') throw new Error(`the run was to be done, it ended ${outcome}: ${message}`);
};

describe('a cluster to which anything happens', { timeout: TIMEOUT_MS }, () => {
  it('comes to the same generator and history, once each, by whatever ways', () => {
    const fired = new Set<string>();
    let newestKept = 0;
    tryAll(scenarios({ inOrder: true, faults: planned(passingFault, 5) }), 2_200, (result) => {
      for (const kind of result.fired) fired.add(kind);
      newestKept += result.watcher.newestKept;
      done(result);
    });
    expect([...fired].sort()).toEqual([...PASSING_KINDS].sort());
    expect(newestKept).toBeGreaterThan(40 * TIMES);
  });

  it('also when messages overtake each other', () => {
    tryAll(scenarios({ inOrder: false, faults: planned(passingFault, 4) }), 1_200, done);
  });

  it('has one leader, also while another one that was stopped wakes up in the middle of what it did', () => {
    const faults = planned(fc.oneof({ weight: 3, arbitrary: coordinatorFault }, workerFault), 5);
    const fixed = { coordinators: 2, steps: 20, checkpointEveryMs: 100 };
    tryAll(scenarios({ inOrder: true, faults, fixed }), 700, done);
  });

  it('finds a bit that flips in one of several replicas, and undoes it', () => {
    const oneFlip = fc
      .record({ update: fc.nat({ max: 20 }), what: flip })
      .map(({ update, what }) => [{ when: { at: 'update', update } as const, what }]);
    const several = { workers: 3, shards: 3, coordinators: 1, steps: 12, weather: FAIR };
    let found = 0;
    tryAll(scenarios({ inOrder: true, faults: oneFlip, fixed: several }), 300, (result) => {
      done(result);
      const { flips, mismatches, laundered } = result.watcher;
      expect(laundered).toBe(false);
      expect(mismatches).toBe(flips);
      found += mismatches;
    });
    expect(found).toBeGreaterThan(200 * TIMES);
  });

  it('never goes back to a state that was found to differ', () => {
    const faults = planned(fc.oneof(flip, coordinatorFault, passingFault), 5);
    tryAll(scenarios({ inOrder: true, faults }), 900, (result) => {
      // Three times are too many without a checkpoint between.
      if (result.watcher.flips <= 3 || !result.message.includes('memory may be faulty')) done(result);
    });
  });

  it('stops when it is asked to, with a checkpoint of all that is done', () => {
    const faults = planned(fc.oneof(stopRun, passingFault, passingFault), 4);
    const outcomes = new Set<string>();
    tryAll(scenarios({ inOrder: true, faults }), 600, (result) => {
      const { outcome, message, state } = result;
      outcomes.add(outcome);
      if (outcome !== 'interrupted') return done(result);
      if (message.startsWith('stopped at step')) expect(state.checkpoint?.update).toBe(2 * state.goal);
      else expect(message).toMatch(/^stopped (before the first step|without a worker at work; .*checkpoint)/);
    });
    expect([...outcomes].sort()).toEqual(['done', 'interrupted']);
  });

  it('ends with one reason and its checkpoint named when it cannot go on', () => {
    const faults = planned(fc.oneof(goneForGood, workerFault), 3);
    const fixed = { waitWorkersMs: 5_000, patienceMs: 1_000_000 };
    const reasons = new Set<string>();
    tryAll(scenarios({ inOrder: true, faults, fixed }), 120, ({ outcome, message }) => {
      if (outcome === 'failed') reasons.add(message.split(/[,;:]/)[0]?.replace(/\d+/g, 'N') ?? '');
    });
    expect(reasons.size).toBeGreaterThan(2);
  });

  it('ends when the same update fails everywhere, and not when it fails here and there', () => {
    const faults = planned(workerFault, 2);
    const fixed = { poisonedUpdate: 3, steps: 4, patienceMs: 1_000_000 };
    tryAll(scenarios({ inOrder: true, faults, fixed }), 150, ({ outcome, message }) => {
      expect(outcome).toBe('failed');
      expect(message).toMatch(/^update \d \(step \d\) failed in 12 ring epochs in a row/);
    });
  });

  it('is the same, message for message, when it is tried again', () => {
    const arbitrary = scenarios({ inOrder: true, faults: planned(passingFault, 3) });
    fc.assert(
      fc.property(arbitrary, (scenario) => {
        expect(storyOf(scenario)).toEqual(storyOf(scenario));
      }),
      { numRuns: 20 },
    );
  });
});
