import { expect, inject, it } from 'vitest';
import type { Fault } from '../../proto/runtime/fault-injection.js';
import { readBits } from './bits.js';
import { ChaosCluster, type ClusterOptions } from './chaos-cluster.js';
import { appliedWrongly, lineage, writtenEpochs, type Stretch } from './lineage.js';
import { keepRecovery, recoveryMs } from './recoveries.js';
import { referenceBits } from './reference.js';
import { SHORT, type Shape } from './shapes.js';

/** Generous: the machine has other things to do. Recovery times are reported, not judged. */
const RECOVERY_CEILING_MS = 15_000;
const END_WITHIN_MS = 120_000;

/**
 * Notes a fault whose recovery time is to be told.
 * @param atMs when it happened
 * @param epoch whether it ends the ring epoch, which is the default
 */
export type Mark = (kind: string, atMs: number, epoch?: 'ends' | 'goes on') => void;

export interface Scenario extends Omit<ClusterOptions, 'shape'> {
  readonly name: string;
  readonly shape?: Shape;
  /** What the test does while the run goes on; the planned faults need nobody. */
  readonly act?: (cluster: ChaosCluster, mark: Mark) => Promise<void>;
  /** What the planned faults are called in the table of recovery times; none for those that stop nobody. */
  readonly kind?: string;
  readonly recoversWithinMs?: number;
  readonly endsWithinMs?: number;
  /** Further things to check once the run has ended. */
  readonly check?: (cluster: ChaosCluster, stretches: readonly Stretch[]) => void | Promise<void>;
  /** Planned faults that may have had no turn, by their ids. */
  readonly excused?: (fault: Fault, cluster: ChaosCluster, stretches: readonly Stretch[]) => boolean;
  /** Workers may end with an error. */
  readonly toleratesErrors?: boolean;
  /** Workers may miss the end of the run, which is said once. */
  readonly toleratesLingering?: boolean;
}

interface Marked {
  readonly kind: string;
  readonly atMs: number;
  readonly newEpoch: boolean;
}

/**
 * Runs a scenario and checks what must hold for each: the faults fired, the run ended well and in time, with the bits of an
 * undisturbed run, and each update's shards were applied once.
 */
export async function runScenario(scenario: Scenario): Promise<void> {
  const { shape = SHORT, name } = scenario;
  const expected = await referenceBits(shape);
  const marks: Marked[] = [];
  const cluster = await ChaosCluster.start({ ...scenario, shape });
  try {
    const mark: Mark = (kind, atMs, epoch = 'ends') => marks.push({ kind, atMs, newEpoch: epoch === 'ends' });
    await scenario.act?.(cluster, mark);
    const lingering = await cluster.runEnd(scenario.endsWithinMs ?? END_WITHIN_MS);
    if (scenario.toleratesLingering !== true)
      expect(lingering, 'workers that did not end with the run').toEqual([]);
    const updates = 2 * shape.steps;
    const stretches = lineage(writtenEpochs(cluster.logLines), cluster.watch, updates);
    const fired = cluster.record.read();
    const missing = (scenario.faults ?? []).filter(
      (fault) =>
        !fired.some(({ id }) => id === fault.id) && scenario.excused?.(fault, cluster, stretches) !== true,
    );
    expect(missing, 'planned faults that did not fire').toEqual([]);
    expect(appliedWrongly(stretches, updates)).toEqual([]);
    const bits = readBits(cluster.out);
    expect(bits).toEqual(expected);
    expect(bits.history.slice(1).map((line) => Number(line.split(',')[0]))).toEqual(
      Array.from({ length: shape.steps }, (_, step) => step),
    );
    if (scenario.toleratesErrors !== true)
      expect(cluster.surprises, 'processes that ended with an error').toEqual([]);
    await scenario.check?.(cluster, stretches);
    if (scenario.kind !== undefined) for (const { atMs } of fired) mark(scenario.kind, atMs);
    const ceilingMs = scenario.recoversWithinMs ?? RECOVERY_CEILING_MS;
    for (const { kind, atMs, newEpoch } of marks) {
      const ms = recoveryMs(cluster.watch, atMs, newEpoch);
      if (ms === null) continue;
      keepRecovery(inject('chaosFolder'), { kind, scenario: name, ms });
      expect(ms, `recovery from: ${kind}`).toBeLessThan(ceilingMs);
    }
  } catch (error) {
    throw await cluster.failed(error);
  }
  const keep = process.env['CHAOS_KEEP'] === '1';
  if (keep) process.stdout.write(`${name}: ${cluster.folder}\n`);
  await cluster.close(keep);
}

/** A test for each. */
export function testEach(scenarios: readonly Scenario[]): void {
  for (const scenario of scenarios) it(scenario.name, () => runScenario(scenario));
}
