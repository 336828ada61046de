import { Packr } from 'msgpackr';
import type { z } from 'zod';
import { OperationalError, messageOf } from '../errors.js';

// Plain MessagePack maps: no record extension, so that any MessagePack reader can follow the wire.
const packr = new Packr({ useRecords: false, mapsAsObjects: true });

/** Packs a control message. The sender's half of the schema check: a message that does not fit is our own bug. */
export function encodeMessage<S extends z.ZodType>(schema: S, message: z.infer<S>): Uint8Array {
  return packr.pack(schema.parse(message));
}

/** Unpacks a control message; throws OperationalError('protocol') when it does not fit its schema. */
export function decodeMessage<S extends z.ZodType>(
  schema: S,
  bytes: Uint8Array,
  subject: string,
): z.infer<S> {
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch (error) {
    throw new OperationalError('protocol', `message on ${subject} is not MessagePack: ${messageOf(error)}`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new OperationalError(
    'protocol',
    `message on ${subject}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
  );
}
