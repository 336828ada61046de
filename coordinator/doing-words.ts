import { candidates } from './crew.js';
import type { RunState } from './run-state.js';

/** What a run does now, in words that follow on its name. Pure. */
export function doingWords(state: RunState): string {
  const { phase, plan, epoch, committed, workers, connected } = state;
  if (phase.kind === 'ended') return `has ended: ${phase.message}`;
  if (!connected) return 'waits for the NATS server';
  switch (phase.kind) {
    case 'gathering': {
      if (epoch !== null || committed > 0) return 'has no worker';
      const { expectedWorkers } = plan;
      const ready = candidates(state).length;
      return `waits for workers: ${ready} of ${expectedWorkers} ready, ${workers.size - ready} getting ready`;
    }
    case 'surveying':
    case 'writing':
      return 'puts its workers together';
    case 'training':
      return 'trains';
    case 'finishing':
      return 'comes to its end';
  }
}
