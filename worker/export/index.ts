/** The files that people take home. */
export { exportGenerator } from './export-generator.js';
export type { GeneratorExport } from './export-generator.js';
export { sampleImages, type Generate } from './samples.js';
export type { NamedFile } from './named-file.js';
