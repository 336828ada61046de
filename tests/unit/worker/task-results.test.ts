import { beforeEach, describe, expect, it } from 'vitest';
import type { UpTopic } from '../../../proto/index.js';
import { TaskResults } from '../../../worker/task-results.js';

const SHA256 = 'd'.repeat(64);
const stored = (task: string) => ({
  task,
  update: 4,
  file: { name: 'state', bytes: 1, sha256: SHA256 },
  stateFingerprint: '0123456789abcdef',
});

describe('what became of a task', () => {
  let told: { topic: string; message: unknown }[];
  let results: TaskResults;

  beforeEach(() => {
    told = [];
    results = new TaskResults(
      { up: (topic: UpTopic, _: string, message: unknown) => void told.push({ topic, message }) },
      'a',
    );
  });

  it('is told when it is known', () => {
    expect(results.repeat('one')).toBe(false);
    results.checkpointed(stored('one'));
    expect(told).toEqual([{ topic: 'checkpointed', message: { workerId: 'a', ...stored('one') } }]);
    results.repeat('two');
    results.exported({ task: 'two', update: 4, stateSha256: 'e'.repeat(64), files: [] });
    expect(told[1]).toMatchObject({ topic: 'exported', message: { workerId: 'a', task: 'two' } });
  });

  it('is told again when the coordinator asks again', () => {
    results.repeat('one');
    results.checkpointed(stored('one'));
    expect(results.repeat('one')).toBe(true);
    expect(told).toHaveLength(2);
    expect(told[1]).toEqual(told[0]);
  });

  it('is not begun a second time while it is under way, and nothing is told of it', () => {
    results.repeat('one');
    expect(results.repeat('one')).toBe(true);
    expect(told).toEqual([]);
  });

  it('is a failure as well, told again, in a bounded text', () => {
    results.repeat('one');
    results.failed('one', 'x'.repeat(10_000));
    expect(results.repeat('one')).toBe(true);
    expect(told).toHaveLength(2);
    expect(told[1]).toEqual({
      topic: 'taskFailed',
      message: { workerId: 'a', task: 'one', message: 'x'.repeat(4_000) },
    });
  });

  it('is kept for the newest eight', () => {
    for (let i = 0; i < 9; i++) {
      results.repeat(`task-${i}`);
      results.failed(`task-${i}`, 'no');
    }
    told.length = 0;
    expect(results.repeat('task-1')).toBe(true);
    expect(told).toHaveLength(1);
    expect(results.repeat('task-0')).toBe(false);
  });
});
