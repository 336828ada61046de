import { describe, expect, it } from 'vitest';
import { LEARN_LEASES_MS } from '../../../coordinator/gpu-leases.js';
import type { UpMessage } from '../../../proto/index.js';
import { Driver } from './driver.js';

/** A made-up host with four cards. */
const CARDS = ['GPU-0', 'GPU-1', 'GPU-2', 'GPU-3'];

function helloOf(workerId: string, extra: Partial<UpMessage<'hello'>> = {}): Partial<UpMessage<'hello'>> {
  const cpu = { name: 'onnx-cpu', usable: true, reason: 'there', devices: [] };
  const cuda = { name: 'onnx-cuda', usable: true, reason: 'four', devices: CARDS };
  return { workerId, engines: [cpu, cuda], engine: 'onnx-cuda', ...extra };
}

/** A run whose workers compute on CUDA. */
class Gpus extends Driver {
  constructor() {
    super({ plan: { expectedWorkers: 4 }, spec: { engine: 'onnx-cuda' } });
  }

  asks(workerId: string, device: UpMessage<'hello'>['device'] = null): readonly unknown[] {
    return this.hello(workerId, helloOf(workerId, { device }));
  }

  /** The engine is up, on the card of the welcome. */
  isUp(workerId: string): void {
    const device = this.state.workers.get(workerId)?.device ?? null;
    this.ready(workerId, { device, engine: 'onnx-cuda' });
  }

  /** Worker by card. */
  get leases(): Record<string, string> {
    const on = [...this.state.workers.values()].map(({ workerId, device }) => [device?.uuid ?? '', workerId]);
    return Object.fromEntries(on) as Record<string, string>;
  }

  /** A run whose four cards are leased to a, b, c, d, and which trains. */
  static training(): Gpus {
    const run = Gpus.settled();
    for (const id of ['a', 'b', 'c', 'd']) run.asks(id);
    for (const id of ['a', 'b', 'c', 'd']) run.isUp(id);
    run.allStand(null, 'a', 'b', 'c', 'd');
    run.begin();
    return run;
  }

  /** One that has led for long enough to lease cards. */
  static settled(): Gpus {
    const run = new Gpus();
    run.pass(LEARN_LEASES_MS);
    return run;
  }
}

const ALL = { 'GPU-0': 'a', 'GPU-1': 'b', 'GPU-2': 'c', 'GPU-3': 'd' };

describe('a host with four cards', () => {
  it('leases one card to each worker, and tells it which by the welcome', () => {
    const run = Gpus.settled();
    for (const [i, id] of ['a', 'b', 'c', 'd'].entries()) {
      run.asks(id);
      expect(run.of('welcome')).toMatchObject([{ workerId: id, device: CARDS[i] }]);
      expect(run.said()).toBe(`${id} computes on GPU ${CARDS[i]}`);
    }
    expect(run.leases).toEqual(ALL);
  });

  it('gives a repeated hello the same card again, without a word', () => {
    const run = Gpus.settled();
    run.asks('a');
    run.asks('a');
    expect(run.of('welcome')).toMatchObject([{ device: 'GPU-0' }]);
    expect(run.said()).toBe('');
    run.asks('a', { uuid: 'GPU-0', pinned: false });
    expect(run.of('welcome')).toMatchObject([{ device: 'GPU-0' }]);
    expect(run.leases).toEqual({ 'GPU-0': 'a' });
  });

  it('has six workers: two wait, each told once by the coordinator and whenever it asks', () => {
    const run = Gpus.settled();
    for (const id of ['a', 'b', 'c', 'd']) run.asks(id);
    for (const id of ['e', 'f']) {
      run.asks(id);
      expect(run.kinds()).toEqual(['wait', 'say']);
      expect(run.said()).toBe(
        `${id} waits: no GPU is free: all 4 GPUs of this host that the engine can use are leased to a, b, c, d; ` +
          'a worker has a card of its own, so this one waits',
      );
    }
    run.asks('e');
    expect(run.kinds()).toEqual(['wait']);
    expect(run.state.workers.size).toBe(4);
    // A heartbeat of one that has no welcome yet is no reason for everybody to say hello.
    run.send({
      kind: 'heartbeat',
      message: {
        ...{ workerId: 'e', runId: null, ringEpoch: 0, nextUpdate: 0, phase: 'idle', replicaSilentMs: 0 },
      },
    });
    expect(run.kinds()).toEqual([]);
  });

  it('trains with the four, and gives a card that becomes free to one that waits', () => {
    const run = Gpus.training();
    expect(run.world).toHaveLength(4);
    run.asks('e');
    run.exited('b');
    run.asks('e');
    expect(run.of('welcome')).toMatchObject([{ workerId: 'e', device: 'GPU-1' }]);
    expect(run.leases).toEqual({ ...ALL, 'GPU-1': 'e' });
    expect(run.state.waiting.size).toBe(0);
  });

  it.each(['exited', 'goodbye'] as const)('leases a card again when its worker is gone: %s', (end) => {
    const run = Gpus.training();
    run[end]('c');
    run.asks('c2');
    expect(run.of('welcome')).toMatchObject([{ workerId: 'c2', device: 'GPU-2' }]);
  });

  it('keeps the card for a worker that leaves until it is gone', () => {
    const run = Gpus.training();
    run.leaves('a');
    run.asks('e');
    expect(run.kinds()).toContain('wait');
    run.goodbye('a');
    run.asks('e');
    expect(run.of('welcome')).toMatchObject([{ device: 'GPU-0' }]);
  });

  it('keeps the card for a worker that failed and is well enough to come back', () => {
    const run = Gpus.training();
    for (let i = 0; i < 3; i++) run.fails('d', null, { ringEpoch: run.ringEpoch });
    run.asks('e');
    expect(run.of('wait')).toHaveLength(1);
    expect(run.leases).toEqual(ALL);
  });

  it('forgets who waited and is gone', () => {
    const run = Gpus.training();
    run.asks('e');
    expect([...run.state.waiting.keys()]).toEqual(['e']);
    run.pass(4_000);
    expect(run.state.waiting.size).toBe(0);
  });

  it('has engines without a card beside it: nothing is leased to them', () => {
    const run = new Driver();
    run.hello('a');
    expect(run.of('welcome')).toMatchObject([{ device: null }]);
    expect(run.of('say')).toEqual([]);
  });
});

describe('a silent worker', () => {
  /** d is stopped, and excluded for it. */
  function withSilentWorker(): Gpus {
    const run = Gpus.training();
    run.pass(4_000, { silent: ['d'] });
    expect(run.state.workers.get('d')?.excluded).toMatchObject({ heard: false });
    return run;
  }

  it('keeps its card while another is free', () => {
    const run = withSilentWorker();
    run.exited('a');
    run.asks('e');
    expect(run.of('welcome')).toMatchObject([{ device: 'GPU-0' }]);
    expect(run.leases['GPU-3']).toBe('d');
  });

  it('keeps it when it is heard again before anybody needs it', () => {
    const run = withSilentWorker();
    run.heartbeat('d');
    run.asks('e');
    expect(run.of('wait')).toHaveLength(1);
    run.pass(2_000);
    expect(run.state.workers.get('d')).toMatchObject({ excluded: null, device: { uuid: 'GPU-3' } });
  });

  it('loses it to one that waits, and is turned away when it wakes up: the card is never shared', () => {
    const run = withSilentWorker();
    run.asks('e');
    expect(run.of('welcome')).toMatchObject([{ workerId: 'e', device: 'GPU-3' }]);
    expect(run.said()).toMatch(/^e gets GPU GPU-3: d, which had it, is silent for [34]\.\d s$/);
    expect(run.leases).toEqual({ ...ALL, 'GPU-3': 'e' });
    run.isUp('e');
    // Nobody knows it any more: it is asked for a hello, which tells its card.
    run.heartbeat('d');
    expect(run.kinds()).toEqual(['announce']);
    run.asks('d', { uuid: 'GPU-3', pinned: false });
    expect(run.of('refuse')).toMatchObject([{ workerId: 'd', code: 'device' }]);
    expect(run.said()).toMatch(/^d was refused: its GPU GPU-3 was leased to e while it was not heard/);
    expect(run.of('welcome')).toEqual([]);
    expect(run.leases).toEqual({ ...ALL, 'GPU-3': 'e' });
    // Started again it is somebody else.
    run.asks('d2');
    expect(run.of('wait')).toHaveLength(1);
  });

  it('ends no run by that, not even on one machine', () => {
    const run = new Gpus();
    run.state = { ...run.state, plan: { ...run.state.plan, refusalEndsRun: true } };
    run.asks('a', { uuid: 'GPU-0', pinned: false });
    run.asks('b', { uuid: 'GPU-0', pinned: false });
    expect(run.kinds()).toEqual(['refuse', 'say']);
    expect(run.phase).toBe('gathering');
  });
});

describe('a coordinator that takes over', () => {
  const leased = (uuid: string) => ({ uuid, pinned: false });

  it('leases nothing until those who hold cards have told so', () => {
    const run = new Gpus();
    run.asks('newcomer');
    expect(run.kinds()).toEqual([]);
    run.asks('c', leased('GPU-2'));
    expect(run.of('welcome')).toMatchObject([{ workerId: 'c', device: 'GPU-2' }]);
    run.asks('a', leased('GPU-0'));
    run.pass(LEARN_LEASES_MS);
    run.asks('newcomer');
    expect(run.of('welcome')).toMatchObject([{ workerId: 'newcomer', device: 'GPU-1' }]);
    expect(run.leases).toEqual({ 'GPU-0': 'a', 'GPU-1': 'newcomer', 'GPU-2': 'c' });
  });

  it('learns from `ready` what a worker is on whose hello crossed the change', () => {
    const run = Gpus.settled();
    run.asks('a'); // the welcome with GPU-0 comes to one that has been welcomed already, with GPU-2
    run.ready('a', { device: leased('GPU-2'), engine: 'onnx-cuda' });
    expect(run.leases).toEqual({ 'GPU-2': 'a' });
    run.asks('b');
    expect(run.leases).toEqual({ 'GPU-0': 'b', 'GPU-2': 'a' });
  });

  it('turns away one whose card, it turns out, somebody else has', () => {
    const run = Gpus.settled();
    run.asks('a');
    run.asks('b');
    run.ready('b', { device: leased('GPU-0'), engine: 'onnx-cuda' });
    expect(run.of('refuse')).toMatchObject([{ workerId: 'b', code: 'device' }]);
    expect(run.leases).toEqual({ 'GPU-0': 'a' });
  });
});

describe('--device', () => {
  const named = (uuid: string) => ({ uuid, pinned: true });

  it('is obeyed at once, and the card is leased to nobody else', () => {
    const run = new Gpus();
    run.asks('a', named('GPU-0'));
    expect(run.of('welcome')).toMatchObject([{ device: 'GPU-0' }]);
    run.pass(LEARN_LEASES_MS);
    run.asks('b');
    expect(run.of('welcome')).toMatchObject([{ device: 'GPU-1' }]);
  });

  it('shares a card that is leased already, and says so', () => {
    const run = Gpus.training();
    run.asks('e', named('GPU-1'));
    expect(run.of('welcome')).toMatchObject([{ workerId: 'e', device: 'GPU-1' }]);
    expect(run.said()).toBe('e was told by --device to compute on GPU GPU-1: it shares it with b');
    // Whoever had it before keeps it, also for a coordinator that hears of the other one first.
    const later = new Gpus();
    later.asks('e', named('GPU-1'));
    later.asks('b', { uuid: 'GPU-1', pinned: false });
    expect(later.of('welcome')).toMatchObject([{ workerId: 'b', device: 'GPU-1' }]);
  });

  it('may name a part of a card', () => {
    const run = Gpus.settled();
    run.asks('a', named('MIG-4f'));
    expect(run.of('welcome')).toMatchObject([{ device: 'MIG-4f' }]);
  });
});
