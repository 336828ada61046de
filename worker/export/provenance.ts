import type { RunSpec } from '../../proto/index.js';

/** What a file says of itself: names and values, both text, as all our formats take it. */
export type Provenance = Readonly<Record<string, string>>;

/**
 * Where a generator comes from. Only what follows from the RunSpec and the state, so that runs with other workers, at
 * other times, on other machines say the same.
 * @param step number of steps trained
 * @param stateSha256 of the whole replica state
 */
export function provenance(spec: RunSpec, step: number, stateSha256: string): Provenance {
  return {
    producer: 'gan-cluster',
    step: String(step),
    state_sha256: stateSha256,
    seed: String(spec.seed),
    recipe: spec.recipe.name,
    dataset: spec.dataset.name,
    dataset_sha256: spec.dataset.sha256,
    engine: spec.engine,
    run_spec: sortedJson(spec),
  };
}

/** JSON that does not depend on the order in which an object's keys were set. */
function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
