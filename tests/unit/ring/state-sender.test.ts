import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { limits } from '../../../proto/index.js';
import { judgeStateHeader, STATE_HEADER_BYTES } from '../../../worker/ring/state-header.js';
import { STATE_CHUNK_BYTES, StateSender } from '../../../worker/ring/state-sender.js';
import { ManualClock } from './manual-clock.js';

const SILENCE_MS = 800;

/** What the sender needs of a WebSocket; takes messages when the test says so. */
class FakeSocket extends EventEmitter {
  readonly sent: Uint8Array[] = [];
  terminated = false;
  private readonly untaken: (() => void)[] = [];

  send(bytes: Uint8Array, _options: object, onTaken: (error?: Error) => void): void {
    this.sent.push(bytes);
    this.untaken.push(() => onTaken());
  }

  /** The connection takes the oldest message. */
  take(): boolean {
    const taken = this.untaken.shift();
    taken?.();
    return taken !== undefined;
  }

  takeAll(): void {
    while (this.take());
  }

  terminate(): void {
    this.terminated = true;
  }
}

describe('state sender', () => {
  const memory = new WebAssembly.Memory({ initial: 100 });
  const held = {
    state: new Uint8Array(memory.buffer, 24, 5_000_001),
    rows: new Uint8Array(STATE_CHUNK_BYTES),
  };
  let socket: FakeSocket;
  let clock: ManualClock;
  let told: string[];
  let sender: StateSender;

  beforeEach(() => {
    socket = new FakeSocket();
    clock = new ManualClock();
    told = [];
    sender = new StateSender(socket as unknown as WebSocket, held, {
      clock,
      silenceMs: SILENCE_MS,
      onSent: (bytes) => told.push(`sent ${bytes}`),
      onMisbehaviour: (reason) => told.push(reason),
      onOver: () => told.push('over'),
    });
    sender.start();
  });

  test('header, state and rows, in views of bounded size', () => {
    socket.takeAll();
    const [header, ...chunks] = socket.sent;
    const expected = { stateBytes: held.state.byteLength, maxRowsBytes: held.rows.byteLength };
    expect(header?.byteLength).toBe(STATE_HEADER_BYTES);
    expect(judgeStateHeader(header ?? new Uint8Array(STATE_HEADER_BYTES), expected)).toMatchObject({
      sizes: { rowsBytes: held.rows.byteLength },
    });
    for (const part of [held.state, held.rows]) {
      let next = part.byteOffset;
      while (next < part.byteOffset + part.byteLength) {
        const chunk = chunks.shift();
        expect(chunk?.buffer).toBe(part.buffer);
        expect(chunk?.byteOffset).toBe(next);
        expect(chunk?.byteLength).toBeGreaterThan(0);
        expect(chunk?.byteLength).toBeLessThanOrEqual(limits.ringSegmentBytes);
        next += chunk?.byteLength ?? Infinity;
      }
      expect(next).toBe(part.byteOffset + part.byteLength);
    }
    expect(chunks).toEqual([]);
  });

  test('little is underway, however slowly it is taken', () => {
    let takenBytes = 0;
    for (let taken = 0; taken < socket.sent.length; taken++) {
      const sentBytes = socket.sent.reduce((sum, { byteLength }) => sum + byteLength, 0);
      expect(sentBytes - takenBytes).toBeLessThan(limits.ringSegmentBytes + STATE_CHUNK_BYTES);
      takenBytes += socket.sent[taken]?.byteLength ?? 0;
      socket.take();
    }
    expect(takenBytes).toBe(STATE_HEADER_BYTES + held.state.byteLength + held.rows.byteLength);
  });

  test('it is over when the receiver says goodbye after the last byte', () => {
    socket.takeAll();
    expect(told).toEqual([]);
    socket.emit('close', 1000);
    expect(told).toEqual(['over', `sent ${held.state.byteLength + held.rows.byteLength}`]);
    expect(clock.timerCount).toBe(0);
  });

  test('a receiver that leaves before has not got it', () => {
    socket.take();
    socket.emit('close', 1000);
    expect(told).toEqual(['over']);
    expect(clock.timerCount).toBe(0);
  });

  test('a receiver that is lost after the last byte has not said that it got it', () => {
    socket.takeAll();
    socket.emit('close', 1006);
    expect(told).toEqual(['over']);
  });

  test('a receiver that takes something now and then may take long', () => {
    do clock.advance(SILENCE_MS * 0.8);
    while (socket.take());
    expect(told).toEqual([]);
  });

  test('a receiver that takes nothing is dropped', () => {
    socket.take();
    clock.advance(SILENCE_MS * 0.9);
    expect(told).toEqual([]);
    clock.advance(SILENCE_MS * 0.3);
    expect(told).toEqual(['deadline', 'over']);
    expect(socket.terminated).toBe(true);
    const before = socket.sent.length;
    socket.takeAll();
    expect(socket.sent.length).toBe(before);
  });

  test('a receiver that took all and says nothing is dropped', () => {
    socket.takeAll();
    clock.advance(SILENCE_MS * 1.2);
    expect(told).toEqual(['deadline', 'over']);
  });

  for (const event of ['message', 'ping', 'pong']) {
    test(`a receiver that sends a ${event} is dropped`, () => {
      socket.emit(event, Buffer.from('hello'));
      socket.emit(event, Buffer.from('hello'));
      expect(told).toEqual(['malformed', 'over']);
      expect(socket.terminated).toBe(true);
      expect(clock.timerCount).toBe(0);
    });
  }

  test('errors of the protocol are misbehaviour, those of the connection are not', () => {
    socket.emit('error', Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
    expect(told).toEqual(['over']);
  });

  test('an oversized message', () => {
    socket.emit('error', Object.assign(new Error('big'), { code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' }));
    expect(told).toEqual(['oversize', 'over']);
  });

  test('destroyed, it sends nothing more', () => {
    socket.take();
    sender.destroy();
    const before = socket.sent.length;
    socket.takeAll();
    socket.emit('close', 1006);
    expect(socket.sent.length).toBe(before);
    expect(socket.terminated).toBe(true);
    expect(told).toEqual(['over']);
    expect(clock.timerCount).toBe(0);
  });
});
