import { describe } from 'vitest';
import type { Fault } from '../../proto/runtime/fault-injection.js';
import { planned } from './planned.js';
import { testEach, type Scenario } from './scenario.js';
import { SHORT } from './shapes.js';

const flipped = (
  workers: number,
  rank: number,
  action: Fault['action'],
  update: number,
  checkpointEveryS = 30,
): Scenario => ({
  name: `${action} on worker-${rank} of ${workers} at update ${update}, ${checkpointEveryS < 1 ? 'with' : 'without'} checkpoints`,
  workers,
  shape: SHORT,
  checkpointEveryS,
  faults: [planned(`worker-${rank}`, 'before-compute', update, action)],
  act: async (cluster, mark) => {
    const { atMs } = await cluster.fired(planned(`worker-${rank}`, 'before-compute', update, action).id);
    await cluster.event(/replicas differ/, atMs);
    mark('a replica differs (from when it is found)', Date.now());
  },
});

describe('a replica whose bits differ', () => {
  testEach([
    flipped(2, 1, 'flip-parameters', 20),
    flipped(3, 0, 'flip-adam', 21),
    flipped(3, 2, 'flip-statistics', 40),
    flipped(2, 0, 'flip-parameters', 20, 0.5),
    flipped(4, 3, 'flip-adam', 2),
    // Found at the end, when all say where they stand.
    flipped(2, 1, 'flip-statistics', 70),
    flipped(3, 1, 'flip-parameters', 79),
  ]);
});
