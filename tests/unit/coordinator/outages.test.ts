import { describe, expect, it } from 'vitest';
import { Driver } from './driver.js';

const connection = (run: Driver, up: boolean) => run.send({ kind: 'connection', up });

/** NATS is away for so long: nothing is heard, only the clock ticks. */
function away(run: Driver, ms: number): void {
  connection(run, false);
  for (let passed = 0; passed < ms; passed += 250) {
    run.nowMs += 250;
    if (run.phase !== 'ended') run.tick();
  }
}

describe('while NATS is away', () => {
  it('nobody is taken for lost, and afterwards deadlines start afresh', () => {
    const run = new Driver();
    run.train('a', 'b');
    away(run, 60_000);
    expect(run.phase).toBe('training');
    connection(run, true);
    expect(run.said()).toBe('NATS answers again after 60.0 s: the run goes on');
    run.tick();
    expect(run.phase).toBe('training');
    run.pass(3_750, { silent: ['b'] });
    expect(run.phase).toBe('surveying');
  });

  it('no survey is overdue', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.fails('a', null);
    away(run, 10_000);
    connection(run, true);
    run.tick();
    expect(run.of('writeRing')).toEqual([]);
    run.allStand(0, 'a', 'b');
    expect(run.ring.world).toHaveLength(2);
  });

  it('no checkpoint runs out of time', () => {
    const run = new Driver({ plan: { checkpointEveryMs: 1_000 } });
    run.train('a', 'b');
    run.pass(1_000);
    away(run, 120_000);
    connection(run, true);
    run.tick();
    expect(run.state.checkpointTask).not.toBeNull();
  });

  it('is said once', () => {
    const run = new Driver();
    connection(run, false);
    expect(run.said()).toBe('NATS does not answer: the run pauses until it does');
    expect(connection(run, false)).toEqual([]);
  });

  it('waits for ten minutes', () => {
    const run = new Driver();
    run.train('a', 'b');
    away(run, 599_750);
    expect(run.phase).toBe('training');
    run.nowMs += 250;
    run.tick();
    expect(run.ended()?.message).toMatch(/^NATS has not answered for 600 s; no checkpoint/);
  });
});

describe('a coordinator that stood still', () => {
  it('takes nobody for lost: what they said waits to be read', () => {
    const run = new Driver();
    run.train('a', 'b');
    run.nowMs += 60_000;
    run.tick();
    expect(run.phase).toBe('training');
    run.pass(3_500, { silent: ['b'] });
    expect(run.phase).toBe('training');
    run.pass(250, { silent: ['b'] });
    expect(run.phase).toBe('surveying');
  });

  it('for 1.5 s is no pause', () => {
    const run = new Driver();
    run.train('a', 'b');
    for (let i = 0; i < 3; i++) {
      run.nowMs += 1_500;
      run.heartbeat('a');
      run.tick();
    }
    expect(run.phase).toBe('surveying');
  });

  it('waits for workers from then on', () => {
    const run = new Driver();
    run.nowMs += 120_000;
    run.tick();
    expect(run.phase).toBe('gathering');
    run.pass(60_000);
    expect(run.phase).toBe('gathering');
    run.pass(250);
    expect(run.phase).toBe('ended');
  });
});
