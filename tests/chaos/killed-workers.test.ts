import { describe } from 'vitest';
import type { FaultPoint } from '../../proto/runtime/fault-injection.js';
import { planned } from './planned.js';
import { testEach, type Scenario } from './scenario.js';
import { SHARDS, SHORT, lastUpdate } from './shapes.js';

const POINTS: readonly FaultPoint[] = [
  'before-compute',
  'in-compute',
  'in-reduce-scatter',
  'in-all-gather',
  'in-adam',
];
const UPDATES = [
  { update: 0, words: 'the first update' },
  { update: 30, words: "a discriminator's update" },
  { update: 31, words: "a generator's update" },
  { update: lastUpdate(SHORT), words: 'the last update' },
];

const kindOf = (workers: number): string => {
  if (workers === 1) return 'worker killed: the only one';
  return workers > SHARDS ? 'worker killed: a spare takes its place' : 'worker killed';
};

function killed(workers: number, rank: number, point: FaultPoint, at: (typeof UPDATES)[number]): Scenario {
  return {
    name: `worker-${rank} of ${workers} ${point} in ${at.words}`,
    workers,
    faults: [planned(`worker-${rank}`, point, at.update, 'kill')],
    kind: kindOf(workers),
  };
}

/** Every point with every update, for rank 0 and another one; the number of workers goes round. */
const MATRIX: readonly Scenario[] = POINTS.flatMap((point, p) =>
  UPDATES.flatMap((at, u) => {
    const workers = 2 + ((p + u) % 4);
    const others = 2 + ((p + u + 2) % 4);
    return [
      killed(workers, 0, point, at),
      killed(others, 1 + ((p + u) % (Math.min(others, SHARDS) - 1)), point, at),
    ];
  }),
);

const ALONE: readonly Scenario[] = UPDATES.map((at, u) =>
  killed(1, 0, (['before-compute', 'in-compute', 'in-adam', 'in-compute'] as const)[u % 4] ?? 'in-adam', at),
);

describe('a worker that is killed', () => {
  testEach([...MATRIX, ...ALONE]);
});
