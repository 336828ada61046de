import { describe, expect, it } from 'vitest';
import { Driver, checkpointOf } from './driver.js';

/** Carries a run whose goal is committed to its end. */
function finish(run: Driver): void {
  const last = 2 * run.state.goal;
  for (const id of run.world) run.report(id, [], { nextUpdate: last, fingerprints: [last] });
  run.completeCheckpoint();
}

describe('a run that is asked to stop', () => {
  it('ends at once before the first step', () => {
    const run = new Driver();
    run.come('a');
    run.stop();
    expect(run.ended()).toMatchObject({
      ...{ outcome: 'interrupted', exitStatus: 130, message: 'stopped before the first step' },
    });
  });

  it('ends at once while the first world is surveyed or written', () => {
    const surveying = new Driver();
    surveying.come('a');
    surveying.come('b');
    surveying.stop();
    expect(surveying.ended()).toMatchObject({ outcome: 'interrupted', exitStatus: 130 });
    const writing = new Driver();
    writing.come('a');
    writing.come('b');
    writing.allStand(null, 'a', 'b');
    writing.stop();
    expect(writing.ended()).toMatchObject({ outcome: 'interrupted', exitStatus: 130 });
  });

  it('finishes what is assigned, takes a checkpoint of it, exports nothing, ends with 130', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.report('a', [0, 1]);
    expect(run.stop()).toEqual([]);
    run.report('a', [2, 3]);
    expect(run.assigned()).toEqual([]);
    run.report('a', [4, 5]);
    finish(run);
    expect(run.commands).toEqual([{ kind: 'writeResult', outcome: 'interrupted', files: [] }]);
    run.send({ kind: 'resultWritten' });
    expect(run.ended()).toMatchObject({ outcome: 'interrupted', exitStatus: 130 });
    expect(run.ended()?.message).toBe('stopped at step 3 of 20, with a checkpoint');
  });

  it('is done all the same when all that was left is assigned', () => {
    const run = new Driver({ plan: { steps: 2 } });
    run.train('a', 'b');
    run.stop();
    run.report('a', [0, 1, 2, 3]);
    expect(run.state.phase).toMatchObject({ kind: 'finishing', outcome: 'done' });
  });

  it('first lets a change of the world come to its end', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.report('a', [0, 1]);
    run.exited('b');
    expect(run.stop()).toEqual([]);
    run.stand('a', 2);
    run.begin();
    expect(run.state.goal).toBe(3);
    run.reach(6);
    finish(run);
    expect(run.commands).toMatchObject([{ kind: 'writeResult', outcome: 'interrupted' }]);
  });

  it('stops where the workers are, when they have come further than the coordinator knew', () => {
    const run = new Driver({ recorded: { ringEpoch: 6, world: ['a'], checkpoint: checkpointOf(2) } });
    run.come('a', { nextUpdate: 9 });
    run.stop();
    run.stand('a', 9, { rowsFrom: 2 });
    run.begin();
    expect(run.state.goal).toBe(5);
    run.report('a', [2, 3, 4, 5, 6, 7, 8, 9]);
    expect(run.state.phase).toMatchObject({ kind: 'finishing', outcome: 'interrupted' });
  });

  it('keeps what those hold that have come back, before the others have', () => {
    const run = new Driver({ recorded: { ringEpoch: 6, world: ['a', 'b'], checkpoint: checkpointOf(2) } });
    run.come('a', { nextUpdate: 9 });
    run.stop();
    run.stand('a', 9, { rowsFrom: 2 });
    run.begin();
    expect(run.state.goal).toBe(5);
    run.reach(10);
    finish(run);
    expect(run.commands).toMatchObject([{ kind: 'writeResult', outcome: 'interrupted' }]);
  });

  it('ends where nobody is at work, and says what is kept', () => {
    const run = new Driver({ recorded: { checkpoint: checkpointOf(4) } });
    run.train('a', 'b');
    run.exited('a');
    run.exited('b');
    run.tick();
    run.stop();
    expect(run.ended()).toMatchObject({ outcome: 'interrupted', exitStatus: 130 });
    expect(run.ended()?.message).toMatch(/without a worker at work; the last good checkpoint .* step 2/);
  });

  it('and is on its way to the end already goes on', () => {
    const run = new Driver({ plan: { steps: 1 } });
    run.train('a', 'b');
    run.report('a', [0, 1]);
    expect(run.stop()).toEqual([]);
    expect(run.state.phase).toMatchObject({ kind: 'finishing', outcome: 'done' });
  });
});
