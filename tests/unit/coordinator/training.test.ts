import { describe, expect, it } from 'vitest';
import { Driver, checkpointOf, stateBefore, WRONG } from './driver.js';

describe('training', () => {
  it('commits rows once, in order, whoever reports them, and assigns on', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.report('a', [0, 1]);
    expect(run.of('append')).toMatchObject([{ rows: [{ update: 0 }, { update: 1 }] }]);
    expect(run.assigned()).toEqual(['2/0 a', '2/1 b', '2/2 a', '2/3 b']);
    run.report('b', [0, 1, 2]);
    expect(run.of('append')).toMatchObject([{ rows: [{ update: 2 }] }]);
    run.report('b', [4]); // a gap: the row before has not come
    expect(run.state.committed).toBe(3);
  });

  it('drops reports of another ring epoch', () => {
    const run = new Driver();
    run.train('a', 'b');
    expect(run.report('a', [0, 1], { ringEpoch: 6 })).toEqual([]);
    expect(run.state.committed).toBe(0);
  });

  it('sends again what a worker lacks, but only its own shards of assigned steps', () => {
    const run = new Driver();
    run.train('a', 'b');
    const need = (step: number, shards: number[]) =>
      run.send({ kind: 'need', message: { workerId: 'b', ringEpoch: 7, step, shards } });
    need(1, [1, 2]);
    expect(run.assigned()).toEqual(['1/1 b']);
    expect(need(2, [1])).toEqual([]);
    expect(need(0, [4_001])).toEqual([]);
  });

  it('ends after ten steps in a row with a skipped update', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.report('a', [0, 1], { row: { skipped: true, scalars: [null], skippedSteps: 9 } });
    expect(run.phase).toBe('training');
    run.report('a', [2, 3], { row: { skipped: true, scalars: [null], skippedSteps: 10 } });
    expect(run.ended()?.message).toMatch(/not finite in 10 steps in a row, up to step 1/);
  });
});

describe('nothing is committed although everybody seems well', () => {
  it("for 80 steps' time, at least 10 s: then the world changes", () => {
    const run = new Driver();
    run.train('a', 'b');
    run.pass(10_000);
    expect(run.phase).toBe('training');
    run.pass(250);
    expect(run.of('survey')).toHaveLength(1);
    expect(run.state.phase).toMatchObject({ kind: 'surveying', cause: { kind: 'stall' } });
  });

  it('but what is computed once more is no standstill', () => {
    const run = new Driver({ plan: { expectedWorkers: 3 } });
    run.train('a', 'b', 'c');
    run.reach(8);
    run.exited('a');
    run.exited('b');
    run.stand('c', 4); // it hung for a while
    run.begin();
    expect(run.state.committed).toBe(8);
    run.pass(9_000);
    run.report('c', [], { nextUpdate: 6 });
    run.pass(9_000);
    expect(run.phase).toBe('training');
    run.pass(1_250);
    expect(run.phase).toBe('surveying');
  });
});

describe('replicas that differ', () => {
  it('go back to the checkpoint, both sides named, and the history from there is void', () => {
    const run = new Driver({ recorded: { checkpoint: checkpointOf(2) } });
    run.train('a', 'b');
    run.report('a', [2, 3], { fingerprints: [4] });
    run.report('b', [2, 3], { fingerprints: [4], wrong: true });
    expect(run.said()).toContain(
      `replicas differ before update 4 (a ${stateBefore(4)}, b ${WRONG}): all go back to what all agreed on`,
    );
    expect(run.of('survey')).toHaveLength(1);
    run.allStand(4, 'a', 'b');
    expect(run.ring).toMatchObject({ nextUpdate: 2, source: { kind: 'checkpoint' }, world: ['a', 'b'] });
    run.written();
    expect(run.of('truncate')).toEqual([{ kind: 'truncate', update: 2 }]);
    expect(run.state.committed).toBe(2);
  });

  it('go back to the beginning where there is no checkpoint', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.report('a', [0, 1], { fingerprints: [2] });
    run.report('b', [0, 1], { fingerprints: [2], wrong: true });
    run.allStand(2, 'a', 'b');
    expect(run.ring).toMatchObject({ nextUpdate: 0, source: { kind: 'initial' } });
  });

  it('go back all the same when that could not be written at first', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.report('a', [0, 1], { fingerprints: [2] });
    run.report('b', [0, 1], { fingerprints: [2], wrong: true });
    run.allStand(2, 'a', 'b');
    run.notWritten();
    run.pass(250);
    run.allStand(2, 'a', 'b');
    expect(run.ring).toMatchObject({ nextUpdate: 0, source: { kind: 'initial' } });
  });

  it('are found at the start', () => {
    const run = new Driver();
    run.come('a');
    run.come('b');
    run.allStand(null, 'a', 'b');
    run.written();
    run.started('a');
    run.started('b', WRONG);
    expect(run.said()).toMatch(/replicas differ before update 0/);
    expect(run.phase).toBe('surveying');
  });

  it('are found in a survey, when two stand at the same update', () => {
    const run = new Driver({ plan: { expectedWorkers: 3 } });
    run.train('a', 'b', 'c');
    run.reach(2);
    run.exited('c');
    run.stand('a', 2);
    run.stand('b', 2, { stateFingerprint: WRONG });
    expect(run.said()).toMatch(/replicas differ before update 2/);
    expect(run.ring).toMatchObject({ nextUpdate: 0, source: { kind: 'initial' } });
  });

  it('are not believed when one that was away meanwhile comes back and stands further on', () => {
    const run = new Driver({ plan: { expectedWorkers: 3 } });
    run.train('a', 'b', 'c');
    run.report('a', [0, 1], { fingerprints: [2] });
    run.report('b', [0, 1], { fingerprints: [2], wrong: true });
    run.allStand(2, 'a', 'b');
    run.pass(500); // c has not answered
    run.begin();
    run.reach(2);
    run.pass(500);
    run.allStand(2, 'a', 'b');
    run.stand('c', 8, { begunIn: 7 });
    expect(run.ring).toMatchObject({ world: ['a', 'b', 'c'], nextUpdate: 2 });
  });

  it('are not believed either by a coordinator that comes when only some have gone back', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.report('a', [0, 1], { fingerprints: [2] });
    run.report('b', [0, 1], { fingerprints: [2], wrong: true });
    run.allStand(2, 'a', 'b');
    const { trustedFrom } = run.ring;
    expect(trustedFrom).toBe(8);
    const next = new Driver({ recorded: { ringEpoch: 8, world: ['a', 'b'], trustedFrom } });
    next.come('a', { nextUpdate: 0 });
    next.come('b', { nextUpdate: 2 });
    next.stand('a', 0, { begunIn: 8 });
    next.stand('b', 2, { begunIn: 7 });
    expect(next.ring).toMatchObject({ nextUpdate: 0, source: { kind: 'peer', peer: { workerId: 'a' } } });
  });

  /** The replicas differ before update 2, go back and begin again. */
  function differ(run: Driver): void {
    run.report('a', [0, 1], { nextUpdate: 2, fingerprints: [2] });
    run.report('b', [0, 1], { nextUpdate: 2, fingerprints: [2], wrong: true });
  }
  function beginAgain(run: Driver): void {
    run.allStand(2, 'a', 'b');
    run.begin();
  }

  it('end the run the fourth time: a memory is faulty', () => {
    const run = new Driver();
    run.train('a', 'b');
    for (let time = 1; time <= 3; time++) {
      differ(run);
      expect(run.phase).toBe('surveying');
      beginAgain(run);
    }
    differ(run);
    expect(run.ended()?.message).toMatch(/for the 4th time since the last checkpoint: a machine's memory/);
  });

  it('are forgiven with each checkpoint', () => {
    const run = new Driver({ plan: { checkpointEveryMs: 1_000 } });
    run.train('a', 'b');
    differ(run);
    beginAgain(run);
    run.pass(1_000);
    expect(run.state.mismatches).toBe(1);
    run.completeCheckpoint();
    expect(run.state.mismatches).toBe(0);
  });
});
