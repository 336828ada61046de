/** A piece of the NATS text protocol that goes on whole: a message with its payload, or any other line. */
export interface NatsFrame {
  readonly bytes: Buffer;
  /** Of a message; null for everything else. */
  readonly subject: string | null;
}

const MAX_LINE = 65_536;

/** Payload bytes that follow a line, and the message's subject. */
function measured(line: string): { subject: string | null; payload: number } {
  const [operation = '', subject, ...rest] = line.split(/[ \t]+/);
  switch (operation.toUpperCase()) {
    case 'PUB': // PUB subject [reply] bytes
    case 'HPUB': // HPUB subject [reply] header-bytes total-bytes
    case 'MSG': // MSG subject sid [reply] bytes
    case 'HMSG': // HMSG subject sid [reply] header-bytes total-bytes
      return { subject: subject ?? '', payload: Number(rest.at(-1)) + 2 };
    default:
      return { subject: null, payload: 0 };
  }
}

/** Cuts one direction of a connection with a NATS server into frames. */
export class NatsFrames {
  private held = Buffer.alloc(0);

  push(chunk: Buffer): NatsFrame[] {
    this.held = Buffer.concat([this.held, chunk]);
    const frames: NatsFrame[] = [];
    for (;;) {
      const end = this.held.indexOf('\r\n');
      if (end < 0) {
        if (this.held.length > MAX_LINE) throw new Error('a line of the NATS protocol was expected');
        return frames;
      }
      const { subject, payload } = measured(this.held.toString('latin1', 0, end));
      const length = end + 2 + payload;
      if (this.held.length < length) return frames;
      frames.push({ subject, bytes: this.held.subarray(0, length) });
      this.held = this.held.subarray(length);
    }
  }
}
