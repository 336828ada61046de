import { describe, expect, it } from 'vitest';
import { brokenLink, linkKey, type LinkFailure } from '../../../coordinator/blame.js';

const told = (workerId: string, neighbour: string): LinkFailure => ({ workerId, neighbour });

describe('the link that broke first', () => {
  it('is none when none was told of', () => {
    expect(brokenLink([])).toBeNull();
  });

  it('is the one whose two ends name each other, whenever they say so', () => {
    expect(brokenLink([told('c', 'd'), told('a', 'b'), told('d', 'a'), told('b', 'a')])).toEqual(
      told('a', 'b'),
    );
  });

  it('is the first that was told of when no two ends agree', () => {
    expect(brokenLink([told('c', 'd'), told('a', 'b')])).toEqual(told('c', 'd'));
  });

  it('is the same from both its ends', () => {
    expect(linkKey(told('b', 'a'))).toBe(linkKey(told('a', 'b')));
    expect(linkKey(told('a', 'b'))).not.toBe(linkKey(told('a', 'c')));
  });
});
