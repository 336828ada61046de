import { describe, it } from 'vitest';
import { randomPlan } from './random-plan.js';
import { randomScenario } from './random-run.js';
import { runScenario } from './scenario.js';

const DEFAULT_COUNT = 25;

const first = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000_000);
const count = Number(process.env['CHAOS_COUNT'] ?? DEFAULT_COUNT);
const seeds = Array.from({ length: count }, (_, i) => first + i);
process.stdout.write(`random scenarios: seeds ${first} to ${first + count - 1}\n`);

/** A line a fault. */
function describePlan(plan: ReturnType<typeof randomPlan>): string {
  const { mines, blows, ...shape } = plan;
  const lines = [shape, ...mines, ...blows].map((part) => `  ${JSON.stringify(part)}`);
  return `the plan of seed ${plan.seed}:\n${lines.join('\n')}`;
}

describe('a random run of faults', () => {
  it.each(seeds)('seed %i', async (seed) => {
    const plan = randomPlan(seed);
    try {
      await runScenario(randomScenario(plan));
    } catch (error) {
      const again = `CHAOS_SEED=${seed} CHAOS_COUNT=1 npx vitest run --config vitest.chaos.config.ts random`;
      const said = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new Error(`${describePlan(plan)}\nagain: ${again}\n\n${said}`, { cause: error });
    }
  });
});
