import type { Generator } from '../generator/index.js';
import { grouped } from '../terminal/index.js';
import type { Product } from './request.js';

/** 100 images of seed 1. */
export function productWords(product: Product, seed: number): string {
  const images = `${grouped(product.count)} image${product.count === 1 ? '' : 's'}`;
  switch (product.kind) {
    case 'strip':
    case 'gif':
      return `${images} from seed ${seed} to seed ${product.toSeed} in ${grouped(product.frames)} frames`;
    case 'grid':
    case 'idx':
    case 'pictures':
      return `${images} of seed ${seed}`;
  }
}

/** The generator's file and what it says of its training, as far as that is a number. */
export function originWords({ path, provenance }: Generator): string {
  const step = /^\d{1,15}$/.exec(provenance['step'] ?? '')?.[0];
  return step === undefined ? path : `${path} (${grouped(Number(step))} steps)`;
}
