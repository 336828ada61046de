import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Leadership, judgeLead, type LeadershipOptions } from '../../../coordinator/leadership.js';
import { OutdatedError, type Lead } from '../../../coordinator/run-store.js';
import { createLog } from '../../../proto/runtime/log.js';

const ENDED = { outcome: 'done', exitStatus: 0, message: 'done', steps: 6 } as const;
const lead = (revision: number, ended: Lead['ended'] = null) => ({
  revision,
  lead: { holder: 'other', beat: revision, ended },
});

describe('who stands by', () => {
  it('takes a lead that nobody ever had', () => {
    expect(judgeLead(null, null, false, 0)).toEqual({ kind: 'take', revision: 0 });
  });

  it('takes one that did not change for two seconds by its own clock', () => {
    const first = judgeLead(lead(5), null, false, 1_000);
    expect(first).toEqual({ kind: 'wait', watched: { revision: 5, sinceMs: 1_000 } });
    const watched = first.kind === 'wait' ? first.watched : null;
    expect(judgeLead(lead(5), watched, true, 2_999)).toEqual({ kind: 'wait', watched });
    expect(judgeLead(lead(5), watched, true, 3_000)).toEqual({ kind: 'take', revision: 5 });
  });

  it('waits as long as it is renewed', () => {
    let watched = null;
    for (let revision = 1; revision < 20; revision++) {
      const verdict = judgeLead(lead(revision), watched, true, revision * 1_900);
      expect(verdict.kind).toBe('wait');
      watched = verdict.kind === 'wait' ? verdict.watched : null;
    }
  });

  it('counts afresh after a look that failed', () => {
    expect(judgeLead(lead(5), null, true, 9_000)).toMatchObject({
      kind: 'wait',
      watched: { sinceMs: 9_000 },
    });
  });

  it('ends with the run it has stood by for, and takes an ended one that it did not see', () => {
    expect(judgeLead(lead(5, ENDED), null, true, 0)).toEqual({ kind: 'ended', ended: ENDED });
    expect(judgeLead(lead(5, ENDED), null, false, 0)).toEqual({ kind: 'take', revision: 5 });
  });
});

/** A key that changes by compare-and-set, and can be away. */
class FakeStore {
  revision = 0;
  lead: Lead | null = null;
  down = false;
  /** A write takes so long to be answered. */
  writeMs = 0;
  private readonly check = (): void => {
    if (this.down) throw new Error('no answer');
  };

  readLead = (): Promise<{ revision: number; lead: Lead } | null> =>
    Promise.resolve().then(() => {
      this.check();
      return this.lead === null ? null : { revision: this.revision, lead: this.lead };
    });

  writeLead = async (next: Lead, revision: number): Promise<number> => {
    if (this.writeMs > 0) await new Promise((resolve) => setTimeout(resolve, this.writeMs));
    this.check();
    if (revision !== this.revision) throw new OutdatedError('key leader');
    this.lead = next;
    return (this.revision += 1);
  };
}

describe('a leader', () => {
  const log = createLog('test', 'silent');
  const never = new AbortController().signal;
  let store: FakeStore;
  let nowMs: number;

  beforeEach(() => {
    vi.useFakeTimers();
    store = new FakeStore();
    nowMs = 0;
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const options = (holder = 'me'): LeadershipOptions => ({ store, holder, nowMs: () => nowMs, log });
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 50) {
      nowMs += 50;
      await vi.advanceTimersByTimeAsync(50);
    }
  };
  const leads = async (holder = 'me'): Promise<Leadership> => {
    const taken = await Leadership.acquire(options(holder), never);
    if (!(taken instanceof Leadership)) throw new Error('a lead was expected');
    return taken;
  };

  it('has the revision by which it took the lead for its term', async () => {
    store.revision = 41;
    store.lead = { holder: 'other', beat: 0, ended: ENDED };
    const leader = await leads();
    expect(leader.term).toBe(42);
    expect(store.lead).toEqual({ holder: 'me', beat: 0, ended: null });
    leader.release();
  });

  it('renews twice a second and stays valid', async () => {
    const leader = await leads();
    const renewed = vi.fn();
    leader.watch(vi.fn(), renewed);
    await pass(10_000);
    expect(renewed).toHaveBeenCalledTimes(20);
    expect(leader.valid).toBe(true);
    leader.release();
  });

  it('is no leader after two seconds without the store, and is one again once it has renewed', async () => {
    const leader = await leads();
    const lost = vi.fn();
    leader.watch(lost, vi.fn());
    store.down = true;
    await pass(1_950);
    expect(leader.valid).toBe(true);
    await pass(50);
    expect(leader.valid).toBe(false);
    store.down = false;
    await leader.renew();
    expect(leader.valid).toBe(true);
    expect(lost).not.toHaveBeenCalled();
    leader.release();
  });

  it('knows after a pause, before it does anything, that it may be none', async () => {
    const leader = await leads();
    nowMs += 2_000; // no timer has run
    expect(leader.valid).toBe(false);
    leader.release();
  });

  it('counts its lease from before the beat, however late the answer comes', async () => {
    const leader = await leads();
    store.writeMs = 1_500;
    const renewing = leader.renew();
    await vi.advanceTimersByTimeAsync(0);
    await pass(1_500);
    await renewing;
    await pass(450);
    expect(leader.valid).toBe(true);
    nowMs += 50;
    expect(leader.valid).toBe(false);
    leader.release();
  });

  it('is told once that another leads, and renews no more', async () => {
    const leader = await leads();
    const lost = vi.fn();
    leader.watch(lost, vi.fn());
    store.revision += 1;
    store.lead = { holder: 'other', beat: 0, ended: null };
    await pass(5_000);
    expect(lost).toHaveBeenCalledTimes(1);
    expect(leader.valid).toBe(false);
    expect(store.lead.holder).toBe('other');
  });

  it('that is lost before anybody watches tells it all the same', async () => {
    const leader = await leads();
    store.revision += 1;
    await leader.renew();
    const lost = vi.fn();
    leader.watch(lost, vi.fn());
    await pass(50);
    expect(lost).toHaveBeenCalledTimes(1);
  });

  it('ends with the run, and so does whoever stands by', async () => {
    const leader = await leads();
    const standby = Leadership.acquire(options('other'), never);
    await pass(1_000);
    await leader.end({ outcome: 'done', exitStatus: 0, message: 'done' }, 6);
    await pass(250);
    expect(await standby).toEqual(ENDED);
    const { revision } = store;
    await pass(2_000);
    expect(store.revision).toBe(revision);
  });

  it('that is gone is followed two seconds later by whoever stands by, with a higher term', async () => {
    const leader = await leads();
    const standby = Leadership.acquire(options('other'), never);
    let followed = false;
    void standby.then(() => (followed = true));
    await pass(5_000);
    expect(followed).toBe(false);
    leader.release();
    await pass(1_500);
    expect(followed).toBe(false);
    await pass(1_000);
    const follower = await standby;
    if (!(follower instanceof Leadership)) throw new Error('a leader was expected to follow');
    expect(follower.term).toBeGreaterThan(leader.term);
    follower.release();
  });

  it('is one at most: of two that try at once, one stands by', async () => {
    const taken: unknown[] = [];
    const stop = new AbortController();
    for (const holder of ['a', 'b'])
      void Leadership.acquire(options(holder), stop.signal).then((leader) => taken.push(leader));
    await pass(1_000);
    expect(taken).toHaveLength(1);
    stop.abort();
    await pass(50);
    expect(taken[1]).toBeNull();
    (taken[0] as Leadership).release();
  });
});
