import { describe, expect, it } from 'vitest';
import { newestAnswer } from '../../../coordinator/newest-export.js';
import type { NetworkName } from '../../../proto/index.js';
import { Driver } from './driver.js';

const GENERATOR: readonly NetworkName[] = ['generator'];
const BOTH: readonly NetworkName[] = ['generator', 'discriminator'];
const FILE = { name: 'newest/generator.onnx', bytes: 1, sha256: 'd'.repeat(64) };
const STATE = 'e'.repeat(64);

/** Two workers at work; four updates are assigned ahead. */
function training(): Driver {
  const run = new Driver({ plan: { steps: 1_000 } });
  run.train('a', 'b');
  run.reach(10);
  return run;
}

const ask = (run: Driver, networks = GENERATOR) => run.send({ kind: 'newestAsked', networks });
const answer = (run: Driver, networks = GENERATOR) => newestAnswer(run.state, networks, run.nowMs);
const taskOf = (run: Driver) => {
  const { task } = run.state.newest;
  if (task === null) throw new Error('an export was expected to be under way');
  return task;
};

const exported = (run: Driver, { task, update } = taskOf(run)) =>
  run.send({
    kind: 'exported',
    message: { workerId: 'b', task, update, stateSha256: STATE, files: [FILE] },
  });

/** All replicas tell of the same state where the export is made. */
function agree(run: Driver): void {
  const { update } = taskOf(run);
  run.reach(update);
  for (const id of run.world) run.report(id, [], { nextUpdate: update, fingerprints: [update] });
}

const kept = (run: Driver, { task } = taskOf(run)) => run.send({ kind: 'newestKept', task });

/** From the question to the files. */
function serve(run: Driver): void {
  ask(run);
  agree(run);
  exported(run);
  kept(run);
}

describe('an export in mid-run', () => {
  it('is made by the last of the ring, where nobody can have passed yet, and all tell of their state there', () => {
    const run = training();
    expect(run.state.newest.task).toBeNull();
    ask(run);
    const update = 2 * run.state.assigned;
    expect(update).toBeGreaterThan(run.state.committed);
    expect(run.commands).toEqual([
      { kind: 'exportNewest', workerId: 'b', task: 'newest-3-1', update, networks: ['generator'] },
      { kind: 'settle', workerId: 'a', update },
      { kind: 'settle', workerId: 'b', update },
    ]);
    expect(answer(run)).toEqual({ kind: 'coming' });
  });

  it('is one for all who ask meanwhile', () => {
    const run = training();
    ask(run);
    for (let i = 0; i < 5; i++) expect(ask(run)).toEqual([]);
  });

  it('counts once it is stored and all agree on its state, whichever comes first', () => {
    const take = { kind: 'keepNewest', stateSha256: STATE, files: [FILE] };
    const first = training();
    ask(first);
    agree(first);
    expect(first.of('keepNewest')).toEqual([]);
    exported(first);
    expect(first.of('keepNewest')).toMatchObject([take]);
    const second = training();
    ask(second);
    exported(second);
    expect(second.of('keepNewest')).toEqual([]);
    agree(second);
    expect(second.of('keepNewest')).toMatchObject([take]);
    expect(second.of('keepNewest')[0]?.step).toBe(taskOf(second).update / 2);
  });

  it('is given to all for 10 s, then made anew for the next who asks', () => {
    const run = training();
    serve(run);
    expect(answer(run)).toEqual({ kind: 'kept' });
    run.nowMs += 9_999;
    expect(ask(run)).toEqual([]);
    run.nowMs += 1;
    expect(answer(run)).toEqual({ kind: 'coming' });
    ask(run);
    expect(run.of('exportNewest')).toHaveLength(1);
  });

  it('is made more and more rarely for those who ask in a loop, and as at first after two quiet minutes', () => {
    const run = training();
    serve(run);
    const freshMs: number[] = [];
    for (let i = 0; i < 5; i++) {
      freshMs.push(run.state.newest.kept?.freshMs ?? 0);
      run.nowMs += freshMs.at(-1) ?? 0;
      serve(run);
    }
    expect(freshMs).toEqual([10_000, 20_000, 40_000, 60_000, 60_000]);
    run.nowMs += 120_000;
    serve(run);
    expect(run.state.newest.kept?.freshMs).toBe(10_000);
  });

  it('is not made while nobody asks', () => {
    const run = training();
    serve(run);
    run.pass(5_000);
    expect(run.of('exportNewest')).toEqual([]);
    expect(run.of('settle')).toEqual([]);
  });

  it('with the discriminator serves both who ask; without, it is made anew once it may be', () => {
    const run = training();
    serve(run);
    expect(answer(run, BOTH)).toEqual({ kind: 'coming' });
    expect(ask(run, BOTH)).toEqual([]);
    run.nowMs += 9_900;
    expect(run.pass(250).filter(({ kind }) => kind === 'exportNewest')).toMatchObject([{ networks: BOTH }]);
    expect(ask(run)).toEqual([]);
    agree(run);
    exported(run);
    kept(run);
    expect([answer(run), answer(run, BOTH)]).toEqual([{ kind: 'kept' }, { kind: 'kept' }]);
    expect(run.state.newest.asked).toEqual([]);
  });

  it('that was begun without the discriminator is followed by one with it', () => {
    const run = training();
    ask(run);
    ask(run, BOTH);
    expect(run.of('exportNewest')).toEqual([]);
    agree(run);
    exported(run);
    kept(run);
    expect(run.state.newest.asked).toEqual(BOTH);
    run.nowMs += 9_900;
    expect(run.pass(250).filter(({ kind }) => kind === 'exportNewest')).toMatchObject([{ networks: BOTH }]);
  });
});

describe('what becomes of it when something breaks', () => {
  it('its order, or the word of a state, is lost: it is sent again after 2 s', () => {
    const run = training();
    ask(run);
    const { task } = taskOf(run);
    const again = run.pass(2_000).filter(({ kind }) => kind === 'exportNewest' || kind === 'settle');
    expect(again).toMatchObject([
      { kind: 'exportNewest', task },
      { kind: 'settle', workerId: 'a' },
      { kind: 'settle', workerId: 'b' },
    ]);
  });

  it('its worker dies: it is asked of the next world, and nobody has to ask again', () => {
    const run = training();
    ask(run);
    const before = taskOf(run);
    run.exited('b');
    expect(run.state.newest).toMatchObject({ task: null, asked: ['generator'] });
    expect(answer(run)).toEqual({ kind: 'coming' });
    run.stand('a', run.state.committed);
    run.begin();
    run.pass(250);
    expect(run.of('exportNewest')).toMatchObject([{ workerId: 'a' }]);
    // What the old one tells comes to nothing.
    exported(run, before);
    expect(taskOf(run).stored).toBeNull();
  });

  it('its files are being taken over when the world changes: they are kept', () => {
    const run = training();
    ask(run);
    agree(run);
    exported(run);
    const { task } = taskOf(run);
    run.exited('b');
    expect(run.state.newest.task).toMatchObject({ task, keeping: true });
    run.send({ kind: 'newestKept', task });
    expect(answer(run)).toEqual({ kind: 'kept' });
  });

  it('a replica has another state: nothing is given out, and all go back as ever', () => {
    const run = training();
    ask(run);
    exported(run);
    const { update } = taskOf(run);
    run.reach(update);
    run.report('a', [], { nextUpdate: update, fingerprints: [update] });
    run.report('b', [], { nextUpdate: update, fingerprints: [update], wrong: true });
    expect(run.phase).toBe('surveying');
    expect(run.of('keepNewest')).toEqual([]);
    expect(run.state.newest).toMatchObject({ task: null, kept: null, asked: ['generator'] });
  });

  it('what a replica told of its state was lost: it is asked for once more', () => {
    const run = training();
    ask(run);
    const { update } = taskOf(run);
    run.reach(update + 2);
    expect(run.state.newest).toMatchObject({ task: null, failures: 1 });
    run.nowMs += 1_000;
    run.tick();
    expect(run.of('exportNewest')).toHaveLength(1);
  });

  it('it fails three times: those who ask are told why for 10 s, then it is tried again', () => {
    const run = training();
    ask(run);
    for (const attempt of [1, 2, 3]) {
      run.taskFails(taskOf(run).task, 'no space left');
      expect(run.said()).toBe(
        attempt < 3 ? '' : 'the newest generator was asked for and could not be exported: no space left',
      );
      if (attempt < 3) run.pass(1_000);
    }
    expect(run.phase).toBe('training');
    expect(answer(run)).toEqual({ kind: 'failed', text: 'no space left' });
    expect(ask(run)).toEqual([]);
    run.nowMs += 10_000;
    ask(run);
    expect(run.of('exportNewest')).toHaveLength(1);
    serve(run);
    expect(answer(run)).toEqual({ kind: 'kept' });
  });

  it('the files cannot be taken over: the same', () => {
    const run = training();
    ask(run);
    agree(run);
    exported(run);
    run.send({ kind: 'newestFailed', task: taskOf(run).task, message: 'disk full' });
    expect(run.state.newest).toMatchObject({ task: null, failures: 1, asked: ['generator'] });
  });

  it('nothing comes of it in a minute and the time of what is assigned: it is given up, and the run goes on', () => {
    const run = training();
    ask(run);
    agree(run);
    const { task } = taskOf(run);
    run.state = { ...run.state, pace: { ...run.state.pace, sinceMs: Infinity } }; // no standstill
    run.pass(60_000 + 2 * (run.state.pace.stepMs ?? 0) + 250);
    expect(run.state.newest.failures).toBe(1);
    expect(run.state.newest.failed?.text).toMatch(/^b stored none within \d+ s$/);
    expect(run.state.newest.task?.task).not.toBe(task);
    expect(run.phase).toBe('training');
  });

  it('NATS is away: its time starts afresh', () => {
    const run = training();
    ask(run);
    const { sinceMs } = taskOf(run);
    run.send({ kind: 'connection', up: false });
    run.nowMs += 90_000;
    run.send({ kind: 'connection', up: true });
    expect(taskOf(run).sinceMs).toBe(sinceMs + 90_000);
  });
});

describe('the end of the run', () => {
  /** Few steps, all of them assigned. */
  const short = (): Driver => {
    const run = new Driver({ plan: { steps: 2 } });
    run.train('a', 'b');
    return run;
  };

  it('takes its place: what is under way is dropped, and the result is what there is', () => {
    const run = short();
    ask(run);
    expect(taskOf(run).update).toBe(4);
    run.report('a', [0, 1, 2, 3]);
    expect(run.phase).toBe('finishing');
    expect(run.state.newest.task).toBeNull();
    expect(answer(run)).toEqual({ kind: 'coming' });
    expect(ask(run)).toEqual([]);
    for (const id of run.world) run.report(id, [], { nextUpdate: 4, fingerprints: [4] });
    run.completeCheckpoint();
    expect(run.of('export')).toHaveLength(1);
  });

  it('leaves what is kept, and makes no other', () => {
    const run = training();
    serve(run);
    run.nowMs += 100_000;
    run.stop();
    run.send({ kind: 'effectFailed', message: 'the disk is gone' });
    expect(run.phase).toBe('ended');
    expect(answer(run)).toEqual({ kind: 'kept' });
    expect(answer(run, BOTH)).toEqual({ kind: 'none' });
    expect(ask(run)).toEqual([]);
  });
});

describe('before the first step', () => {
  it('there is none, and none is promised', () => {
    const run = new Driver();
    ask(run);
    expect(answer(run)).toEqual({ kind: 'none' });
    run.come('a');
    run.come('b');
    expect(answer(run)).toEqual({ kind: 'none' });
    expect(run.state.newest.asked).toEqual([]);
    run.allStand(null, 'a', 'b');
    run.begin();
    ask(run);
    expect(answer(run)).toEqual({ kind: 'coming' });
    expect(taskOf(run).update).toBeGreaterThan(0);
  });
});
