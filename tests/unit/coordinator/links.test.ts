import { describe, expect, it } from 'vitest';
import { Driver } from './driver.js';

/** A run of these that has come to update 4. */
function training(...workers: string[]): Driver {
  const run = new Driver({ plan: { expectedWorkers: workers.length } });
  run.train(...workers);
  run.reach(4);
  return run;
}

/** The link between two breaks and both say so; all others and they answer, and the next ring epoch begins. */
function breakLink(run: Driver, one: string, other: string): void {
  run.fails(one, other);
  run.fails(other, one);
  run.allStand(run.state.committed, ...run.state.workers.keys());
  run.begin();
}

describe('a link that is lost', () => {
  it('opens a survey, with both ends named in words', () => {
    const run = training('a', 'b');
    run.fails('a', 'b');
    expect(run.state.phase).toMatchObject({ kind: 'surveying', cause: { text: 'a lost its link to b' } });
    const silent = training('a', 'b');
    silent.fails('b', 'a', { code: 'ring-deadline' });
    expect(silent.state.phase).toMatchObject({ cause: { text: 'b heard nothing from a' } });
  });

  it('is the one that does not answer, without suspicion of the link', () => {
    const run = training('a', 'b');
    run.fails('a', 'b');
    run.stand('a', 4);
    run.pass(401);
    expect(run.ring.world).toEqual(['a']);
    expect(run.state.suspect).toBeNull();
  });

  it('shortens the wait for who lost it, and only for that one', () => {
    const run = training('a', 'b', 'c');
    run.fails('a', 'b');
    run.stand('a', 4);
    run.nowMs += 201;
    run.tick();
    expect(run.phase).toBe('surveying'); // c is expected to answer
    run.stand('c', 4);
    run.tick();
    expect(run.ring.world).toEqual(['a', 'c']);
  });

  it('is tried once more when both ends answer', () => {
    const run = training('a', 'b', 'c');
    breakLink(run, 'a', 'b');
    expect(run.world).toEqual(['a', 'b', 'c']);
    expect(run.state.suspect).toBe('a b');
  });

  it('and lost again before an update, makes the newer of three give way for a minute', () => {
    const run = training('a', 'b', 'c');
    breakLink(run, 'a', 'b');
    breakLink(run, 'b', 'a');
    expect(run.world).toEqual(['a', 'c']);
    expect(run.state.epoch?.spares).toEqual(['b']);
    run.reach(6);
    for (let i = 0; i < 12; i++) {
      run.pass(4_900);
      run.reach(run.state.committed + 1);
      expect(run.phase).toBe('training');
    }
    run.pass(1_500);
    expect(run.phase).toBe('surveying');
    run.allStand(run.state.committed, 'a', 'b', 'c');
    expect(run.ring.world).toEqual(['a', 'b', 'c']);
  });

  it('and lost again among four is gone round', () => {
    const run = training('a', 'b', 'c', 'd');
    breakLink(run, 'a', 'b');
    run.fails('a', 'b');
    run.fails('b', 'a');
    run.allStand(4, 'a', 'b', 'c', 'd');
    expect(run.said()).toBe('no connection holds between a and b: they are kept apart for 60 s');
    expect(run.ring).toMatchObject({ world: ['a', 'c', 'b', 'd'], spares: [] });
  });

  it('is forgiven with the first update', () => {
    const run = training('a', 'b', 'c');
    breakLink(run, 'a', 'b');
    run.reach(6);
    breakLink(run, 'a', 'b');
    expect(run.world).toEqual(['a', 'b', 'c']);
    expect(run.state.cuts).toEqual([]);
  });

  it('is not the one that spread: the link counts whose two ends name each other', () => {
    const run = training('a', 'b', 'c', 'd');
    run.fails('d', 'a');
    run.fails('a', 'b');
    run.fails('c', 'd');
    run.fails('b', 'a');
    run.allStand(4, 'a', 'b', 'c', 'd');
    expect(run.state.suspect).toBe('a b');
  });

  it('says nothing once everybody was asked to leave for another reason', () => {
    const run = training('a', 'b', 'c');
    run.exited('c');
    run.fails('b', 'c');
    run.fails('a', 'b');
    run.allStand(4, 'a', 'b');
    run.begin();
    expect(run.state.suspect).toBeNull();
  });
});

describe('the end of a process that is told after its links were lost', () => {
  it('is the reason, also in the line on how long it took', () => {
    const run = new Driver({ plan: { expectedWorkers: 3 } });
    run.train('a', 'b', 'c');
    run.reach(2);
    run.fails('c', 'b');
    run.exited('b');
    run.allStand(2, 'a', 'c');
    expect(run.ring).toMatchObject({ cause: { kind: 'lost', text: 'b left: killed by SIGKILL' } });
    expect(run.state.suspect).toBeNull();
    run.begin();
    run.reach(4);
    expect(run.said()).toMatch(/^b left: killed by SIGKILL: [\d.]+ s to the next commit$/);
  });
});
