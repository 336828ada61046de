import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CheckpointRequests } from '../../../worker/replica/checkpoint-requests.js';

describe('a checkpoint that is asked for', () => {
  const BYTES = Uint8Array.of(1, 2, 3);
  let asked: string[];
  let requests: CheckpointRequests;

  beforeEach(() => {
    vi.useFakeTimers();
    asked = [];
    requests = new CheckpointRequests((object, sha256) => asked.push(`${object} ${sha256}`));
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0); // nothing is left behind, however it ended
    expect(getEventListeners(never, 'abort')).toEqual([]);
    vi.useRealTimers();
  });

  const never = new AbortController().signal;

  it('comes', async () => {
    const fetched = requests.fetch('state-1', 'abc', never);
    expect(asked).toEqual(['state-1 abc']);
    requests.answer({ kind: 'fetched', object: 'state-1', bytes: BYTES });
    expect(await fetched).toBe(BYTES);
  });

  it('is not there, or damaged', async () => {
    const fetched = requests.fetch('state-1', 'abc', never);
    requests.answer({ kind: 'notFetched', object: 'state-1', message: 'found another hash' });
    await expect(fetched).rejects.toMatchObject({ code: 'checkpoint', message: 'found another hash' });
  });

  it('does not come for 30 s', async () => {
    const fetched = requests.fetch('state-1', 'abc', never);
    const outcome = vi.fn();
    fetched.catch(outcome);
    await vi.advanceTimersByTimeAsync(29_999);
    expect(outcome).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await expect(fetched).rejects.toMatchObject({
      code: 'checkpoint',
      message: 'state-1 did not come within 30 s',
    });
  });

  it('is not waited for once the ring epoch is over', async () => {
    const leave = new AbortController();
    const fetched = requests.fetch('state-1', 'abc', leave.signal);
    leave.abort();
    await expect(fetched).rejects.toMatchObject({ code: 'aborted' });
    requests.answer({ kind: 'fetched', object: 'state-1', bytes: BYTES }); // late: nobody takes it
  });

  it('is not taken for another one', async () => {
    const one = requests.fetch('state-1', 'abc', never);
    const two = requests.fetch('state-2', 'abc', never);
    requests.answer({ kind: 'fetched', object: 'state-3', bytes: BYTES });
    requests.answer({ kind: 'fetched', object: 'state-2', bytes: BYTES });
    requests.answer({ kind: 'notFetched', object: 'state-1', message: 'none' });
    expect(await two).toBe(BYTES);
    await expect(one).rejects.toMatchObject({ code: 'checkpoint' });
  });
});
