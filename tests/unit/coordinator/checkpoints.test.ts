import { describe, expect, it } from 'vitest';
import { Driver } from './driver.js';

/** Two workers whose checkpoint is due after a second, and asked for. */
function due(): Driver {
  const run = new Driver({ plan: { checkpointEveryMs: 1_000 } });
  run.train('a', 'b');
  run.pass(1_000);
  return run;
}

/** Both tell of their state before `update`. */
function agree(run: Driver, update: number): void {
  for (const id of ['a', 'b']) run.report(id, [], { nextUpdate: update, fingerprints: [update] });
}

describe('a checkpoint', () => {
  it('is asked of rank 0 where nobody can have passed yet, and a fingerprint of everybody', () => {
    const run = due();
    expect(run.commands).toEqual([
      { kind: 'takeCheckpoint', workerId: 'a', task: 'checkpoint-3-1', update: 4 },
      { kind: 'settle', workerId: 'a', update: 4 },
      { kind: 'settle', workerId: 'b', update: 4 },
    ]);
  });

  it('is not due before its time, nor before all have begun', () => {
    const run = new Driver({ plan: { checkpointEveryMs: 1_000 } });
    run.come('a');
    run.come('b');
    run.allStand(null, 'a', 'b');
    run.written();
    run.started('a');
    run.pass(2_000);
    expect(run.of('takeCheckpoint')).toEqual([]);
    run.started('b');
    run.tick();
    expect(run.of('takeCheckpoint')).toHaveLength(1);
  });

  it('is one at a time', () => {
    const run = due();
    run.pass(1_500);
    expect(run.of('takeCheckpoint')).toEqual([]);
  });

  it('counts once it is stored, agreed on, and its rows are in the history, in any order', () => {
    const steps: Record<string, (run: Driver) => void> = {
      stored: (run) => run.stored(),
      agreed: (run) => agree(run, 4),
      reached: (run) => run.reach(4),
    };
    const orders = [
      ['stored', 'agreed', 'reached'],
      ['stored', 'reached', 'agreed'],
      ['agreed', 'stored', 'reached'],
      ['agreed', 'reached', 'stored'],
      ['reached', 'stored', 'agreed'],
      ['reached', 'agreed', 'stored'],
    ];
    for (const order of orders) {
      const run = due();
      for (const [i, name] of order.entries()) {
        steps[name]?.(run);
        expect(run.state.checkpointTask?.committing, order.join()).toBe(i === 2);
      }
      expect(run.of('commitCheckpoint')).toMatchObject([{ message: { update: 4, workerId: 'a' } }]);
      run.pointerMoved(4);
      expect(run.state.checkpoint?.update).toBe(4);
      expect(run.state.checkpointTask).toBeNull();
    }
  });

  it('is committed once, although it is told twice', () => {
    const run = due();
    run.reach(4);
    agree(run, 4);
    const task = run.state.checkpointTask;
    run.stored();
    run.stored(task);
    expect(run.commands).toEqual([]);
  });

  it('is no checkpoint where replicas differ', () => {
    const run = due();
    const task = run.state.checkpointTask;
    run.reach(4);
    run.report('a', [], { nextUpdate: 4, fingerprints: [4] });
    run.report('b', [], { nextUpdate: 4, fingerprints: [4], wrong: true });
    run.stored(task);
    expect(run.of('commitCheckpoint')).toEqual([]);
    expect(run.state.checkpointTask).toBeNull();
  });

  it('is asked for again after 2 s', () => {
    const run = due();
    run.pass(1_750);
    expect(run.of('takeCheckpoint')).toEqual([]);
    run.pass(250);
    expect(run.of('takeCheckpoint')).toMatchObject([{ task: 'checkpoint-3-1' }]);
    expect(run.of('settle')).toHaveLength(2);
  });

  it('is given up when a replica has passed it without telling of its state there', () => {
    const run = due();
    run.report('b', [0, 1, 2, 3, 4], { nextUpdate: 5 });
    expect(run.said()).toContain('what b told of its state before update 4 was lost');
    expect(run.state.checkpointTask).toBeNull();
  });

  it('is not given up when the replica told of its state before it went on', () => {
    const run = due();
    run.report('b', [0, 1, 2, 3], { nextUpdate: 4, fingerprints: [4] });
    run.report('b', [4], { nextUpdate: 5 });
    expect(run.state.checkpointTask).not.toBeNull();
  });

  it('that fails stops nobody, says what is kept, and is tried again soon', () => {
    const run = due();
    run.taskFails('checkpoint-3-1');
    expect(run.of('say')).toMatchObject([{ level: 'warning' }]);
    expect(run.said()).toBe('checkpoint failed, tried again in 1 s (no checkpoint was taken yet): disk full');
    expect(run.phase).toBe('training');
    run.pass(750);
    expect(run.of('takeCheckpoint')).toEqual([]);
    run.pass(250);
    expect(run.of('takeCheckpoint')).toMatchObject([{ task: 'checkpoint-3-2' }]);
  });

  it('that fails is another one than the one under way', () => {
    const run = due();
    run.taskFails('checkpoint-3-0');
    expect(run.commands).toEqual([]);
    expect(run.state.checkpointTask).not.toBeNull();
  });

  it('that is not complete after a minute has failed', () => {
    const run = due();
    for (let i = 0; i < 13; i++) {
      run.pass(4_700);
      run.report('b', [run.state.committed], { nextUpdate: 1 }); // no standstill
    }
    expect(run.state.failedCheckpoints).toBe(1);
  });

  it('is void when the world changes, and its late result moves nothing', () => {
    const run = due();
    const task = run.state.checkpointTask;
    run.exited('b');
    expect(run.state.checkpointTask).toBeNull();
    run.stored(task);
    expect(run.of('commitCheckpoint')).toEqual([]);
  });

  it('whose pointer is being moved is waited for in a survey: which one there is decides', () => {
    const run = due();
    run.reach(4);
    agree(run, 4);
    run.stored();
    run.exited('b');
    run.stand('a', null);
    expect(run.of('writeRing')).toEqual([]);
    run.pointerMoved(4);
    run.tick();
    expect(run.ring).toMatchObject({ nextUpdate: 4, source: { kind: 'checkpoint', object: 'state-2' } });
  });
});
