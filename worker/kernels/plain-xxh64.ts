const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;

const wrap = (x: bigint): bigint => BigInt.asUintN(64, x);
const rotl = (x: bigint, bits: bigint): bigint => wrap((x << bits) | (x >> (64n - bits)));
const round = (lane: bigint, input: bigint): bigint => wrap(rotl(wrap(lane + input * P2), 31n) * P1);
const merge = (hash: bigint, lane: bigint): bigint => wrap((hash ^ round(0n, lane)) * P1 + P4);

/** XXH64 (Yann Collet's published specification), seed 0, as 16 hex digits. */
export function xxh64(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = 0;
  let hash = P5;
  if (bytes.length >= 32) {
    const lanes = [wrap(P1 + P2), P2, 0n, wrap(-P1)] as [bigint, bigint, bigint, bigint];
    for (; bytes.length - position >= 32; position += 32)
      for (const i of [0, 1, 2, 3] as const)
        lanes[i] = round(lanes[i], view.getBigUint64(position + 8 * i, true));
    const [a, b, c, d] = lanes;
    hash = wrap(rotl(a, 1n) + rotl(b, 7n) + rotl(c, 12n) + rotl(d, 18n));
    hash = lanes.reduce(merge, hash);
  }
  hash = wrap(hash + BigInt(bytes.length));
  for (; bytes.length - position >= 8; position += 8)
    hash = wrap(rotl(hash ^ round(0n, view.getBigUint64(position, true)), 27n) * P1 + P4);
  for (; bytes.length - position >= 4; position += 4)
    hash = wrap(rotl(hash ^ wrap(BigInt(view.getUint32(position, true)) * P1), 23n) * P2 + P3);
  for (; position < bytes.length; position += 1)
    hash = wrap(rotl(hash ^ wrap(BigInt(view.getUint8(position)) * P5), 11n) * P1);
  hash = wrap((hash ^ (hash >> 33n)) * P2);
  hash = wrap((hash ^ (hash >> 29n)) * P3);
  return hex(hash ^ (hash >> 32n));
}

/** 64 bits as 16 hex digits. */
export const hex = (hash: bigint): string => hash.toString(16).padStart(16, '0');
