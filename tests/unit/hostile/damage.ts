import fc from 'fast-check';

/** Does something to bytes, given others like them; the same thing for the same bytes. */
export type Damage = (bytes: Uint8Array, others: Uint8Array) => Uint8Array;

const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const at = (bytes: Uint8Array, where: number): number => Math.floor(where * bytes.length);

const flip = fc
  .array(fc.tuple(place, fc.integer({ min: 0, max: 7 })), { minLength: 1, maxLength: 4 })
  .map((bits): Damage => (bytes) => {
    const out = Uint8Array.from(bytes);
    for (const [where, bit] of bits) {
      const index = at(out, where);
      if (index < out.length) out[index] = (out[index] ?? 0) ^ (1 << bit);
    }
    return out;
  });
/** Bytes that mean much where lengths are read. */
const overwrite = fc
  .tuple(
    place,
    fc.oneof(fc.constantFrom(0x00, 0x7f, 0x80, 0xff), fc.nat(255)),
    fc.integer({ min: 1, max: 4 }),
  )
  .map(([where, byte, count]): Damage => (bytes) => {
    const start = at(bytes, where);
    return Uint8Array.from(bytes).fill(byte, start, start + count);
  });
const truncate = place.map(
  (where): Damage =>
    (bytes) =>
      bytes.slice(0, at(bytes, where)),
);
const splice = fc.tuple(place, place).map(([head, tail]): Damage => (bytes, others) => {
  return Buffer.concat([bytes.subarray(0, at(bytes, head)), others.subarray(at(others, tail))]);
});
const insert = fc
  .tuple(place, fc.uint8Array({ minLength: 1, maxLength: 6 }))
  .map(([where, noise]): Damage => (bytes) => {
    const index = at(bytes, where);
    return Buffer.concat([bytes.subarray(0, index), noise, bytes.subarray(index)]);
  });
const cut = fc.tuple(place, fc.integer({ min: 1, max: 6 })).map(([where, count]): Damage => (bytes) => {
  const index = at(bytes, where);
  return Buffer.concat([bytes.subarray(0, index), bytes.subarray(index + count)]);
});

/** What happens to bytes on a bad way, or in bad hands. */
export const damage: fc.Arbitrary<Damage> = fc.oneof(flip, overwrite, truncate, splice, insert, cut);
