import { describe, expect, it } from 'vitest';
import {
  balanceWords,
  besideOf,
  besideWords,
  bytes,
  checkpointWords,
  detailWords,
  doingWords,
  duration,
  factsOf,
  frontOf,
  keyed,
  lagOf,
  noticeOf,
  NOTHING_KNOWN,
  phaseWords,
  progressOf,
  ringOf,
  ringWords,
  sampleWords,
  sharesWords,
  short,
  timeLeftWords,
  titleOf,
} from '../../../dashboards/live-page/state/index.js';
import { nowOf, runOf, workerOf } from './messages.js';

const known = { ...NOTHING_KNOWN, run: runOf(), now: nowOf() };
const ended = { kind: 'ended', outcome: 'failed', message: 'The disk is full.' } as const;

describe('numbers', () => {
  it.each([
    [8.4, '8 s'],
    [200, '3 min 20 s'],
    [7_500, '2 h 05 min'],
    [4 * 86_400 + 3 * 3_600, '4 d 03 h'],
    [-3, '0 s'],
  ])('%d s is %s', (seconds, words) => {
    expect(duration(seconds)).toBe(words);
  });

  it.each([
    [0.5, '0.5'],
    [950, '950'],
    [1_000, '1k'],
    [1_240, '1.2k'],
    [35_000, '35k'],
    [999_600, '1M'],
    [1_800_000, '1.8M'],
    [2.5e9, '2.5G'],
  ])('%d in short is %s', (value, words) => {
    expect(short(value)).toBe(words);
  });

  it.each([
    [812, '812 B'],
    [1_400_000, '1.4 MB'],
    [999_999, '1.0 MB'],
    [3.5e10, '35 GB'],
  ])('%d bytes are %s', (value, words) => {
    expect(bytes(value)).toBe(words);
  });
});

describe('the run in words', () => {
  it('counts passes from 1 and never beyond the last', () => {
    expect(progressOf(nowOf().status)).toMatchObject({ pass: 3, passes: 20 });
    expect(progressOf(nowOf({ step: 9_360 }).status)).toMatchObject({ pass: 20, passes: 20, share: 1 });
    expect(progressOf(nowOf({ step: 0, steps: 0 }).status)).toMatchObject({ pass: 1, passes: 1, share: 0 });
  });

  it('says what it waits for', () => {
    expect(noticeOf(NOTHING_KNOWN)?.text).toContain('Waits for the coordinator');
    expect(noticeOf({ ...known, now: nowOf({ phase: 'gathering' }) })?.text).toContain('Waits for workers');
    expect(noticeOf(known)).toBeNull();
  });

  it('says that it is over, and how', () => {
    expect(noticeOf({ ...known, ended })).toEqual({
      level: 'error',
      text: 'The run failed: The disk is full.',
    });
    expect(phaseWords({ ...known, ended })).toBe('Failed');
    expect(timeLeftWords({ ...known, ended: { ...ended, outcome: 'done' } })).toBe('none');
    expect(titleOf({ ...known, ended })).toBe('Failed · run-1 · gan-cluster');
  });

  it('names workers, time left and checkpoint', () => {
    expect(besideWords(nowOf().status)).toBe('');
    expect(besideWords(nowOf({ spares: 2, keptOut: 1 }).status)).toBe('+ 2 spare, 1 kept out');
    expect(timeLeftWords(known)).toBe('2 min 10 s');
    expect(checkpointWords(null)).toEqual({ step: 'none yet', age: '' });
    expect(checkpointWords({ step: 1_200, ageS: 12.4 })).toEqual({ step: '1,200', age: '12 s ago' });
    expect(sampleWords(468, 468)).toBe('after step 468, pass 1');
    expect(sampleWords(1_204, 468)).toBe('after step 1,204, pass 3');
    expect(titleOf(known)).toBe('12% · run-1 · gan-cluster');
    expect(factsOf(runOf({ engine: null }))).toContainEqual(['engine', 'not chosen yet']);
  });

  it('says how D and G stand', () => {
    expect(balanceWords(null, null)).toContain('0.5 is a guess');
    expect(balanceWords(0.99, 0.01)).toContain('all but won');
    expect(balanceWords(0.51, 0.49)).toContain('hardly');
    expect(balanceWords(0.6, 0.4)).toContain('Close');
    expect(balanceWords(0.9, 0.2)).toContain('ahead');
  });
});

describe('a worker in words', () => {
  it('says what it does, whatever phase it names', () => {
    expect(doingWords(workerOf('a', { phase: 'reduce' }))).toBe('summing');
    expect(doingWords(workerOf('a', { phase: 'open' }))).toBe('linking up');
    expect(doingWords(workerOf('a', { phase: 'rests' }))).toBe('rests');
    expect(doingWords(workerOf('a', { role: 'silent' }))).toBe('not heard of');
  });

  it('says where its time goes', () => {
    expect(sharesWords(workerOf('a'))).toBe('waiting 10%, computing 60%, summing 20%, updating 10%');
    const none = { waitShare: 0, computeShare: 0, reduceShare: 0, updateShare: 0 };
    expect(sharesWords(workerOf('a', none))).toBe('no update yet');
  });

  it('lags behind whoever is furthest, if it is in the ring', () => {
    const ring = [workerOf('a', { rank: 0, step: 500 }), workerOf('b', { rank: 1, step: 300 })];
    // 64 steps a second: who was heard a second before the others does not lag.
    const front = frontOf(ring, 8_192, 128);
    expect(front).toEqual({ step: 500, leeway: 65 });
    expect(ring.map((worker) => lagOf(worker, front))).toEqual([0, 200]);
    expect(lagOf(workerOf('c', { rank: 2, step: 440 }), front)).toBe(0);
    expect(lagOf(workerOf('c', { step: 1 }), front)).toBeNull();
    expect(ring.map((worker) => lagOf(worker, frontOf(ring, null, 128)))).toEqual([0, 0]);
  });

  it('is told in full on demand', () => {
    expect(detailWords(workerOf('a', { rank: 1, step: 9 }), { step: 12, leeway: 2 }).split('\n')).toEqual([
      'a on host',
      'rank 1',
      'computing',
      '3 steps behind',
      'time: waiting 10%, computing 60%, summing 20%, updating 10%',
      '1,000 images',
      '2.0 MB through the ring',
    ]);
  });
});

describe('workers', () => {
  const workers = [
    workerOf('c', { rank: 1 }),
    workerOf('a', { rank: 0 }),
    ...Array.from({ length: 10 }, (_, i) => workerOf(`s${i}`, { role: 'spare' })),
    workerOf('k', { role: 'kept-out' }),
  ];

  it('stand in the ring in its order', () => {
    expect(ringOf(workers).map(({ name }) => name)).toEqual(['a', 'c']);
    expect(ringWords(ringOf(workers))).toBe('Ring of 2 workers, in order: a computing, c computing.');
    expect(ringWords([])).toBe('No ring yet.');
  });

  it('stand beside it by role, not all by name', () => {
    const beside = besideOf(workers);
    expect(beside.map(({ title, names, more }) => [title, names.length, more])).toEqual([
      ['Spare', 8, 2],
      ['Kept out', 1, 0],
    ]);
  });

  it('are told apart although they share a name', () => {
    expect([...keyed([workerOf('a'), workerOf('a'), workerOf('b')]).keys()]).toEqual(['a', 'a (2)', 'b']);
  });
});
