import { beforeEach, describe, expect, test } from 'vitest';
import { PROTOCOL_VERSION } from '../../../proto/index.js';
import { Admissions, type Admission, type Verdict } from '../../../worker/ring/admission.js';
import type { Hello } from '../../../worker/ring/handshake.js';

const admissionOf = (ringEpoch: number, runId = 'run'): Admission => ({
  purpose: 'ring',
  runId,
  ringEpoch,
  secret: 'ab'.repeat(32),
  toRank: 0,
  fromRanks: [1],
});
const helloOf = (changes: Partial<Hello> = {}): Hello => ({
  kind: 'hello',
  protocol: PROTOCOL_VERSION,
  runId: 'run',
  ringEpoch: 5,
  fromRank: 1,
  toRank: 0,
  nonce: '00'.repeat(32),
  ...changes,
});
const inWords = (verdict: Verdict): string => (verdict.kind === 'refuse' ? verdict.reason : verdict.kind);

describe('admissions', () => {
  let admissions: Admissions;
  const current = admissionOf(5);

  beforeEach(() => {
    admissions = new Admissions();
  });

  test('who comes before the first ring epoch is held', () => {
    expect(inWords(admissions.judge(helloOf()))).toBe('hold');
  });

  test('judged by run, ring epoch and ranks, in this order', () => {
    admissions.open(current);
    const cases: [Partial<Hello>, string][] = [
      [{}, 'challenge'],
      [{ ringEpoch: 6 }, 'hold'],
      [{ ringEpoch: 6, fromRank: 9 }, 'hold'],
      [{ ringEpoch: 4 }, 'old-epoch'],
      [{ ringEpoch: 4, runId: 'other' }, 'wrong-run'],
      [{ ringEpoch: 6, runId: 'other' }, 'wrong-run'],
      [{ fromRank: 2 }, 'wrong-rank'],
      [{ toRank: 1 }, 'wrong-rank'],
    ];
    for (const [changes, verdict] of cases)
      expect(inWords(admissions.judge(helloOf(changes))), JSON.stringify(changes)).toBe(verdict);
  });

  test('one peer a slot', () => {
    admissions.open(current);
    expect(admissions.admit(helloOf(), current)).toBeUndefined();
    expect(inWords(admissions.judge(helloOf()))).toBe('duplicate');
    expect(admissions.admit(helloOf(), current)).toBe('duplicate');
  });

  test('a new ring epoch has free slots, and makes what was challenged before it old', () => {
    admissions.open(current);
    expect(admissions.admit(helloOf(), current)).toBeUndefined();
    const next = admissionOf(6);
    admissions.open(next);
    expect(admissions.admit(helloOf(), current)).toBe('old-epoch');
    expect(admissions.admit(helloOf({ ringEpoch: 6 }), current)).toBe('old-epoch');
    expect(admissions.admit(helloOf({ ringEpoch: 6 }), next)).toBeUndefined();
  });

  test('a closed admission lets nobody in, and does not come back', () => {
    admissions.open(current);
    admissions.close(current);
    expect(inWords(admissions.judge(helloOf()))).toBe('old-epoch');
    expect(admissions.admit(helloOf(), current)).toBe('old-epoch');
    expect(() => admissions.open(admissionOf(5))).toThrow('is over');
    expect(() => admissions.open(admissionOf(4))).toThrow('is over');
  });

  test('closing an old admission leaves the new one open', () => {
    admissions.open(current);
    admissions.open(admissionOf(6));
    admissions.close(current);
    expect(inWords(admissions.judge(helloOf({ ringEpoch: 6 })))).toBe('challenge');
  });

  test('another run counts its ring epochs anew', () => {
    admissions.open(current);
    admissions.open(admissionOf(1, 'second'));
    expect(inWords(admissions.judge(helloOf({ runId: 'second', ringEpoch: 1 })))).toBe('challenge');
    expect(inWords(admissions.judge(helloOf()))).toBe('wrong-run');
  });
});
