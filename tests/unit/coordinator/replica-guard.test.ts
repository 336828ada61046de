import { describe, expect, it } from 'vitest';
import { compareFingerprints, type FingerprintBook } from '../../../coordinator/replica-guard.js';

const world = ['a', 'b'];
const tell = (book: FingerprintBook, workerId: string, update: number, fingerprint = 'same') =>
  compareFingerprints(book, world, workerId, [{ update, fingerprint }]);

describe('replicas', () => {
  it('agree once all have told the same', () => {
    const first = tell(new Map(), 'a', 4);
    expect(first).toMatchObject({ agreed: [], mismatch: null });
    const second = tell(first.book, 'b', 4);
    expect(second).toMatchObject({ agreed: [4], mismatch: null });
    expect(second.book.size).toBe(0);
  });

  it('do not agree by what one tells twice', () => {
    expect(tell(tell(new Map(), 'a', 4).book, 'a', 4).agreed).toEqual([]);
  });

  it('differ as soon as two do, and both are named', () => {
    const { mismatch } = tell(tell(new Map(), 'a', 4).book, 'b', 4, 'other');
    expect(mismatch?.update).toBe(4);
    expect([...(mismatch?.fingerprints ?? [])]).toEqual([
      ['a', 'same'],
      ['b', 'other'],
    ]);
  });

  it('are not compared between different updates', () => {
    expect(tell(tell(new Map(), 'a', 4).book, 'b', 6, 'other').mismatch).toBeNull();
  });

  it('of which one tells nothing fill no memory: the oldest are forgotten', () => {
    let book: FingerprintBook = new Map();
    for (let update = 0; update < 1_000; update++) ({ book } = tell(book, 'a', update));
    expect([Math.min(...book.keys()), book.size]).toEqual([936, 64]);
  });
});
