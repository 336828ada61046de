import { globalBatch, stepOf, stepsPerPass, type OutMessage } from '../../proto/index.js';
import type { LiveMessage, LiveOf } from '../../proto/live.js';
import type { History } from '../history.js';
import type { RunChange, RunObserver } from '../observer.js';
import type { RunState } from '../run-state.js';
import { CurveTeller } from './curve.js';
import { EventBook } from './event-book.js';
import type { EventFile } from './event-file.js';
import { WorkerBoard } from './worker-board.js';

export interface LiveFeedParts {
  /** Of this process: another one means that the coordinator was started again. */
  readonly coordinator: string;
  readonly history: History;
  readonly state: () => RunState;
  readonly status: () => OutMessage<'status'>;
  /** Steps whose sample grids are kept, ascending. */
  readonly sampleSteps: () => readonly number[];
  /** What happened before this process led, and where what happens is kept. */
  readonly events: Pick<EventFile, 'earlier' | 'add'>;
  readonly nowMs: () => number;
  /** Unix time in ms. */
  readonly unixMs: () => number;
}

/**
 * What those who watch a run are told, as one stream: who comes late is told all there is, then what everybody is told. All
 * watchers know the same, so each message is made once.
 */
export class LiveFeed implements RunObserver {
  private readonly events: EventBook;
  private readonly board = new WorkerBoard();
  private readonly curve: CurveTeller;
  private toldEvents = 0;
  private toldSamples = '';

  constructor(private readonly parts: LiveFeedParts) {
    this.events = new EventBook(parts.events.earlier, (event) => parts.events.add(event));
    this.toldEvents = this.events.end;
    this.curve = new CurveTeller(parts.history, globalBatch(parts.state().spec));
  }

  onChange({ event, commands, after }: RunChange): void {
    if (event.kind === 'heartbeat') this.board.heard(event.message);
    for (const command of commands) {
      if (command.kind === 'say') this.note(command.level, command.text, after);
      else if (command.kind === 'end') {
        const level = command.outcome === 'failed' ? 'error' : 'info';
        this.note(level, command.message, after);
      }
    }
  }

  private note(level: 'info' | 'warning' | 'error', text: string, { committed }: RunState): void {
    this.events.add({ atMs: this.parts.unixMs(), step: stepOf(committed), level, text });
  }

  /** All that watchers have been told so far, for one that comes now. */
  snapshot(): LiveMessage[] {
    const { sampleSteps } = this.parts;
    const told = this.events.since(0).filter(({ seq }) => seq < this.toldEvents);
    return [
      this.run(),
      this.curve.whole(),
      { kind: 'events', restart: true, events: [...told] },
      { kind: 'samples', steps: [...sampleSteps()] },
      this.now(),
    ];
  }

  /** What has come since the last time, for all. */
  next(): LiveMessage[] {
    const messages: LiveMessage[] = [];
    const curve = this.curve.next();
    if (curve !== null) messages.push(curve);
    const events = this.events.since(this.toldEvents);
    this.toldEvents = this.events.end;
    if (events.length > 0) messages.push({ kind: 'events', restart: false, events: [...events] });
    const steps = this.parts.sampleSteps();
    const samples = steps.join();
    if (samples !== this.toldSamples) messages.push({ kind: 'samples', steps: [...steps] });
    this.toldSamples = samples;
    return messages;
  }

  run(): LiveOf<'run'> {
    const { plan, spec } = this.parts.state();
    return {
      kind: 'run',
      runId: plan.runId,
      dataset: spec.dataset.name,
      recipe: spec.recipe.name,
      engine: spec.engine === 'auto' ? null : spec.engine,
      seed: spec.seed,
      shards: spec.shards,
      shardBatch: spec.shardBatch,
      steps: plan.steps,
      stepsPerPass: stepsPerPass(spec),
      coordinator: this.parts.coordinator,
    };
  }

  now(): LiveOf<'now'> {
    const { state, status, nowMs } = this.parts;
    const { checkpoint, checkpointedMs } = state();
    return {
      kind: 'now',
      status: status(),
      workers: this.board.workers(state(), nowMs()),
      checkpoint:
        checkpoint === null
          ? null
          : { step: stepOf(checkpoint.update), ageS: (nowMs() - checkpointedMs) / 1000 },
    };
  }
}
