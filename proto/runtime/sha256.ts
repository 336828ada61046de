import { createHash } from 'node:crypto';

/** SHA-256 of `bytes`, in hex: how files, states and datasets are named and checked everywhere. */
export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
