import { describe, expect, it } from 'vitest';
import { Driver, checkpointOf } from './driver.js';

describe('a worker that joins', () => {
  it('is let in after a quarter of a second, and takes the state over from a member', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.reach(4);
    expect(run.come('c')).toEqual([]);
    run.nowMs += 249;
    expect(run.tick()).toEqual([]);
    run.nowMs += 1;
    run.tick();
    expect(run.of('survey')[0]).toEqual({ kind: 'survey', survey: 2, ringEpoch: 7 });
    run.stand('c', null);
    run.allStand(4, 'a', 'b');
    expect(run.ring).toMatchObject({
      world: ['a', 'b', 'c'],
      nextUpdate: 4,
      source: { kind: 'peer', peer: { workerId: 'a', host: '127.0.0.1', port: 4_000 } },
      cause: { kind: 'join' },
    });
    expect(run.ring.reason).toBe('c joins; 3 workers from step 2, where the workers stand');
    run.written();
    expect(run.of('start').map(({ workerId }) => workerId)).toEqual(['a', 'b', 'c']);
    expect(run.assigned()[0]).toBe('2/0 c');
  });

  it('is let in together with others that come at about the same time', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.come('c');
    run.nowMs += 200;
    run.come('d');
    run.pass(250);
    expect(run.phase).toBe('surveying');
    run.allStand(0, 'a', 'b', 'c', 'd');
    expect(run.ring.reason).toMatch(/^c, d join; 4 workers/);
  });

  it('waits until the present world has begun', () => {
    const run = new Driver();
    run.come('a');
    run.come('b');
    run.allStand(null, 'a', 'b');
    run.written();
    run.started('a');
    run.come('c');
    run.pass(2_000);
    expect(run.phase).toBe('training');
    run.started('b');
    run.tick();
    expect(run.phase).toBe('surveying');
  });

  it('becomes a spare where the world is full, and stops nobody', () => {
    const run = new Driver({ plan: { expectedWorkers: 4 } });
    run.train('a', 'b', 'c', 'd');
    run.come('e');
    run.pass(1_000);
    expect(run.phase).toBe('training');
  });

  it('stands in the middle of a step and is told so in words', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.report('a', [0, 1, 2]);
    run.come('c');
    run.pass(250);
    run.stand('c', null);
    run.allStand(3, 'a', 'b');
    expect(run.ring.reason).toMatch(/from step 1, second half, where/);
    run.written();
    expect(run.assigned()[0]).toBe('1/0 b');
  });
});

describe('a spare', () => {
  it('takes the place of a member that is lost', () => {
    const run = new Driver({ plan: { expectedWorkers: 5 } });
    run.train('a', 'b', 'c', 'd', 'e');
    run.exited('b');
    run.allStand(0, 'a', 'c', 'd', 'e');
    expect(run.ring).toMatchObject({ world: ['a', 'c', 'd', 'e'], spares: [] });
  });

  it('may be lost without a change of the world', () => {
    const run = new Driver({ plan: { expectedWorkers: 5 } });
    run.train('a', 'b', 'c', 'd', 'e');
    run.exited('e');
    expect(run.kinds()).toEqual(['say']);
    expect(run.phase).toBe('training');
  });

  it('that leaves is released at once', () => {
    const run = new Driver({ plan: { expectedWorkers: 5 } });
    run.train('a', 'b', 'c', 'd', 'e');
    expect(run.leaves('e')).toEqual([{ kind: 'release', workerId: 'e' }]);
  });
});

describe('a member that leaves', () => {
  it('is released once the others have begun without it, and again when it asks again', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.reach(2);
    run.leaves('b');
    expect(run.of('survey')).toHaveLength(1);
    expect(run.leaves('b')).toEqual([]);
    run.allStand(2, 'a', 'b');
    expect(run.ring).toMatchObject({ world: ['a'], nextUpdate: 2, cause: { kind: 'leave' } });
    run.written();
    expect(run.of('release')).toEqual([]);
    run.started('a');
    expect(run.of('release')).toEqual([{ kind: 'release', workerId: 'b' }]);
    expect(run.leaves('b')).toEqual([{ kind: 'release', workerId: 'b' }]);
  });

  it('hands its state over when nobody else has it', () => {
    const run = new Driver({ plan: { expectedWorkers: 1 } });
    run.train('a');
    run.reach(4);
    run.come('b');
    run.leaves('a'); // before b was let in
    run.stand('b', null);
    run.stand('a', 4);
    expect(run.ring).toMatchObject({ world: ['b'], source: { kind: 'peer', peer: { workerId: 'a' } } });
    run.written();
    expect(run.of('start').map(({ workerId }) => workerId)).toEqual(['b', 'a']);
    expect(run.leaves('a')).toEqual([]); // not yet: b takes the state from it
    run.started('b');
    expect(run.of('release')).toEqual([{ kind: 'release', workerId: 'a' }]);
  });

  it('is not released in the middle of a change, when its state may still be asked for', () => {
    const run = new Driver({ plan: { expectedWorkers: 3 } });
    run.train('a', 'b', 'c');
    run.exited('b');
    expect(run.leaves('c')).toEqual([]);
    run.allStand(0, 'a', 'c');
    expect(run.ring.world).toEqual(['a']);
  });

  it('and does not wait to be released is gone all the same', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.goodbye('b');
    run.stand('a', 0);
    expect(run.ring).toMatchObject({ world: ['a'], cause: { kind: 'leave', text: 'b left: done here' } });
  });

  it('has not failed when its process ends', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.leaves('b');
    run.exited('b');
    expect(run.state.strikes.size).toBe(0);
  });
});

describe('workers that all leave at once', () => {
  it('make a last world, which computes nothing but what is begun and stores a checkpoint', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.reach(2);
    run.leaves('a');
    run.leaves('b');
    run.allStand(3, 'a', 'b');
    expect(run.ring).toMatchObject({ world: ['a', 'b'], nextUpdate: 3 });
    run.begin();
    expect(run.of('release')).toEqual([]);
    expect(run.state.assigned).toBe(2);
    run.tick();
    expect(run.of('takeCheckpoint')).toMatchObject([{ update: 4 }]);
    run.completeCheckpoint();
    expect(run.of('release').map(({ workerId }) => workerId)).toEqual(['a', 'b']);
    expect(run.state.checkpoint?.update).toBe(4);
    expect(run.phase).toBe('gathering');
  });

  it('go at once when they hold no more than the checkpoint', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.leaves('a');
    run.leaves('b');
    run.allStand(0, 'a', 'b');
    expect(run.of('release')).toHaveLength(2);
    expect(run.phase).toBe('gathering');
  });

  it('are followed by one that comes in time and takes the state over', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.reach(2);
    run.leaves('a');
    run.leaves('b');
    run.allStand(2, 'a', 'b');
    run.begin();
    run.come('c');
    run.pass(500);
    run.allStand(2, 'a', 'b');
    run.stand('c', null);
    expect(run.ring).toMatchObject({ world: ['c'], nextUpdate: 2, source: { kind: 'peer' } });
  });

  it('end a run that was asked to stop', () => {
    const run = new Driver({ recorded: { checkpoint: checkpointOf(4) } });
    run.train('a', 'b');
    run.leaves('a');
    run.stop();
    run.leaves('b');
    run.allStand(4, 'a', 'b');
    expect(run.ended()).toMatchObject({ outcome: 'interrupted', exitStatus: 130 });
  });
});

describe('the last one that leaves', () => {
  it('first stores a checkpoint; then the run waits for a worker', () => {
    const run = new Driver({ plan: { expectedWorkers: 1 } });
    run.train('a');
    run.reach(2);
    run.leaves('a');
    expect(run.of('takeCheckpoint')).toMatchObject([{ workerId: 'a', update: 6 }]);
    run.completeCheckpoint();
    expect(run.of('release')).toEqual([{ kind: 'release', workerId: 'a' }]);
    expect(run.said()).toMatch(/nobody is left to train, the run waits for a worker/);
    expect(run.phase).toBe('gathering');
  });

  it('leaves without one when it cannot be stored', () => {
    const run = new Driver({ plan: { expectedWorkers: 1 } });
    run.train('a');
    run.leaves('a');
    run.taskFails(run.state.checkpointTask?.task ?? '');
    expect(run.of('release')).toHaveLength(1);
    expect(run.phase).toBe('gathering');
  });

  it('is followed by one that comes and goes on from the checkpoint', () => {
    const run = new Driver({ plan: { expectedWorkers: 1 } });
    run.train('a');
    run.leaves('a');
    run.completeCheckpoint();
    run.goodbye('a');
    run.come('b');
    run.pass(500);
    expect(run.of('survey')).not.toEqual([]);
    run.stand('b', null);
    expect(run.ring).toMatchObject({ world: ['b'], nextUpdate: 4, source: { kind: 'checkpoint' } });
  });
});
