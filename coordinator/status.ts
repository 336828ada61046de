import { globalBatch, stepOf, stepsPerPass, type OutMessage } from '../proto/index.js';
import { candidates } from './crew.js';
import type { HistoryRow } from './history.js';
import type { RunState } from './run-state.js';

/** What the terminal, the live page and `watch` show of a run. Pure. */
export function statusOf(
  state: RunState,
  last: HistoryRow | null,
  stepsPerSecond: number | null,
): OutMessage<'status'> {
  const { spec, plan, phase, epoch } = state;
  const step = stepOf(state.committed);
  const training = phase.kind === 'training';
  // Whoever waits for the others is in no ring.
  const world = phase.kind === 'gathering' ? [] : (epoch?.world ?? []);
  const phaseName = phase.kind === 'surveying' || phase.kind === 'writing' ? 'starting' : phase.kind;
  return {
    runId: plan.runId,
    phase: phaseName,
    step,
    steps: plan.steps,
    stepsPerPass: stepsPerPass(spec),
    imagesPerSecond: training && stepsPerSecond !== null ? stepsPerSecond * globalBatch(spec) : null,
    etaS:
      training && stepsPerSecond !== null && stepsPerSecond > 0 ? (plan.steps - step) / stepsPerSecond : null,
    discriminatorLoss: last?.discriminatorLoss ?? null,
    generatorLoss: last?.generatorLoss ?? null,
    discriminatorReal: last?.discriminatorReal ?? null,
    discriminatorFake: last?.discriminatorFake ?? null,
    workers: world.length,
    spares: candidates(state).filter(({ workerId }) => !world.includes(workerId)).length,
    keptOut: [...state.workers.values()].filter(({ excluded }) => excluded?.heard === true).length,
    ringEpoch: epoch?.ringEpoch ?? 0,
    ringEpochReason: epoch?.reason.slice(0, 4_000) ?? '',
    dataset: spec.dataset.name,
    engine: spec.engine === 'auto' ? null : spec.engine,
  };
}
