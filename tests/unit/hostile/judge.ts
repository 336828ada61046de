import { OperationalError } from '../../../proto/index.js';

/** Decodes, and takes a protocol error in one bounded line for an answer; anything else thrown stays thrown. */
export function decodedOrRefused<T>(
  decode: () => T,
): { readonly value: T } | { readonly error: OperationalError } {
  try {
    return { value: decode() };
  } catch (error) {
    if (!(error instanceof OperationalError) || error.code !== 'protocol') throw error;
    if (error.message.length > 1_000 || /[\r\n]/.test(error.message))
      throw new Error(`not one bounded line: ${JSON.stringify(error.message)}`, { cause: error });
    return { error };
  }
}
