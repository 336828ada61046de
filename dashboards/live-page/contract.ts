import type * as live from '../../proto/live.js';

/*
 * proto/live.ts describes messages as schemas, and importing a value from it would bring the schema library into the page.
 * So the few constants that the page needs stand here a second time; their types make the compiler refuse any difference.
 */
export const LIVE_PATH: typeof live.LIVE_PATH = '/live';
export const SAMPLES_PATH: typeof live.SAMPLES_PATH = '/samples/';
export const MAX_CURVE_POINTS: typeof live.MAX_CURVE_POINTS = 1_024;
export const MAX_LIVE_EVENTS: typeof live.MAX_LIVE_EVENTS = 500;
export const CURVE_COLUMNS: typeof live.CURVE_COLUMNS = [
  'discriminatorLoss',
  'generatorLoss',
  'discriminatorReal',
  'discriminatorFake',
  'imagesPerSecond',
];

export type CurveColumn = (typeof live.CURVE_COLUMNS)[number];
export type { LiveEvent, LiveMessage, LiveOf, LiveWorker } from '../../proto/live.js';
export type Status = live.LiveOf<'now'>['status'];
