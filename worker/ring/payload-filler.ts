import { invariant } from '../../proto/index.js';
import type { Adder } from './adder.js';
import { ELEMENT_BYTES } from './frame.js';
import type { SegmentTarget } from './link.js';

/** Reads into scratch start here at the earliest: what is carried from the read before goes in front. */
export const SCRATCH_HEAD_BYTES = ELEMENT_BYTES;

/**
 * Puts a segment's payload where it belongs while it arrives, in pieces of any size and alignment. What is to be copied
 * can be read from the connection straight into its place. What is to be added is added piece by piece from the
 * adder's scratch memory; up to three bytes of an integer that is not complete wait for the next piece.
 */
export class PayloadFiller {
  private target: SegmentTarget | undefined;
  private bytes: Uint8Array = new Uint8Array(0);
  private done = 0;
  private readonly partial = new Uint8Array(ELEMENT_BYTES);

  constructor(private readonly adder: Adder) {}

  start(target: SegmentTarget): void {
    const { into } = target;
    this.target = target;
    this.bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    this.done = 0;
  }

  /** Bytes of the payload that are yet to come. */
  get remaining(): number {
    return this.bytes.byteLength - this.done;
  }

  /** Takes the next bytes of the payload; no more than remain. They may lie in scratch, behind its head. */
  take(piece: Uint8Array): void {
    invariant(this.target && piece.byteLength <= this.remaining, 'a piece is no longer than what remains');
    if (this.target.kind === 'copy') {
      this.bytes.set(piece, this.done);
      this.done += piece.byteLength;
      return;
    }
    // What lies in scratch fits it with the carry before it; anything else comes through it in blocks that do.
    const blockBytes = this.adder.scratch.byteLength - ELEMENT_BYTES;
    for (let start = 0; start < piece.byteLength; start += blockBytes)
      this.addBlock(this.target.into, piece.subarray(start, start + blockBytes));
  }

  /** Where the next bytes may be read to directly, instead of being given to `take`; then tell `placed`. */
  room(): Uint8Array | undefined {
    return this.target?.kind === 'copy' ? this.bytes.subarray(this.done) : undefined;
  }

  placed(count: number): void {
    invariant(count <= this.remaining, 'no more was read than there was room for');
    this.done += count;
  }

  /** Where in scratch the next bytes should start, to be added without being moved. */
  get scratchStart(): number {
    return SCRATCH_HEAD_BYTES + (this.done % ELEMENT_BYTES);
  }

  private addBlock(into: Int32Array, block: Uint8Array): void {
    const { scratch } = this.adder;
    const carried = this.done % ELEMENT_BYTES;
    // The block goes to where the carried bytes fit before it and make it aligned. Within scratch that is at most three
    // bytes down, over bytes that are done with; what follows the block there is not.
    let start = carried;
    if (block.buffer === scratch.buffer) {
      const at = block.byteOffset - scratch.byteOffset;
      invariant(at >= SCRATCH_HEAD_BYTES, 'reads leave the head of scratch free');
      start = at - ((at - carried) % ELEMENT_BYTES);
      if (start !== at) scratch.copyWithin(start, at, at + block.byteLength);
    } else {
      scratch.set(block, start);
    }
    const offset = start - carried;
    scratch.set(this.partial.subarray(0, carried), offset);
    const first = (this.done - carried) / ELEMENT_BYTES;
    const count = Math.floor((carried + block.byteLength) / ELEMENT_BYTES);
    if (count > 0) this.adder.add(into.subarray(first, first + count), offset);
    this.done += block.byteLength;
    this.partial.set(scratch.subarray(offset + count * ELEMENT_BYTES, start + block.byteLength));
  }
}
