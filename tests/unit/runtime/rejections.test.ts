import { describe, expect, it } from 'vitest';
import { OperationalError } from '../../../proto/index.js';
import { REJECTION_REASONS, RejectedMessage, Rejections } from '../../../proto/runtime/rejections.js';

describe('Rejections', () => {
  it('counts by reason, from zero', () => {
    const rejections = new Rejections();
    const counts = (): number[] => REJECTION_REASONS.map((reason) => rejections.of(reason));
    expect(counts()).toEqual([0, 0, 0, 0]);
    rejections.count('malformed');
    rejections.count('stale');
    rejections.count('stale');
    expect(counts()).toEqual([0, 1, 0, 2]);
  });
});

describe('RejectedMessage', () => {
  it('is a protocol error that knows its reason', () => {
    const error = new RejectedMessage('schema', 'message on a.subject: no');
    expect(error).toBeInstanceOf(OperationalError);
    expect([error.code, error.reason, error.name]).toEqual(['protocol', 'schema', 'RejectedMessage']);
  });
});
