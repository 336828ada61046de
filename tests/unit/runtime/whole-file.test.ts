import { mkdir, mkdtemp, readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { partPath, removeAbandonedParts, writeWholeFile } from '../../../proto/runtime/whole-file.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'whole-file-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    await Promise.resolve();
    yield new TextEncoder().encode(text);
  }
}

describe('writeWholeFile', () => {
  it('writes text, bytes and pieces, and makes the folder', async () => {
    const path = join(folder, 'new', 'file');
    await writeWholeFile(path, 'text');
    expect(await readFile(path, 'utf8')).toBe('text');
    await writeWholeFile(path, new Uint8Array([98, 99]));
    expect(await readFile(path, 'utf8')).toBe('bc');
    await writeWholeFile(path, pieces('one', ', ', 'two'));
    expect(await readFile(path, 'utf8')).toBe('one, two');
    expect(await readdir(dirname(path))).toEqual(['file']);
  });

  it('keeps the old file and leaves nothing beside it when the content fails half-way', async () => {
    const path = join(folder, 'file');
    await writeWholeFile(path, 'old');
    let visible = '';
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield* pieces('half');
      visible = await readFile(path, 'utf8');
      throw new Error('cut');
    }
    await expect(writeWholeFile(path, failing())).rejects.toThrow('cut');
    expect(visible).toBe('old');
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['file']);
  });

  it('never shows a mixture when two write at once', async () => {
    const path = join(folder, 'file');
    const long = (letter: string): string => letter.repeat(100_000);
    await Promise.all(
      ['a', 'b', 'c'].map((letter) => writeWholeFile(path, pieces(long(letter), long(letter)))),
    );
    const text = await readFile(path, 'utf8');
    expect(text).toBe(text.charAt(0).repeat(200_000));
    expect(await readdir(folder)).toEqual(['file']);
  });

  it('gives the permissions that were asked for', async () => {
    const path = join(folder, 'secret');
    await writeWholeFile(path, 'x', { mode: 0o600 });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });
});

describe('removeAbandonedParts', () => {
  it('removes what is a day old and no other file', async () => {
    const path = join(folder, 'file');
    const old = partPath(path);
    const oldFolder = partPath(join(folder, 'fetch'));
    const young = partPath(path);
    await Promise.all([writeFile(path, ''), writeFile(old, ''), writeFile(young, ''), mkdir(oldFolder)]);
    const nowMs = Date.now();
    const longAgo = nowMs / 1000 - 25 * 3600;
    await Promise.all([path, old, oldFolder].map((name) => utimes(name, longAgo, longAgo)));
    await removeAbandonedParts(folder, nowMs);
    expect((await readdir(folder)).sort()).toEqual([young.slice(folder.length + 1), 'file']);
  });

  it('takes a missing folder for an empty one', async () => {
    await expect(removeAbandonedParts(join(folder, 'none'), Date.now())).resolves.toBeUndefined();
  });
});
