/** A plain decoder of the GIFs that tests look into: frames of the whole picture, one table of colours, not interlaced. */
export interface DecodedGif {
  readonly width: number;
  readonly height: number;
  /** 0 for ever, null when the GIF does not say. */
  readonly loops: number | null;
  /** Red of each colour. */
  readonly palette: readonly number[];
  readonly frames: readonly { readonly delayMs: number; readonly pixels: Uint8Array }[];
}

export function decodeGif(bytes: Uint8Array): DecodedGif {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const byte = (): number => view.getUint8(at++);
  const short = (): number => {
    at += 2;
    return view.getUint16(at - 2, true);
  };
  const text = (length: number): string => {
    at += length;
    return String.fromCharCode(...bytes.subarray(at - length, at));
  };
  const blocks = (): Uint8Array => {
    const parts: Uint8Array[] = [];
    for (let length = byte(); length > 0; length = byte()) {
      parts.push(bytes.subarray(at, at + length));
      at += length;
    }
    return Buffer.concat(parts);
  };
  if (text(6) !== 'GIF89a') throw new Error('not a GIF');
  const width = short();
  const height = short();
  const fields = byte();
  at += 2;
  const palette = Array.from({ length: 2 << (fields & 7) }, () => {
    at += 3;
    return view.getUint8(at - 3);
  });
  let loops: number | null = null;
  let delayMs = 0;
  const frames: { delayMs: number; pixels: Uint8Array }[] = [];
  for (;;) {
    const kind = byte();
    if (kind === 0x3b) break;
    if (kind === 0x21) {
      const label = byte();
      const data = blocks();
      if (label === 0xf9) delayMs = ((data[1] ?? 0) + (data[2] ?? 0) * 256) * 10;
      if (label === 0xff) loops = (data[12] ?? 0) + (data[13] ?? 0) * 256;
    } else if (kind === 0x2c) {
      const place = [short(), short(), short(), short(), byte()];
      if (place.join() !== [0, 0, width, height, 0].join()) throw new Error('a frame of another kind');
      const codeBits = byte();
      frames.push({ delayMs, pixels: unpack(blocks(), codeBits, width * height) });
    } else {
      throw new Error(`an unknown block at ${at}`);
    }
  }
  if (at !== bytes.length) throw new Error('bytes after the end');
  return { width, height, loops, palette, frames };
}

/** LZW as GIF has it. */
function unpack(data: Uint8Array, codeBits: number, size: number): Uint8Array {
  const clear = 1 << codeBits;
  const pixels: number[] = [];
  let table: number[][] = [];
  let bits = codeBits + 1;
  let previous: number[] | null = null;
  let buffer = 0;
  let held = 0;
  for (const next of data) {
    buffer |= next << held;
    held += 8;
    while (held >= bits) {
      const code = buffer & ((1 << bits) - 1);
      buffer >>>= bits;
      held -= bits;
      if (code === clear) {
        table = Array.from({ length: clear + 2 }, (_, i) => (i < clear ? [i] : []));
        bits = codeBits + 1;
        previous = null;
        continue;
      }
      if (code === clear + 1) {
        if (pixels.length !== size) throw new Error(`expected ${size} pixels, found ${pixels.length}`);
        return Uint8Array.from(pixels);
      }
      const known: number[] | undefined = table[code];
      const run: number[] | null = known ?? (previous && [...previous, previous[0] ?? 0]);
      if (run === null || code > table.length) throw new Error(`a code without a meaning: ${code}`);
      pixels.push(...run);
      if (previous !== null && table.length < 4096) table.push([...previous, run[0] ?? 0]);
      if (table.length === 1 << bits && bits < 12) bits++;
      previous = run;
    }
  }
  throw new Error('the end is missing');
}
