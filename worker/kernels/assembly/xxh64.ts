/**
 * XXH64 (Yann Collet's published specification), seed 0. Scalar on purpose: its work is 64-bit multiplication, which
 * a processor does in one instruction for a scalar, while without AVX-512 a vector of two takes about ten.
 */
const P1: u64 = 0x9e3779b185ebca87;
const P2: u64 = 0xc2b2ae3d27d4eb4f;
const P3: u64 = 0x165667b19e3779f9;
const P4: u64 = 0x85ebca77c2b2ae63;
const P5: u64 = 0x27d4eb2f165667c5;

function round(lane: u64, input: u64): u64 {
  return rotl<u64>(lane + input * P2, 31) * P1;
}

function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * P1 + P4;
}

export function xxh64(address: usize, bytes: usize): u64 {
  let hash: u64 = P5;
  if (bytes >= 32) {
    let a: u64 = P1 + P2;
    let b: u64 = P2;
    let c: u64 = 0;
    let d: u64 = 0 - P1;
    const stripesEnd = address + (bytes & ~31);
    do {
      a = round(a, load<u64>(address));
      b = round(b, load<u64>(address, 8));
      c = round(c, load<u64>(address, 16));
      d = round(d, load<u64>(address, 24));
      address += 32;
    } while (address < stripesEnd);
    hash = rotl<u64>(a, 1) + rotl<u64>(b, 7) + rotl<u64>(c, 12) + rotl<u64>(d, 18);
    hash = merge(hash, a);
    hash = merge(hash, b);
    hash = merge(hash, c);
    hash = merge(hash, d);
  }
  hash += bytes;
  let left = bytes & 31;
  while (left >= 8) {
    hash = rotl<u64>(hash ^ round(0, load<u64>(address)), 27) * P1 + P4;
    address += 8;
    left -= 8;
  }
  if (left >= 4) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(address) * P1), 23) * P2 + P3;
    address += 4;
    left -= 4;
  }
  while (left > 0) {
    hash = rotl<u64>(hash ^ (<u64>load<u8>(address) * P5), 11) * P1;
    address += 1;
    left -= 1;
  }
  hash = (hash ^ (hash >> 33)) * P2;
  hash = (hash ^ (hash >> 29)) * P3;
  return hash ^ (hash >> 32);
}
