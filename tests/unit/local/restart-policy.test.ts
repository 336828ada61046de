import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  COORDINATOR_RULES,
  LIVES_THAT_COUNT,
  NATS_RULES,
  WORKER_RULES,
  decideRestart,
  decisionWords,
  type Life,
  type RestartRules,
} from '../../../deploy/local/restart-policy.js';

/** Lives one after the other, each started when the last one's end had been waited for; `[seconds lived, status]`. */
function livesOf(...lives: readonly (readonly [number, number | null])[]): Life[] {
  let nowMs = 1_000_000;
  return lives.map(([seconds, status]) => {
    const startedMs = nowMs;
    const endedMs = startedMs + seconds * 1000;
    nowMs = endedMs + 30_000;
    return { startedMs, endedMs, status };
  });
}

const decideAtOnce = (lives: readonly Life[], rules: RestartRules) =>
  decideRestart(lives, lives.at(-1)?.endedMs ?? 0, rules);
const crashes = (count: number, seconds = 1): Life[] =>
  livesOf(...Array.from({ length: count }, () => [seconds, null] as const));

describe('the delay before a restart', () => {
  it.each([
    [1, 0],
    [2, 500],
    [3, 1_000],
    [4, 2_000],
    [5, 4_000],
    [6, 8_000],
    [7, 16_000],
    [8, 30_000],
    [9, 30_000],
    [LIVES_THAT_COUNT, 30_000],
  ])('after end %i in a row is %i ms', (ends, delayMs) => {
    expect(decideAtOnce(crashes(ends), WORKER_RULES)).toEqual({ kind: 'restart', delayMs });
  });

  it('begins afresh with a life of 60 s, whose own end is the first one', () => {
    const after = (seconds: number): unknown =>
      decideAtOnce(livesOf([1, null], [1, null], [1, null], [seconds, null]), WORKER_RULES);
    expect(after(59.9)).toEqual({ kind: 'restart', delayMs: 2_000 });
    expect(after(60)).toEqual({ kind: 'restart', delayMs: 0 });
    const next = livesOf([1, null], [1, null], [60, null], [1, null]);
    expect(decideAtOnce(next, WORKER_RULES)).toEqual({ kind: 'restart', delayMs: 500 });
  });

  it('is less by what has passed since the end', () => {
    const lives = crashes(4);
    const endedMs = lives.at(-1)?.endedMs ?? 0;
    expect(decideRestart(lives, endedMs + 300, WORKER_RULES)).toEqual({ kind: 'restart', delayMs: 1_700 });
    expect(decideRestart(lives, endedMs + 9_000, WORKER_RULES)).toEqual({ kind: 'restart', delayMs: 0 });
  });
});

describe('a process that is not started again', () => {
  it.each([
    ['a worker that left in order', 0, WORKER_RULES, 'final'],
    ['a worker that was refused', 2, WORKER_RULES, 'final'],
    ['a worker that failed', 1, WORKER_RULES, 'restart'],
    ['a worker that was killed', null, WORKER_RULES, 'restart'],
    ['a coordinator that left without a word', 0, COORDINATOR_RULES, 'restart'],
    ['a coordinator that was used wrongly', 2, COORDINATOR_RULES, 'final'],
    ['a nats-server', 2, NATS_RULES, 'restart'],
  ] as const)('%s: status %j', (_, status, rules, kind) => {
    expect(decideAtOnce(livesOf([1, null], [1, status]), rules).kind).toBe(kind);
  });

  it('has ended five times in a row within 10 s each', () => {
    expect(decideAtOnce(crashes(4, 9.9), COORDINATOR_RULES).kind).toBe('restart');
    expect(decideAtOnce(crashes(5, 9.9), COORDINATOR_RULES).kind).toBe('giveUp');
    expect(decideAtOnce(crashes(5, 10), COORDINATOR_RULES).kind).toBe('restart');
    const oneLonger = livesOf([1, null], [1, null], [1, null], [10, null], [1, null]);
    expect(decideAtOnce(oneLonger, COORDINATOR_RULES).kind).toBe('restart');
    expect(decideAtOnce(crashes(50), WORKER_RULES).kind).toBe('restart');
  });
});

describe('any history', () => {
  const life = fc.tuple(fc.double({ min: 0, max: 120, noNaN: true }), fc.constantFrom(null, 0, 1, 2));
  const rules = fc.constantFrom(WORKER_RULES, COORDINATOR_RULES, NATS_RULES);

  it('gives a delay from 0 to 30 s, the same whatever came before the lives that count', () => {
    fc.assert(
      fc.property(fc.array(life, { maxLength: 40 }), rules, fc.nat(60_000), (history, theRules, passedMs) => {
        const lives = livesOf(...history);
        const nowMs = (lives.at(-1)?.endedMs ?? 0) + passedMs;
        const decision = decideRestart(lives, nowMs, theRules);
        if (decision.kind === 'restart') {
          expect(decision.delayMs).toBeGreaterThanOrEqual(0);
          expect(decision.delayMs).toBeLessThanOrEqual(30_000);
        }
        expect(decideRestart(lives.slice(-LIVES_THAT_COUNT), nowMs, theRules)).toEqual(decision);
      }),
    );
  });
});

it('decisions are told as the end of a sentence', () => {
  expect(decisionWords({ kind: 'restart', delayMs: 0 })).toBe(', started again');
  expect(decisionWords({ kind: 'restart', delayMs: 497 })).toBe(', started again in 0.5 s');
  expect(decisionWords({ kind: 'restart', delayMs: 30_000 })).toBe(', started again in 30 s');
  expect(decisionWords({ kind: 'final' })).toBe('');
  expect(decisionWords({ kind: 'giveUp' })).toMatch(/^, not started again/);
});
