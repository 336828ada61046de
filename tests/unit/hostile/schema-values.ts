import fc from 'fast-check';
import { z } from 'zod';

/** What z.toJSONSchema writes for our schemas. */
interface Shape {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly anyOf?: readonly Shape[];
  readonly oneOf?: readonly Shape[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  /** Of a field that holds bytes, which JSON has not: its schema's `meta`. */
  readonly maxBytes?: number;
}

/** Arrays are no longer than this in generated values: what they hold matters, not how often. */
const MAX_ITEMS = 3;
const MAX_TEXT = 24;

/** Values that fit `schema`, so that a message added later is tested without a word. Throws for a kind that is new here. */
export function valuesOf<S extends z.ZodType>(schema: S): fc.Arbitrary<z.infer<S>> {
  return arbitrary(shapeOf(schema)) as fc.Arbitrary<z.infer<S>>;
}

/** The value of most bytes that fits `schema`: everything as often, as long and as large as it may be. */
export function largestOf<S extends z.ZodType>(schema: S): z.infer<S> {
  return largest(shapeOf(schema)) as z.infer<S>;
}

const shapeOf = (schema: z.ZodType): Shape => z.toJSONSchema(schema, { unrepresentable: 'any' }) as Shape;

/** The shapes that a value may have, when they are several. */
function choices(shape: Shape): readonly Shape[] | undefined {
  if (Array.isArray(shape.type)) return (shape.type as string[]).map((type) => ({ ...shape, type }));
  return shape.anyOf ?? shape.oneOf;
}

function arbitrary(shape: Shape): fc.Arbitrary<unknown> {
  const several = choices(shape);
  if (several) return fc.oneof(...several.map(arbitrary));
  if ('const' in shape) return fc.constant(shape.const);
  if (shape.enum) return fc.constantFrom(...shape.enum);
  if (shape.maxBytes !== undefined) return fc.uint8Array({ maxLength: Math.min(shape.maxBytes, MAX_TEXT) });
  const { minimum: min, maximum: max, exclusiveMinimum, exclusiveMaximum } = shape;
  switch (shape.type) {
    case 'object':
      return fc.record(mapShapes(shape, arbitrary));
    case 'array':
      return fc.array(arbitrary(shape.items ?? {}), {
        minLength: shape.minItems ?? 0,
        maxLength: Math.min(shape.maxItems ?? MAX_ITEMS, MAX_ITEMS),
      });
    case 'string':
      return shape.pattern === undefined ? text(shape) : fc.stringMatching(new RegExp(shape.pattern));
    case 'integer':
      return fc.integer({ min: min ?? -(2 ** 31), max: max ?? 2 ** 31 });
    case 'number':
      return fc
        .double({
          ...{ noNaN: true, noDefaultInfinity: true },
          ...{ min: min ?? exclusiveMinimum ?? -1e300, minExcluded: exclusiveMinimum !== undefined },
          ...{ max: max ?? exclusiveMaximum ?? 1e300, maxExcluded: exclusiveMaximum !== undefined },
        })
        .map((value) => (value === 0 ? 0 : value)); // the wire has one zero
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case undefined:
    default:
      throw new Error(`no values for ${JSON.stringify(shape)}`);
  }
}

/** Any characters but halves of pairs, of which UTF-8 has none. */
function text({ minLength = 0, maxLength = Infinity }: Shape): fc.Arbitrary<string> {
  const short = fc.string({
    unit: 'binary',
    minLength,
    maxLength: Math.min(MAX_TEXT, Math.floor(maxLength / 2)),
  });
  if (maxLength === Infinity) return short;
  const full = fc.constantFrom('x', '\u4e00').map((character) => character.repeat(maxLength));
  return fc.oneof({ weight: 50, arbitrary: short }, { weight: 1, arbitrary: full });
}

function largest(shape: Shape): unknown {
  const several = choices(shape);
  if (several) {
    const bytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
    return several.map(largest).reduce((most, value) => (bytes(value) > bytes(most) ? value : most));
  }
  if ('const' in shape) return shape.const;
  if (shape.enum) return shape.enum.at(-1);
  if (shape.maxBytes !== undefined) return new Uint8Array(shape.maxBytes);
  switch (shape.type) {
    case 'object':
      return mapShapes(shape, largest);
    case 'array':
      return Array.from({ length: shape.maxItems ?? 0 }, () => largest(shape.items ?? {}));
    case 'string':
      // In UTF-8 a character of three bytes is the longest for its place in a string.
      return shape.pattern === undefined
        ? '\u4e00'.repeat(shape.maxLength ?? 0)
        : longestMatch(new RegExp(shape.pattern));
    case 'integer':
      return shape.maximum;
    case 'number':
      return shape.maximum ?? (shape.exclusiveMaximum === undefined ? Number.MAX_VALUE : 0.1);
    case 'boolean':
      return true;
    case 'null':
      return null;
    case undefined:
    default:
      throw new Error(`no largest value for ${JSON.stringify(shape)}`);
  }
}

function longestMatch(pattern: RegExp): string {
  for (let length = 256; length > 0; length--) {
    const candidate = 'a'.repeat(length);
    if (pattern.test(candidate)) return candidate;
  }
  throw new Error(`no text was found for ${pattern.source}`);
}

function mapShapes<T>({ properties = {} }: Shape, map: (shape: Shape) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(properties).map(([name, shape]) => [name, map(shape)]));
}
