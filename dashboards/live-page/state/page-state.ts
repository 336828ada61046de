import type { LiveMessage, LiveOf } from '../contract.js';
import { mergeCurve, NO_CURVE, type Curve } from './curve.js';
import { mergeEvents, type EventLog } from './event-log.js';
import { NO_SAMPLES, withSteps, type SampleSlider } from './sample-slider.js';

/** All that the page knows. Bounded: a day of messages leaves it as large as the first minute did. */
export interface PageState {
  readonly run: LiveOf<'run'> | null;
  readonly now: LiveOf<'now'> | null;
  readonly curve: Curve;
  readonly events: EventLog;
  readonly samples: SampleSlider;
  readonly ended: LiveOf<'ended'> | null;
}

export const NOTHING_KNOWN: PageState = {
  run: null,
  now: null,
  curve: NO_CURVE,
  events: [],
  samples: NO_SAMPLES,
  ended: null,
};

/**
 * What a message changes. Another run replaces everything; a coordinator that was started again tells everything anew, and
 * each part replaces what was there.
 */
export function apply(state: PageState, message: LiveMessage): PageState {
  switch (message.kind) {
    case 'run':
      return state.run !== null && state.run.runId !== message.runId
        ? { ...NOTHING_KNOWN, run: message }
        : { ...state, run: message };
    case 'now':
      return { ...state, now: message };
    case 'curve':
      return { ...state, curve: mergeCurve(state.curve, message) };
    case 'events':
      return { ...state, events: mergeEvents(state.events, message) };
    case 'samples':
      return { ...state, samples: withSteps(state.samples, message.steps) };
    case 'ended':
      return { ...state, ended: message };
    default:
      return notUnderstood(message);
  }
}

/** A coordinator of another version may say what this page does not know. */
function notUnderstood(message: never): never {
  throw new TypeError(
    `a message that this page knows was expected, found ${JSON.stringify(message).slice(0, 80)}`,
  );
}
