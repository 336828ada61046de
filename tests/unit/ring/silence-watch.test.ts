import { beforeEach, describe, expect, test } from 'vitest';
import { SilenceWatch } from '../../../worker/ring/silence-watch.js';
import { ManualClock } from './manual-clock.js';

type Name = 'left' | 'right';

describe('silence watch', () => {
  let clock: ManualClock;
  let waiting: Record<Name, boolean>;
  let silent: Name[];
  let watch: SilenceWatch<Name>;

  beforeEach(() => {
    clock = new ManualClock();
    waiting = { left: false, right: true };
    silent = [];
    watch = new SilenceWatch<Name>(
      clock,
      [
        { name: 'left', waiting: () => waiting.left },
        { name: 'right', waiting: () => waiting.right },
      ],
      (lane) => silent.push(lane),
    );
  });

  test('tells of silence once, an eighth late at most', () => {
    watch.start(800);
    clock.advance(799);
    expect(silent).toEqual([]);
    clock.advance(101);
    expect(silent).toEqual(['right']);
    clock.advance(10_000);
    expect(silent).toEqual(['right']);
    expect(clock.timerCount).toBe(0);
  });

  test('a lane that is heard is not silent', () => {
    watch.start(800);
    for (let i = 0; i < 50; i++) {
      clock.advance(700);
      watch.heard('right');
    }
    expect(silent).toEqual([]);
  });

  test('silence counts only while something is due', () => {
    waiting.right = false;
    watch.start(800);
    clock.advance(5_000);
    waiting.right = true;
    clock.advance(700);
    expect(silent).toEqual([]);
    clock.advance(300);
    expect(silent).toEqual(['right']);
  });

  test('a lane that was idle only between the last tick and the verdict begins anew', () => {
    watch.start(800);
    clock.advance(700);
    clock.block(100);
    waiting.right = false;
    clock.turn();
    waiting.right = true;
    clock.advance(700);
    expect(silent).toEqual([]);
    clock.advance(300);
    expect(silent).toEqual(['right']);
  });

  test('of two silent lanes the first is told', () => {
    waiting.left = true;
    watch.start(800);
    clock.advance(900);
    expect(silent).toEqual(['left']);
  });

  test('time in which the event loop stood still does not count', () => {
    watch.start(800);
    for (let i = 0; i < 7; i++) {
      clock.block(60_000);
      clock.turn();
    }
    expect(silent).toEqual([]);
  });

  test('what arrived while the loop stood still is read before the verdict', () => {
    watch.start(800);
    clock.advance(700);
    clock.block(60_000); // the last tick is due, and late
    watch.heard('right'); // the turn finds the data that waited in the kernel
    clock.turn();
    expect(silent).toEqual([]);
    clock.advance(799);
    expect(silent).toEqual([]);
    clock.advance(200);
    expect(silent).toEqual(['right']);
  });

  test('a stopped watch is silent, also when stopped between the last tick and the verdict', () => {
    watch.start(800);
    watch.stop();
    clock.advance(5_000);
    watch.start(800);
    clock.advance(700);
    clock.block(100);
    watch.stop();
    clock.turn();
    clock.advance(5_000);
    expect(silent).toEqual([]);
    expect(clock.timerCount).toBe(0);
  });

  test('a start begins anew', () => {
    watch.start(800);
    clock.advance(700);
    watch.start(400);
    clock.advance(300);
    expect(silent).toEqual([]);
    clock.advance(200);
    expect(silent).toEqual(['right']);
  });
});
