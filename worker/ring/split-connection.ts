import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { FrameSplitter } from './frame-splitter.js';
import type { LinkEnd } from './link.js';
import type { RingAddress } from './ring-address.js';
import { diallerOptions, type RingTls } from './ring-tls.js';
import { SCRATCH_HEAD_BYTES } from './payload-filler.js';

/** Takes the binary messages of a connection. */
export interface DataSink {
  /** @returns how many bytes were taken; when fewer than given, the connection stops reading until `resume` */
  takeData(bytes: Uint8Array): number;
  endMessage(): void;
  /** Where the next bytes of the message may be read to, in place of takeData. */
  room(): Uint8Array | undefined;
  /** So many bytes were read to the start of the last room. */
  placed(count: number): void;
  /** Where in scratch the next bytes should start. */
  readonly scratchStart: number;
  /** The peer broke the framing. */
  failed(end: LinkEnd): void;
}

export interface SplitConnectionOptions {
  readonly address: RingAddress;
  /** For an address of the network: what stays on this machine, over a Unix socket, needs none. */
  readonly tls?: RingTls | undefined;
  /** Memory to read into; nothing in it outlives one read. */
  readonly scratch: Uint8Array;
  /** Binary messages that announce more are refused. */
  readonly maxMessageBytes: number;
}

/** Less room than this is not worth a read of its own. */
const MIN_ROOM_BYTES = 4_096;

/**
 * A connection for a WebSocket client that does not read binary messages itself: those go to a sink, out of memory that is
 * used again and again, or are read by the system straight to where the sink has room. To the WebSocket implementation
 * this is an ordinary stream on which no binary message ever comes.
 */
export class SplitConnection extends Duplex {
  private readonly splitter: FrameSplitter;
  private readonly socket: Socket;
  private sink: DataSink | undefined;
  /** The room that the system is reading to; undefined when it is scratch. */
  private room: Uint8Array | undefined;
  /** What the sink did not take; the socket is paused meanwhile. */
  private held: Uint8Array | undefined;
  private heldMemory: Uint8Array | undefined;

  constructor(private readonly options: SplitConnectionOptions) {
    super();
    this.splitter = new FrameSplitter(
      {
        passOn: (bytes) => this.push(Buffer.from(bytes)),
        takeData: (bytes) => this.sink?.takeData(bytes) ?? 0,
        endMessage: () => this.sink?.endMessage(),
      },
      options.maxMessageBytes,
    );
    this.socket = this.connect();
    this.socket.on('end', () => this.push(null));
    this.socket.on('error', (error) => this.destroy(error));
    this.socket.on('close', () => this.destroy());
  }

  /** Reading has stopped, because the sink does not take what was read. */
  get stopped(): boolean {
    return this.held !== undefined;
  }

  /** Gives binary messages to `sink` from now on; without one they wait. */
  attach(sink: DataSink): void {
    this.sink = sink;
    this.resumeReading();
  }

  /** The sink may take now what it did not take before. */
  resumeReading(): void {
    const { held } = this;
    if (!held || this.destroyed) return;
    this.held = undefined;
    const used = this.split(held);
    if (used < held.byteLength) this.held = held.subarray(used);
    else if (!this.destroyed) this.socket.resume();
  }

  override _read(): void {
    // Pushed whenever something comes; it is little, and bounded by what ws accepts.
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }

  private connect(): Socket {
    const { address, tls } = this.options;
    if (tls !== undefined && 'host' in address) {
      // What was decrypted before a pause still comes after it: the stream keeps it, where `onread` would not wait.
      const socket = connectTls({ ...address, ...diallerOptions(tls) });
      socket.setNoDelay(true);
      return socket.on('data', (bytes: Buffer) => this.decrypted(bytes));
    }
    return connect({
      ...address,
      noDelay: true,
      onread: { buffer: () => this.nextBuffer(), callback: (count, buffer) => this.received(count, buffer) },
    });
  }

  private decrypted(bytes: Uint8Array): void {
    if (this.destroyed) return;
    const used = this.split(bytes);
    if (used === bytes.byteLength || this.destroyed) return;
    this.held = bytes.subarray(used); // memory of its own
    this.socket.pause();
  }

  /** Where the system is to put what it reads next. */
  private nextBuffer(): Uint8Array {
    const { scratch } = this.options;
    const left = this.splitter.dataLeft;
    const room = left >= MIN_ROOM_BYTES ? this.sink?.room()?.subarray(0, left) : undefined;
    this.room = room && room.byteLength >= MIN_ROOM_BYTES ? room : undefined;
    if (this.room) return this.room;
    return scratch.subarray(this.sink?.scratchStart ?? SCRATCH_HEAD_BYTES);
  }

  /** @returns false to stop reading */
  private received(count: number, buffer: Uint8Array): boolean {
    if (this.destroyed) return false;
    if (this.room) {
      this.sink?.placed(count);
      this.splitter.skip(count);
      return !this.destroyed;
    }
    const bytes = buffer.subarray(0, count);
    const used = this.split(bytes);
    if (used === count) return !this.destroyed;
    this.hold(bytes.subarray(used));
    return false;
  }

  private split(bytes: Uint8Array): number {
    const used = this.splitter.split(bytes);
    if (this.splitter.failure) this.sink?.failed(this.splitter.failure);
    return used;
  }

  private hold(rest: Uint8Array): void {
    this.heldMemory ??= new Uint8Array(this.options.scratch.byteLength);
    this.heldMemory.set(rest);
    this.held = this.heldMemory.subarray(0, rest.byteLength);
  }
}
