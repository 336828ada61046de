/** What decides the bits of a run here; two shapes, so that a reference is computed twice at most. */
export interface Shape {
  readonly name: string;
  readonly steps: number;
}

export const SHARDS = 4;
export const SHARD_BATCH = 8;
export const SEED = 7;

export const SHORT: Shape = { name: 'short', steps: 40 };
/** For what needs time: workers that come in mid-run, several faults one after the other. */
export const LONG: Shape = { name: 'long', steps: 160 };

export const lastUpdate = ({ steps }: Shape): number => 2 * steps - 1;
