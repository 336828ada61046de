import { describe, expect, it } from 'vitest';
import { Driver } from './driver.js';

const FILE = { name: 'generator.onnx', bytes: 1, sha256: 'd'.repeat(64) };

/** Two workers that have done their only step. */
function last(): Driver {
  const run = new Driver({ plan: { steps: 1 } });
  run.train('a', 'b');
  run.report('a', [0, 1]);
  return run;
}

/** Both tell of the last state: then the last checkpoint is asked for. */
function settled(run = last()): Driver {
  const update = 2 * run.state.goal;
  for (const id of run.world) run.report(id, [], { nextUpdate: update, fingerprints: [update] });
  return run;
}

/** The last checkpoint is complete: the generator is asked for. */
function checkpointed(run = settled()): Driver {
  run.completeCheckpoint();
  return run;
}

const exported = (run: Driver, task = run.state.exportTask?.task ?? '') =>
  run.send({
    kind: 'exported',
    message: { workerId: 'a', task, update: 2, stateSha256: 'e'.repeat(64), files: [FILE] },
  });

/** The result is being written. */
function writing(): Driver {
  const run = checkpointed();
  exported(run);
  return run;
}

describe('the way to the end', () => {
  it('begins with the last commit: everybody is asked for a fingerprint of the last state', () => {
    const run = last();
    expect(run.of('settle')).toEqual([
      { kind: 'settle', workerId: 'a', update: 2 },
      { kind: 'settle', workerId: 'b', update: 2 },
    ]);
  });

  it('takes a checkpoint of the last state once all have told of it', () => {
    const run = last();
    run.report('b', [], { nextUpdate: 2, fingerprints: [2] });
    expect(run.commands).toEqual([]);
    run.report('a', [], { nextUpdate: 2, fingerprints: [2] });
    expect(run.of('takeCheckpoint')).toMatchObject([{ workerId: 'a', update: 2 }]);
  });

  it('then exports, writes, and ends with 0', () => {
    const run = checkpointed();
    expect(run.commands).toEqual([{ kind: 'export', workerId: 'a', task: 'export-3-2' }]);
    exported(run);
    expect(run.commands).toEqual([{ kind: 'writeResult', outcome: 'done', files: [FILE] }]);
    run.send({ kind: 'resultWritten' });
    expect(run.ended()).toMatchObject({ outcome: 'done', exitStatus: 0, message: '1 steps done' });
    expect(run.hello('c')).toEqual([]);
  });

  it('asks again those that have not told of the last state, with each tick', () => {
    const run = last();
    run.report('a', [], { nextUpdate: 2, fingerprints: [2] });
    expect(run.tick()).toEqual([{ kind: 'settle', workerId: 'b', update: 2 }]);
  });

  it('opens a survey when somebody does not tell of it', () => {
    const run = last();
    run.pass(10_250);
    expect(run.state.phase).toMatchObject({ kind: 'surveying', cause: { kind: 'stall' } });
  });

  it('asks again for the generator after 2 s, and for another one when it failed', () => {
    const run = checkpointed();
    run.pass(1_750);
    expect(run.commands).toEqual([]);
    run.pass(250);
    expect(run.commands).toEqual([{ kind: 'export', workerId: 'a', task: 'export-3-2' }]);
    run.taskFails('export-3-2', 'no space');
    expect(run.said()).toBe('a could not finish the run: no space; tried again in 5 s');
    run.pass(4_750);
    expect(run.commands).toEqual([]);
    run.pass(250);
    expect(run.commands).toEqual([{ kind: 'export', workerId: 'a', task: 'export-3-3' }]);
    exported(run, 'export-3-2');
    expect(run.commands).toEqual([]);
  });

  it('opens a survey when no generator comes within a minute', () => {
    const run = checkpointed();
    run.pass(60_000);
    expect(run.phase).toBe('finishing');
    run.pass(2_000);
    expect(run.state.phase).toMatchObject({ kind: 'surveying', cause: { kind: 'stall' } });
  });

  it('goes on with the others when a member is lost on it', () => {
    const run = checkpointed();
    run.exited('a');
    run.stand('b', 2);
    run.begin();
    expect(run.state.phase).toMatchObject({ kind: 'finishing', stage: 'settling' });
    run.report('b', [], { nextUpdate: 2, fingerprints: [2] });
    expect(run.commands).toEqual([{ kind: 'export', workerId: 'b', task: 'export-3-3' }]);
  });

  it('needs nobody while the result is written', () => {
    const run = writing();
    run.exited('a');
    run.exited('b');
    expect(run.state.phase).toMatchObject({ kind: 'finishing', stage: 'writing' });
    run.send({ kind: 'resultWritten' });
    expect(run.ended()).toMatchObject({ outcome: 'done' });
  });
});

describe('a result that cannot be written', () => {
  it('is tried again from the last checkpoint on', () => {
    const run = writing();
    run.send({ kind: 'effectFailed', message: 'disk full' });
    expect(run.said()).toBe('disk full; tried again in 5 s');
    run.pass(5_000);
    expect(run.of('export')).toMatchObject([{ task: 'export-3-3' }]);
  });

  it('opens a survey where somebody has gone meanwhile', () => {
    const run = writing();
    run.exited('a');
    run.send({ kind: 'effectFailed', message: 'disk full' });
    expect(run.of('survey')).toHaveLength(1);
  });

  it('is given up after twelve times', () => {
    const run = writing();
    for (let i = 1; i < 12; i++) {
      run.send({ kind: 'effectFailed', message: 'disk full' });
      run.pass(5_000);
      exported(run);
    }
    run.send({ kind: 'effectFailed', message: 'disk full' });
    expect(run.ended()).toMatchObject({ outcome: 'failed', exitStatus: 1 });
    expect(run.ended()?.message).toBe(
      'disk full (12 times); the last good checkpoint is that of step 1: go on from it with --resume',
    );
  });

  it('is a failure of the run at any other time', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.send({ kind: 'effectFailed', message: 'disk full' });
    expect(run.ended()).toMatchObject({ outcome: 'failed', exitStatus: 1 });
  });
});

describe('the last checkpoint', () => {
  it('is tried again after 5 s, and given up after twelve times', () => {
    const run = settled();
    for (let i = 1; i < 12; i++) {
      run.taskFails(run.state.checkpointTask?.task ?? '');
      run.pass(4_750);
      expect(run.of('takeCheckpoint')).toEqual([]);
      run.pass(250);
      expect(run.of('takeCheckpoint')).toHaveLength(1);
    }
    run.taskFails(run.state.checkpointTask?.task ?? '');
    expect(run.ended()?.message).toMatch(/^the last checkpoint failed 12 times: disk full/);
  });

  it('waits for one under way, of an earlier update, and is taken then', () => {
    const run = new Driver({ plan: { steps: 4, checkpointEveryMs: 1_000 } });
    run.train('a', 'b');
    run.pass(1_000);
    expect(run.of('takeCheckpoint')).toMatchObject([{ update: 4 }]);
    for (const id of ['a', 'b']) run.report(id, [0, 1, 2, 3], { fingerprints: [4] });
    run.report('a', [4, 5, 6, 7]);
    settled(run);
    expect(run.of('takeCheckpoint')).toEqual([]);
    run.stored();
    run.pointerMoved(4);
    expect(run.of('takeCheckpoint')).toMatchObject([{ update: 8 }]);
  });
});
