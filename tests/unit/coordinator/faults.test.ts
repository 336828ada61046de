import { describe, expect, it } from 'vitest';
import { Driver, checkpointOf } from './driver.js';

/** A run of these that has come to update 4. */
function training(...workers: string[]): Driver {
  const run = new Driver({ plan: { expectedWorkers: workers.length } });
  run.train(...workers);
  run.reach(4);
  return run;
}

describe('a process that ended', () => {
  it('is known by host and process id, and the others go on where they stand', () => {
    const run = training('a', 'b');
    run.exited('b');
    expect(run.kinds()).toEqual(['survey']);
    run.stand('a', 4);
    expect(run.ring).toMatchObject({ world: ['a'], nextUpdate: 4, cause: { kind: 'lost' } });
    expect(run.ring.reason).toBe('b left: killed by SIGKILL; 1 worker from step 2, where the workers stand');
  });

  it('is nobody of ours on another machine', () => {
    const run = training('a', 'b');
    run.send({
      kind: 'exited',
      message: { hostname: 'other', pid: Driver.pidOf('b'), reason: 'killed by SIGKILL' },
    });
    expect(run.phase).toBe('training');
    expect(run.state.workers.has('b')).toBe(true);
  });

  it('completes the survey that waits for it', () => {
    const run = training('a', 'b', 'c');
    run.exited('b');
    run.stand('a', 4);
    run.exited('c');
    expect(run.ring.world).toEqual(['a']);
  });

  it('is told how long it took to the next commit', () => {
    const run = training('a', 'b');
    run.exited('b');
    run.nowMs += 100;
    run.stand('a', 4);
    run.begin();
    run.nowMs += 400;
    run.reach(6);
    expect(run.said()).toBe('b left: killed by SIGKILL: 0.50 s to the next commit');
    run.reach(8);
    expect(run.said()).toBe('');
  });

  it('takes its rows with it, and the run goes back to the checkpoint', () => {
    const run = new Driver({ recorded: { checkpoint: checkpointOf(2) } });
    run.train('a', 'b');
    run.reach(8);
    run.exited('a');
    run.exited('b');
    run.come('c');
    run.pass(500);
    run.stand('c', null);
    run.written();
    expect(run.of('truncate')).toEqual([{ kind: 'truncate', update: 2 }]);
    run.report('c', [2, 3]);
    expect(run.of('append')).toMatchObject([{ rows: [{ update: 2 }, { update: 3 }] }]);
  });
});

describe('what was applied before everybody left', () => {
  it('is committed also when it is told during the survey', () => {
    const run = training('a', 'b');
    run.exited('b');
    run.report('a', [4, 5]);
    expect(run.of('append')).toMatchObject([{ rows: [{ update: 4 }, { update: 5 }] }]);
    expect(run.assigned()).toEqual([]);
  });
});

describe('a silent worker', () => {
  it('is given up after 3.5 s', () => {
    const run = training('a', 'b');
    run.pass(3_500, { silent: ['b'] });
    expect(run.phase).toBe('training');
    run.pass(250, { silent: ['b'] });
    run.stand('a', 4);
    expect(run.ring.world).toEqual(['a']);
    expect(run.ring.reason).toMatch(/^b was silent for 3.8 s;/);
  });

  it('comes back as a newcomer once it is heard again, its first failure forgiven', () => {
    const run = training('b', 'a');
    run.pass(3_750, { silent: ['b'] });
    run.stand('a', 4);
    run.begin();
    run.pass(2_000, { silent: ['b'] });
    expect(run.phase).toBe('training');
    run.pass(500);
    run.stand('a', 4);
    run.stand('b', 4);
    expect(run.ring).toMatchObject({ world: ['a', 'b'], cause: { kind: 'join' } });
  });

  it('is no member of a world that is being written: then the next change follows at once', () => {
    const run = training('a', 'b', 'c');
    run.exited('c');
    run.allStand(4, 'a', 'b');
    const { ring } = run;
    run.pass(3_750, { silent: ['b'] });
    run.commands = [ring];
    run.written();
    expect(run.kinds()).toEqual(['say', 'survey']);
  });
});

describe('a worker whose computing thread hangs', () => {
  const hang = (run: Driver, ms: number): void => {
    for (let passed = 0; passed < ms; passed += 250) {
      run.nowMs += 250;
      run.heartbeat('a');
      run.heartbeat('b', passed);
      run.tick();
    }
  };

  it('is given up although its heartbeats come', () => {
    const run = training('a', 'b');
    hang(run, 5_750);
    expect(run.phase).toBe('training');
    hang(run, 1_000);
    expect(run.phase).toBe('training'); // heard again meanwhile
    hang(run, 6_500);
    expect(run.phase).toBe('surveying');
    expect(run.state.workers.get('b')?.excluded).toMatchObject({ heard: false });
    expect(run.state.workers.get('a')?.excluded).toBeNull();
  });

  it('is not heard again by heartbeats alone', () => {
    const run = training('a', 'b');
    hang(run, 6_500);
    run.heartbeat('b', 7_000);
    expect(run.state.workers.get('b')?.excluded?.heard).toBe(false);
    run.heartbeat('b', 10);
    expect(run.state.workers.get('b')?.excluded?.heard).toBe(true);
  });

  it('has longer where a step takes longer', () => {
    const run = new Driver();
    for (const id of ['a', 'b']) {
      run.hello(id);
      run.ready(id, { firstShardMs: 100 }); // 4 shards, 20 steps: 8 s
    }
    run.allStand(null, 'a', 'b');
    run.begin();
    hang(run, 9_000);
    expect(run.phase).toBe('training');
  });

  it('may take its time to bring its engine up', () => {
    const run = new Driver();
    run.hello('b');
    for (let i = 0; i < 40; i++) {
      run.nowMs += 500;
      run.heartbeat('b', 60_000);
      run.tick();
    }
    expect(run.state.workers.get('b')?.excluded).toBeNull();
  });
});

describe('a worker that fails by itself', () => {
  it('is excluded, and let in again at once after its first failure', () => {
    const run = training('a', 'b');
    run.fails('b', null);
    expect(run.state.phase).toMatchObject({
      kind: 'surveying',
      cause: { kind: 'fault', text: 'b failed: it broke' },
    });
    run.allStand(4, 'a', 'b');
    expect(run.ring.world).toEqual(['a', 'b']);
  });

  it('is counted once a ring epoch, however often it says so', () => {
    const run = training('a', 'b');
    for (let i = 0; i < 5; i++) run.fails('b', null);
    expect(run.state.strikes.get('b')).toHaveLength(1);
  });

  it('is not believed about another ring epoch, and one that was told to leave has not failed', () => {
    const run = training('a', 'b');
    expect(run.fails('b', null, { ringEpoch: 6 })).toEqual([]);
    expect(run.fails('b', null, { code: 'aborted' })).toEqual([]);
    expect(run.phase).toBe('training');
  });

  it('explains the links that were lost to it', () => {
    const run = training('a', 'b');
    run.fails('a', 'b');
    run.fails('b', null);
    run.allStand(4, 'a', 'b');
    expect(run.ring.world).toHaveLength(2);
    expect(run.state.suspect).toBeNull();
  });
});

describe('a worker that fails again and again', () => {
  /** b fails, and the others go on without it. */
  function failAgain(run: Driver): void {
    run.fails('b', null);
    for (const id of ['a', 'b']) if (run.phase === 'surveying') run.stand(id, 4);
    run.begin();
  }

  it('is kept out for 1 s after its second failure, and told so', () => {
    const run = training('a', 'b');
    failAgain(run);
    expect(run.world).toEqual(['a', 'b']);
    run.fails('b', null);
    expect(run.said()).toBe('b failed 2 times lately and is kept out for 1.0 s');
    run.stand('a', 4);
    run.begin();
    expect(run.world).toEqual(['a']);
    run.pass(750);
    expect(run.phase).toBe('training');
    run.pass(500);
    expect(run.phase).toBe('surveying');
  });

  it('is known by its name when it was started again', () => {
    const run = training('a', 'b');
    failAgain(run);
    run.exited('b');
    run.stand('a', 4);
    run.begin();
    run.come('x', { name: 'b' });
    expect(run.said()).toBe('b failed 2 times lately and is kept out for 1.0 s');
    run.pass(750);
    expect(run.phase).toBe('training');
    run.pass(750);
    expect(run.phase).toBe('surveying');
  });

  it('is let in at once when nobody else is left', () => {
    const run = training('a', 'b');
    failAgain(run);
    failAgain(run);
    expect(run.world).toEqual(['a']);
    run.exited('a');
    run.pass(500);
    expect(run.state.workers.get('b')?.excluded).toBeNull(); // and not only after a second
    run.pass(500);
    run.stand('b', 4);
    expect(run.ring.world).toEqual(['b']);
  });

  it('is forgiven what is ten minutes ago', () => {
    const run = training('a', 'b');
    failAgain(run);
    run.nowMs += 600_000;
    run.send({ kind: 'connection', up: false });
    run.send({ kind: 'connection', up: true });
    run.fails('b', null);
    expect(run.said()).toBe('');
  });
});

describe('a survey that is overdue', () => {
  it('is decided after 0.4 s without those that did not answer', () => {
    const run = training('a', 'b', 'c');
    run.exited('c');
    run.stand('a', 4);
    run.pass(400);
    expect(run.kinds()).toEqual(['survey', 'survey']);
    run.nowMs += 1;
    run.tick();
    expect(run.ring.world).toEqual(['a']);
    expect(run.ring.reason).toMatch(/^c left: killed by SIGKILL; b did not answer; 1 worker from step 2/);
    expect(run.state.workers.get('b')?.excluded).toMatchObject({ heard: false });
  });

  it('waits for 3 s for those who hold committed work', () => {
    const run = training('a', 'b', 'c');
    run.exited('c');
    run.stand('a', null); // it has lost its state
    run.pass(3_000);
    expect(run.phase).toBe('surveying');
    run.pass(250);
    expect(run.ring).toMatchObject({ world: ['a'], nextUpdate: 0 });
  });

  it('waits no longer for one update, which the survivors compute again', () => {
    const run = training('a', 'b', 'c');
    run.exited('c');
    run.stand('a', 3);
    run.pass(401);
    expect(run.ring.nextUpdate).toBe(3);
    run.written();
    expect(run.state.committed).toBe(4);
  });

  it('and that nobody answered leaves the run waiting for a worker', () => {
    const run = training('a', 'b');
    run.exited('b');
    run.pass(3_000);
    expect(run.phase).toBe('surveying');
    run.pass(250);
    expect(run.phase).toBe('gathering');
    expect(run.said()).toMatch(/a did not answer: nobody is left to train/);
  });
});

describe('a ring epoch that cannot be written', () => {
  it('is tried again after 0.1 s, then later and later', () => {
    const run = new Driver({ plan: { expectedWorkers: 1 } });
    run.come('a');
    run.stand('a', null);
    for (const waitMs of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]) {
      run.notWritten();
      expect(run.said()).toContain(`no answer; tried again in ${waitMs / 1000} s`);
      run.heartbeat('a');
      run.nowMs += waitMs - 1;
      run.heartbeat('a');
      run.send({ kind: 'connection', up: false }); // a long wait is no silence
      run.send({ kind: 'connection', up: true });
      run.tick();
      expect(run.phase).toBe('gathering');
      run.nowMs += 1;
      run.tick();
      expect(run.phase).toBe('surveying');
      run.stand('a', null);
    }
    run.begin();
    expect(run.phase).toBe('training');
    expect(run.state.unwritten).toBe(0);
  });

  it('is given up after 20 times', () => {
    const run = new Driver({ plan: { expectedWorkers: 1 } });
    run.come('a');
    run.stand('a', null);
    for (let i = 1; i < 20; i++) {
      run.notWritten();
      run.nowMs += 5_000;
      run.heartbeat('a');
      run.tick();
      run.stand('a', null);
    }
    run.notWritten();
    expect(run.ended()?.message).toMatch(/could not be written: no answer \(20 times in a row\)/);
  });
});

describe('what changes while a ring epoch is being written', () => {
  it('opens the next survey as soon as it is written, and nobody is started', () => {
    const run = training('a', 'b', 'c');
    run.exited('c');
    run.allStand(4, 'a', 'b');
    const { ring } = run;
    expect(run.exited('b')).toEqual([]);
    run.commands = [ring];
    run.written();
    expect(run.of('start')).toEqual([]);
    expect(run.of('survey')).toEqual([{ kind: 'survey', survey: 3, ringEpoch: 8 }]);
    run.stand('a', 4);
    expect(run.ring).toMatchObject({ world: ['a'], cause: { text: 'b left: killed by SIGKILL' } });
  });

  it('is nothing when a spare is lost', () => {
    const run = new Driver({ plan: { expectedWorkers: 5 } });
    for (const id of ['a', 'b', 'c', 'd', 'e']) run.come(id);
    run.allStand(null, 'a', 'b', 'c', 'd', 'e');
    const { ring } = run;
    run.exited('e');
    run.commands = [ring];
    run.written();
    expect(run.of('start')).toHaveLength(4);
  });
});

describe('ring epochs without an update', () => {
  /** The ring epoch breaks before an update, and the next one begins. */
  function breakDown(run: Driver): void {
    run.fails('a', null);
    run.stand('a', 0);
    for (let i = 0; run.phase !== 'writing' && i < 10; i++) {
      run.pass(250);
      run.stand('a', 0);
    }
    run.begin();
  }

  it('end the run after twelve in a row: the same update fails everywhere', () => {
    const run = new Driver({ plan: { expectedWorkers: 1 } });
    run.train('a');
    for (let i = 1; i < 12; i++) {
      breakDown(run);
      expect(run.phase).toBe('training');
    }
    breakDown(run);
    expect(run.state.phase).toMatchObject({ kind: 'ended', outcome: 'failed' });
    expect(run.ended()?.message).toMatch(
      /^update 0 \(step 0\) failed in 12 ring epochs in a row, at last: a failed: it broke/,
    );
  });

  it('are counted afresh with the first update', () => {
    const run = new Driver({ plan: { expectedWorkers: 1 } });
    run.train('a');
    breakDown(run);
    expect(run.state.fruitless).toBe(2);
    run.report('a', [0]);
    expect(run.state.fruitless).toBe(0);
  });
});
