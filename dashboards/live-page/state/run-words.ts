import type { LiveOf, Status } from '../contract.js';
import { counted, duration, grouped, UNKNOWN } from './numbers.js';
import type { PageState } from './page-state.js';

const PHASES: Readonly<Record<Status['phase'], string>> = {
  gathering: 'Waiting for workers',
  starting: 'Forming the ring',
  training: 'Training',
  finishing: 'Writing the result',
  ended: 'Over',
};
const OUTCOMES: Readonly<Record<LiveOf<'ended'>['outcome'], string>> = {
  done: 'Done',
  interrupted: 'Interrupted',
  failed: 'Failed',
};

const ENDS: Readonly<Record<LiveOf<'ended'>['outcome'], string>> = {
  done: 'The run is over',
  interrupted: 'The run was interrupted',
  failed: 'The run failed',
};

/** What the run does now, in a few words. */
export function phaseWords({ now, ended }: PageState): string {
  if (ended !== null) return OUTCOMES[ended.outcome];
  return now === null ? UNKNOWN : PHASES[now.status.phase];
}

export interface Progress {
  readonly step: number;
  readonly steps: number;
  /** From 1. */
  readonly pass: number;
  readonly passes: number;
  /** 0 to 1. */
  readonly share: number;
}

export function progressOf({ step, steps, stepsPerPass }: Status): Progress {
  const perPass = Math.max(1, stepsPerPass);
  const passes = Math.max(1, Math.ceil(steps / perPass));
  return {
    step,
    steps,
    pass: Math.min(passes, Math.floor(step / perPass) + 1),
    passes,
    share: steps === 0 ? 0 : Math.min(1, step / steps),
  };
}

export const percent = (share: number): string => `${Math.floor(share * 100)}%`;

export function timeLeftWords({ now, ended }: PageState): string {
  if (ended !== null) return ended.outcome === 'done' ? 'none' : UNKNOWN;
  return now?.status.etaS == null ? UNKNOWN : duration(now.status.etaS);
}

/** Beside the workers of the ring: + 2 spare, 1 kept out. */
export function besideWords({ spares, keptOut }: Status): string {
  const told = [...(spares > 0 ? [`${spares} spare`] : []), ...(keptOut > 0 ? [`${keptOut} kept out`] : [])];
  return told.length === 0 ? '' : `+ ${told.join(', ')}`;
}

export function checkpointWords(checkpoint: LiveOf<'now'>['checkpoint']): { step: string; age: string } {
  if (checkpoint === null) return { step: 'none yet', age: '' };
  return { step: grouped(checkpoint.step), age: `${duration(checkpoint.ageS)} ago` };
}

/** What outputs near which values mean. Both at 0.5: D can only guess. */
export function balanceWords(real: number | null, fake: number | null): string {
  if (real === null || fake === null) return 'Real digits are to get 1, drawn ones 0; 0.5 is a guess.';
  if (real > 0.95 && fake < 0.05) return 'D has all but won: no drawn digit deceives it.';
  if (real - fake < 0.05) return 'D can hardly tell drawn digits from real ones.';
  if (real - fake < 0.35) return 'Close: D does a little better than by chance.';
  return 'D is ahead: it tells most drawn digits from real ones.';
}

/** What one line above the page says; null when there is nothing to say. */
export function noticeOf({
  run,
  now,
  ended,
}: PageState): { level: 'info' | 'good' | 'warning' | 'error'; text: string } | null {
  if (ended !== null) {
    const level = ended.outcome === 'done' ? 'good' : ended.outcome === 'failed' ? 'error' : 'warning';
    return { level, text: `${ENDS[ended.outcome]}: ${ended.message}` };
  }
  if (run === null || now === null)
    return { level: 'info', text: 'Waits for the coordinator of the run to tell what there is.' };
  if (now.status.phase === 'gathering')
    return {
      level: 'info',
      text: 'Waits for workers: training begins when they have come. Start one with "gan-cluster worker".',
    };
  return null;
}

/** Which grid it is. */
export function sampleWords(step: number, stepsPerPass: number | null): string {
  const words = `after step ${grouped(step)}`;
  return stepsPerPass === null
    ? words
    : `${words}, pass ${grouped(Math.max(1, Math.ceil(step / stepsPerPass)))}`;
}

/** Why there is no picture yet. */
export function noSampleWords({ now, ended }: PageState): string {
  if (ended !== null) return 'The run ended before a grid was drawn.';
  if (now === null) return 'Waits for the coordinator.';
  return 'The first digits are drawn when training has begun.';
}

export function titleOf(state: PageState): string {
  const { now, ended, run } = state;
  const name = run === null ? 'gan-cluster' : `${run.runId} · gan-cluster`;
  if (ended !== null) return `${OUTCOMES[ended.outcome]} · ${name}`;
  return now === null ? name : `${percent(progressOf(now.status).share)} · ${name}`;
}

export const factsOf = (run: LiveOf<'run'>): [name: string, value: string][] => [
  ['dataset', run.dataset],
  ['recipe', run.recipe],
  ['engine', run.engine ?? 'not chosen yet'],
  ['seed', String(run.seed)],
  ['a step', `${counted(run.shards, 'shard')} of ${counted(run.shardBatch, 'image')}`],
];
