import type { RunCommand, RunEvent, RunState } from './run-state.js';

/** What one event has changed, after it was decided and before anything of it is done. */
export interface RunChange {
  readonly event: RunEvent;
  readonly before: RunState;
  readonly after: RunState;
  readonly commands: readonly RunCommand[];
  readonly nowMs: number;
}

/** Is told of everything that happens in a run, and changes nothing in it. */
export interface RunObserver {
  onChange(change: RunChange): void;
}
