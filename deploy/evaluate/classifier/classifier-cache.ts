import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../../proto/index.js';
import { sha256Of } from '../../../proto/runtime/sha256.js';
import { writeWholeFile } from '../../../proto/runtime/whole-file.js';
import { floatBytes } from '../../../worker/export/index.js';
import { DIGIT_PARAMETERS } from './digit-network.js';

/** What the bits of a trained classifier follow from, as far as it is known: kinds of processors are not told apart. */
const originSchema = z.strictObject({
  /** Of all images and labels of training and test set. */
  datasetSha256: z.string(),
  engine: z.string(),
  /** Network and training, as data. */
  method: z.string(),
});
export type ClassifierOrigin = z.infer<typeof originSchema>;

const recordSchema = z.strictObject({
  origin: originSchema,
  /** Of the parameters as little-endian float32. */
  sha256: z.string(),
  /** The same in base64. */
  parameters: z.string(),
});

/** A trained digit classifier with its history. */
export interface StoredClassifier {
  readonly origin: ClassifierOrigin;
  readonly sha256: string;
  readonly parameters: Float32Array;
}

/** Where a classifier of this origin is kept: those of other data, engines or methods are kept beside it. */
export function classifierPath(cacheFolder: string, origin: ClassifierOrigin): string {
  const key = sha256Of(Buffer.from(JSON.stringify(origin))).slice(0, 16);
  return join(cacheFolder, 'digit-classifier', `${key}.json`);
}

/** The classifier that is kept there; null when there is none, or one that is damaged or of another origin. */
export async function readClassifier(
  path: string,
  origin: ClassifierOrigin,
): Promise<StoredClassifier | null> {
  let record: z.infer<typeof recordSchema>;
  try {
    record = recordSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return null; // then it is made anew
  }
  const bytes = Buffer.from(record.parameters, 'base64');
  const whole =
    bytes.byteLength === DIGIT_PARAMETERS * Float32Array.BYTES_PER_ELEMENT &&
    sha256Of(bytes) === record.sha256;
  if (!whole || JSON.stringify(record.origin) !== JSON.stringify(origin)) return null;
  const parameters = new Float32Array(DIGIT_PARAMETERS);
  for (let i = 0; i < DIGIT_PARAMETERS; i++) parameters[i] = bytes.readFloatLE(4 * i);
  return { ...record, parameters };
}

/** Of the parameters as they are kept. */
export const parametersSha256 = (parameters: Float32Array): string => sha256Of(floatBytes([parameters]));

/** @returns why it could not be kept, null when it was */
export async function keepClassifier(path: string, classifier: StoredClassifier): Promise<string | null> {
  const { origin, sha256, parameters } = classifier;
  const record = { origin, sha256, parameters: Buffer.from(floatBytes([parameters])).toString('base64') };
  try {
    await writeWholeFile(path, `${JSON.stringify(record)}\n`);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}
