import { describe, expect, it } from 'vitest';
import {
  crispWidth,
  frameMs,
  goLive,
  moveTo,
  nearestStep,
  nextFrame,
  NO_SAMPLES,
  pause,
  play,
  shownIndex,
  shownStep,
  spread,
  withoutStep,
  withSteps,
  type SampleSlider,
} from '../../../dashboards/live-page/state/index.js';

const four = withSteps(NO_SAMPLES, [1, 10, 20, 30]);

describe('the slider', () => {
  it('shows nothing before there is a grid', () => {
    expect(shownStep(NO_SAMPLES)).toBeNull();
    expect(shownIndex(NO_SAMPLES)).toBe(0);
    expect(play(NO_SAMPLES)).toBe(NO_SAMPLES);
    expect(shownStep(moveTo(NO_SAMPLES, 3))).toBeNull();
  });

  it('sticks to the newest until another is chosen', () => {
    expect(shownStep(withSteps(four, [1, 10, 20, 30, 40]))).toBe(40);
    const chosen = moveTo(four, 1);
    expect(shownStep(withSteps(chosen, [1, 10, 20, 30, 40]))).toBe(10);
  });

  it('sticks to the newest again when it is moved there', () => {
    const last = moveTo(moveTo(four, 0), 3);
    expect(last.chosen).toBeNull();
    expect(shownStep(withSteps(last, [...four.steps, 40]))).toBe(40);
    expect(shownStep(goLive(moveTo(four, 0)))).toBe(30);
  });

  it('moves within its ends', () => {
    expect(shownStep(moveTo(four, -5))).toBe(1);
    expect(shownStep(moveTo(four, 99))).toBe(30);
  });

  it('goes to the nearest grid when the chosen one is gone', () => {
    expect(shownStep(withSteps(moveTo(four, 1), [1, 12, 30]))).toBe(12);
    // The run went back to a checkpoint: what is newest now is stuck to.
    expect(withSteps(moveTo(four, 2), [1, 10])).toEqual({ steps: [1, 10], chosen: null, playing: false });
    expect(withSteps(moveTo(four, 2), []).chosen).toBeNull();
    expect(shownStep(withoutStep(moveTo(four, 1), 10))).toBe(1);
  });

  it('plays from where it stands to the newest, and stays there', () => {
    const frames: (number | null)[] = [];
    let film: SampleSlider = play(moveTo(four, 1));
    while (film.playing) {
      frames.push(shownStep(film));
      film = nextFrame(film);
    }
    expect(frames).toEqual([10, 20]);
    expect(film).toEqual({ steps: four.steps, chosen: null, playing: false });
  });

  it('plays from the first grid when it stands at the newest', () => {
    expect(shownStep(play(four))).toBe(1);
  });

  it('stops playing when it is paused or moved', () => {
    expect(pause(play(four)).playing).toBe(false);
    expect(moveTo(play(four), 2).playing).toBe(false);
    const paused = pause(play(four));
    expect(nextFrame(paused)).toBe(paused);
  });

  it('goes on playing while new grids come', () => {
    const film = withSteps(play(four), [1, 10, 20, 30, 40]);
    expect(film.playing).toBe(true);
    expect(shownStep(nextFrame(film))).toBe(10);
  });
});

describe('a film', () => {
  it('takes about eight seconds, within what the eye follows', () => {
    expect(frameMs(2)).toBe(600);
    expect(frameMs(40)).toBe(200);
    expect(frameMs(100_000)).toBe(80);
  });
});

describe('a choice of steps', () => {
  it('has the first and the last, and no more than it may', () => {
    const steps = Array.from({ length: 201 }, (_, i) => i);
    expect(spread(steps, 5)).toEqual([0, 50, 100, 150, 200]);
    expect(spread([3, 4], 5)).toEqual([3, 4]);
  });

  it('finds the nearest, the later one of two', () => {
    expect(nearestStep([1, 10, 20], 15)).toBe(20);
    expect(nearestStep([1, 10, 20], 14)).toBe(10);
    expect(nearestStep([], 3)).toBeNull();
  });
});

describe('the width of a grid', () => {
  it.each([
    // natural, available, device pixel ratio, width
    [584, 600, 1, 584],
    [584, 440, 1, 438],
    [584, 400, 1, 292],
    [584, 326, 3, 292],
    [584, 326, 2, 292],
    [164, 600, 1, 492],
    [584, 1_200, 1, 1_168],
  ])('%i pixels in %i at ratio %f is %i', (natural, available, ratio, width) => {
    expect(crispWidth(natural, available, ratio)).toBeCloseTo(width, 6);
  });

  it('is what there is where no crisp one fits', () => {
    expect(crispWidth(584, 100, 1)).toBe(100);
    expect(crispWidth(0, 100, 1)).toBe(0);
  });
});
