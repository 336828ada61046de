import { SyntheticDigits } from '../../coordinator/dataset/synthetic/index.js';
import { gridPng } from '../../coordinator/picture.js';

const SIDE = 28;
const COUNT = 25;

/**
 * A 5 x 5 grid as a sample looks: drawn digits that come out of noise the further the run is. `seed` chooses the digits.
 * @param share 0 to 1
 */
export function scriptedPicture(share: number, seed = 7): Uint8Array {
  const digits = new SyntheticDigits(seed, COUNT);
  const images = new Uint8Array(COUNT * SIDE * SIDE);
  for (let i = 0; i < COUNT; i++) digits.draw(i, images, i * SIDE * SIDE);
  const ink = Math.min(1, share * 4) ** 0.6;
  let bits = 0x2545f491 + seed + Math.round(share * 1e6);
  for (let i = 0; i < images.length; i++) {
    bits = (Math.imul(bits, 1_664_525) + 1_013_904_223) >>> 0;
    const noise = bits >>> 24;
    const speck = noise > 250 ? noise * (1 - share) : 0;
    images[i] = Math.min(255, (images[i] ?? 0) * ink + noise * 0.75 * (1 - ink) + speck * 0.5);
  }
  return gridPng(images, { columns: 5, imageWidth: SIDE, imageHeight: SIDE, scale: 4 });
}
