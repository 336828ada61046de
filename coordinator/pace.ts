/** How fast the run goes, as the coordinator sees it; deadlines follow it. */
export interface Pace {
  /** Smoothed time of a step; null before anything is known. */
  readonly stepMs: number | null;
  /** When the last commit came, or the ring epoch began: the time before that is no step's. */
  readonly sinceMs: number;
}

/** An estimate of a step's time, until one is measured. */
export const expectPace = (pace: Pace, stepMs: number): Pace =>
  pace.stepMs === null ? { ...pace, stepMs } : pace;

/** Weight of the newest measurement. */
const FRESH = 0.25;

/** Takes in that `updates` were committed now. */
export function measurePace(pace: Pace, updates: number, nowMs: number): Pace {
  const stepMs = (2 * (nowMs - pace.sinceMs)) / updates;
  const smoothed = pace.stepMs === null ? stepMs : pace.stepMs + FRESH * (stepMs - pace.stepMs);
  return { stepMs: smoothed, sinceMs: nowMs };
}

interface Deadline {
  readonly steps: number;
  readonly floorMs: number;
  readonly ceilingMs: number;
}

/** So many steps' time, within bounds; the upper one while nothing is known. */
const after =
  ({ steps, floorMs, ceilingMs }: Deadline) =>
  ({ stepMs }: Pace): number =>
    stepMs === null ? ceilingMs : Math.min(ceilingMs, Math.max(floorMs, steps * stepMs));

/** To answer a survey: at most one shard's computation stands between a worker and its answer. */
export const surveyDeadlineMs = after({ steps: 8, floorMs: 400, ceilingMs: 5_000 });
/** The same for one whose links have ended: most likely it is gone. */
export const suspectDeadlineMs = after({ steps: 3, floorMs: 150, ceilingMs: 2_000 });
/** For the thread that computes to give a sign of life. */
export const replicaSilenceMs = after({ steps: 20, floorMs: 2_500, ceilingMs: 60_000 });
/** Without a commit although everybody seems well. */
export const stallMs = after({ steps: 80, floorMs: 10_000, ceilingMs: 120_000 });
