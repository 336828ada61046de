/** Reading the files that people took home. */
export type { Generator, GeneratorFormat } from './generator.js';
export { newestGenerator } from './newest-generator.js';
export { openGenerator } from './open-generator.js';
export { readRunRecord, type RunRecord } from './run-record.js';
export { allSeededImages, seededImages, seededNoise } from './seeded-images.js';
export { fileSystemWords } from './refusal.js';
