import { endianness } from 'node:os';

const IS_LITTLE_ENDIAN = endianness() === 'LE';

/** The values of all `arrays`, one after the other, as little-endian float32, whatever this machine's order is. */
export function floatBytes(arrays: readonly Float32Array[]): Uint8Array {
  const bytes = new Uint8Array(arrays.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let offset = 0;
  for (const array of arrays) {
    const place = bytes.subarray(offset, (offset += array.byteLength));
    if (IS_LITTLE_ENDIAN) place.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    else setLittleEndian(place, array);
  }
  return bytes;
}

function setLittleEndian(place: Uint8Array, array: Float32Array): void {
  const view = new DataView(place.buffer, place.byteOffset);
  for (const [i, value] of array.entries()) view.setFloat32(i * Float32Array.BYTES_PER_ELEMENT, value, true);
}
