import { describe, expect, it } from 'vitest';
import { brokenLink } from '../../../coordinator/blame.js';
import { decideStart, type Candidate } from '../../../coordinator/membership.js';
import { Driver, checkpointOf, stateBefore } from './driver.js';

/** Small stories that the cluster model found first (cluster-model.test.ts), where no other test tells them. */
describe('a worker that comes during a survey', () => {
  it('has not missed it when it is over before the worker could answer', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.reach(4);
    run.fails('a', 'b');
    run.stand('a', 4);
    run.pass(100);
    run.come('c');
    run.pass(301);
    expect(run.ring.world).toEqual(['a']);
    expect(run.ring.reason).toContain('; b did not answer; 1 worker');
    expect(run.state.workers.get('c')?.excluded).toBeNull();
    expect([...run.state.strikes.keys()]).toEqual(['b']);
  });
});

describe('a link that carries nothing', () => {
  it('is the one that broke, also when it is heard sooner from one whose link was closed for that', () => {
    const closed = { workerId: 'b', neighbour: 'c', silent: false };
    const silent = { workerId: 'c', neighbour: 'a', silent: true };
    expect(brokenLink([closed, silent])).toBe(silent);
    const other = { workerId: 'a', neighbour: 'b', silent: false };
    expect(brokenLink([closed, silent, other])).toBe(silent);
  });
});

describe('a coordinator that stood still during a survey', () => {
  it('first reads what was answered meanwhile', () => {
    const run = new Driver();
    run.train('a', 'b', 'c');
    run.exited('c');
    run.stand('a', 0);
    run.nowMs += 1_000;
    run.tick();
    expect(run.phase).toBe('surveying');
    run.stand('b', 0);
    expect(run.ring.world).toEqual(['a', 'b']);
  });
});

describe('updates that are computed once more', () => {
  it('are assigned from where the workers stand, as far ahead as ever', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.reach(12);
    run.exited('a');
    run.exited('b');
    // It was away for long, and nobody else is left.
    run.come('c', { nextUpdate: 4 });
    run.pass(500);
    run.stand('c', 4);
    run.written();
    expect(new Set(run.assigned().map((what) => what.split('/')[0]))).toEqual(new Set(['2', '3']));
    run.report('c', [], { nextUpdate: 6 });
    expect(new Set(run.assigned().map((what) => what.split('/')[0]))).toEqual(new Set(['4']));
    expect(run.state.committed).toBe(12);
  });
});

describe('a state that lies behind a cut link', () => {
  const candidate = (workerId: string, nextUpdate: number | null, leaving = false): Candidate => ({
    member: { workerId, host: 'host', port: 1 },
    standing: {
      nextUpdate,
      stateFingerprint: nextUpdate === null ? null : stateBefore(nextUpdate),
      rowsFrom: 0,
    },
    leaving,
  });
  const question = {
    shards: 1,
    checkpoint: checkpointOf(4),
    committed: 8,
    cuts: [{ a: 'a', b: 'b', untilMs: 1 }],
    fromAgreed: false,
  };

  it('is taken over by those that can reach it: whoever cannot steps aside', () => {
    const candidates = [candidate('a', null), candidate('b', 10), candidate('c', null)];
    expect(decideStart({ ...question, candidates })).toMatchObject({
      world: ['b'],
      nextUpdate: 10,
    });
    const two = decideStart({ ...question, candidates: [...candidates].reverse() });
    expect(two).toMatchObject({ world: ['c'], source: { kind: 'peer', peer: { workerId: 'b' } } });
  });

  it('is given up for the checkpoint when nobody that stays can reach it', () => {
    const candidates = [candidate('a', null), candidate('b', 10, true)];
    expect(decideStart({ ...question, candidates })).toMatchObject({
      world: ['a'],
      nextUpdate: 4,
      source: { kind: 'checkpoint' },
    });
  });
});
