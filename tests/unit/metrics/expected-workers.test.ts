import { describe, expect, it } from 'vitest';
import { ExpectedWorkers, type KnownWorker } from '../../../coordinator/metrics/expected-workers.js';

const there = (name: string, { ready = true, leaving = false } = {}): KnownWorker => ({
  name,
  ready,
  leaving,
});

describe('a worker is expected', () => {
  it('once it was ready', () => {
    const expected = new ExpectedWorkers();
    expected.observe([there('a', { ready: false })], 0);
    expect(expected.count).toBe(0);
    expected.observe([there('a')], 1);
    expect(expected.count).toBe(1);
  });

  it('for ten minutes after it was lost', () => {
    const expected = new ExpectedWorkers();
    expected.observe([there('a'), there('b')], 0);
    expected.observe([there('a')], 1_000);
    expected.observe([there('a')], 600_999);
    expect(expected.count).toBe(2);
    expected.observe([there('a')], 601_000);
    expect(expected.count).toBe(1);
  });

  it('no more once it asked to leave', () => {
    const expected = new ExpectedWorkers();
    expected.observe([there('a'), there('b')], 0);
    expected.observe([there('a'), there('b', { leaving: true })], 1);
    expect(expected.count).toBe(1);
    expected.observe([there('a')], 2);
    expect(expected.count).toBe(1);
  });

  it('once, when its next process comes up beside the lost one, and anew when it is back', () => {
    const expected = new ExpectedWorkers();
    expected.observe([there('a')], 0);
    expected.observe([], 1_000);
    expected.observe([there('a', { ready: false })], 500_000);
    expected.observe([there('a')], 500_001);
    expected.observe([], 500_002);
    expected.observe([], 700_000);
    expect(expected.count).toBe(1);
  });
});
