import { describe, expect, it } from 'vitest';
import { limits, type Assignment } from '../../../proto/index.js';
import { AssignmentInbox } from '../../../worker/replica/assignment-inbox.js';

const SHAPE = { shards: 4, shardBatch: 1, imageSize: 1 };

const assignment = (
  ringEpoch: number,
  step: number,
  shard: number,
  { committedStep = 0, durableStep = 0 } = {},
): Assignment => ({
  ringEpoch,
  step,
  shard,
  rows: 1,
  rowBytes: 1,
  committedStep,
  durableStep,
  pixels: Uint8Array.of(shard),
});

describe('the inbox', () => {
  it('tells what is missing, whatever the order and however often things come', () => {
    const inbox = new AssignmentInbox(SHAPE);
    inbox.open(5, 0, 0);
    inbox.put(assignment(5, 1, 2));
    inbox.put(assignment(5, 0, 1));
    inbox.put(assignment(5, 0, 1));
    expect(inbox.missing(0, [1, 3])).toEqual([3]);
    expect(inbox.missing(1, [2])).toEqual([]);
    expect(inbox.pixels(1, 2)).toEqual(Uint8Array.of(2));
  });

  it('drops older ring epochs, keeps newer ones for their start', () => {
    const inbox = new AssignmentInbox(SHAPE);
    inbox.open(5, 0, 0);
    expect(inbox.put(assignment(4, 0, 0))).toBe('stale');
    expect(inbox.put(assignment(6, 0, 0))).toBeNull();
    expect(inbox.put(assignment(7, 0, 1))).toBeNull();
    expect(inbox.missing(0, [0])).toEqual([0]);
    inbox.open(6, 0, 0);
    expect(inbox.missing(0, [0, 1])).toEqual([1]);
    inbox.open(7, 0, 0);
    expect(inbox.missing(0, [0, 1])).toEqual([0]);
  });

  it('keeps a bounded number of early ones', () => {
    const inbox = new AssignmentInbox(SHAPE);
    const refused = Array.from({ length: 1_000 }, (_, i) => inbox.put(assignment(1, i % 100, 0)));
    expect(refused.filter((why) => why === null)).toHaveLength(256);
    expect(refused.at(-1)).toBe('stale');
  });

  it('keeps nothing that no coordinator can have assigned', () => {
    const inbox = new AssignmentInbox(SHAPE);
    inbox.open(1, 10, 20);
    expect(inbox.put(assignment(1, 10 + 2 * limits.maxPrefetch, 0))).toBe('schema');
    expect(inbox.put(assignment(1, 10, 4))).toBe('schema');
    expect(inbox.put({ ...assignment(1, 10, 0), rows: 2, pixels: new Uint8Array(2) })).toBe('schema');
    expect(inbox.put({ ...assignment(1, 10, 0), rowBytes: 2, pixels: new Uint8Array(2) })).toBe('schema');
    expect(inbox.newestStep).toBe(-1);
  });

  it('keeps nothing that is computed already', () => {
    const inbox = new AssignmentInbox(SHAPE);
    inbox.open(1, 10, 20);
    expect(inbox.put(assignment(1, 9, 0))).toBeNull();
    inbox.dropBelow(12);
    inbox.put(assignment(1, 11, 0));
    expect(inbox.newestStep).toBe(-1);
  });

  it('forgets what is done', () => {
    const inbox = new AssignmentInbox(SHAPE);
    inbox.open(1, 0, 0);
    inbox.put(assignment(1, 0, 0));
    inbox.put(assignment(1, 1, 0));
    inbox.dropBelow(1);
    expect([inbox.missing(0, [0]), inbox.missing(1, [0])]).toEqual([[0], []]);
  });

  it('knows what is committed, by the start and by what came since, and what is in a checkpoint', () => {
    const inbox = new AssignmentInbox(SHAPE);
    inbox.open(5, 3, 7);
    expect([inbox.committed, inbox.durable]).toEqual([7, 0]);
    inbox.put(assignment(5, 4, 0, { committedStep: 4, durableStep: 2 }));
    inbox.put(assignment(5, 3, 0, { committedStep: 3, durableStep: 1 })); // late
    expect([inbox.committed, inbox.durable]).toEqual([8, 4]);
    inbox.put(assignment(4, 9, 0, { committedStep: 9, durableStep: 9 })); // of an older ring epoch
    expect([inbox.committed, inbox.durable]).toEqual([8, 4]);
  });

  it('forgets with a new ring epoch what was committed, and not what is in a checkpoint', () => {
    const inbox = new AssignmentInbox(SHAPE);
    inbox.open(5, 0, 0);
    inbox.put(assignment(5, 4, 0, { committedStep: 4, durableStep: 2 }));
    inbox.put(assignment(6, 3, 0, { committedStep: 3, durableStep: 2 }));
    inbox.open(6, 2, 4); // the run went back
    expect([inbox.committed, inbox.durable]).toEqual([6, 4]);
    expect(inbox.missing(4, [0])).toEqual([0]);
  });
});
