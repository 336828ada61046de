import type { LinkSegment } from './link.js';

/** What a segment costs beside its payload: keeps a flood of tiny ones bounded, too. */
const SEGMENT_OVERHEAD_BYTES = 256;

/** Segments received and not taken yet, in order, with the bound from which on a link is to stop reading. */
export class Inbox {
  private readonly segments: LinkSegment[] = [];
  private bytes = 0;

  constructor(private readonly limitBytes: number) {}

  get full(): boolean {
    return this.bytes >= this.limitBytes;
  }

  push(segment: LinkSegment): void {
    this.segments.push(segment);
    this.bytes += costBytes(segment);
  }

  take(): LinkSegment | undefined {
    const segment = this.segments.shift();
    if (segment) this.bytes -= costBytes(segment);
    return segment;
  }

  clear(): void {
    this.segments.length = 0;
    this.bytes = 0;
  }
}

function costBytes(segment: LinkSegment): number {
  return segment.payload.byteLength + SEGMENT_OVERHEAD_BYTES;
}
