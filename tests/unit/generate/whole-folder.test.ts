import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeWholeFolder, type FolderEntry } from '../../../deploy/generate/whole-folder.js';
import { temporaryFolder } from '../../integration/cluster/gan-cluster.js';

const entry = (name: string): FolderEntry => ({ name, bytes: Buffer.from(name) });

async function* entries(names: readonly string[], failure?: Error): AsyncGenerator<FolderEntry> {
  for (const name of names) yield await Promise.resolve(entry(name));
  if (failure !== undefined) throw failure;
}

describe('a whole folder', () => {
  it.each(['new', 'a/b/new', 'there'])('is written at %s', async (place) => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'there'));
    const path = join(folder, place);
    expect(await writeWholeFolder(path, entries(['a', 'b']))).toBe(2);
    expect(readdirSync(path)).toEqual(['a', 'b']);
    expect(readFileSync(join(path, 'b'), 'utf8')).toBe('b');
  });

  it('shows nothing before the last file is there', async () => {
    const path = join(temporaryFolder(), 'new');
    async function* watched(): AsyncGenerator<FolderEntry> {
      for (const name of ['a', 'b']) {
        yield await Promise.resolve(entry(name));
        expect(readdirSync(path).filter((seen) => !seen.startsWith('.'))).toEqual([]);
      }
    }
    await writeWholeFolder(path, watched());
    expect(readdirSync(path)).toEqual(['a', 'b']);
  });

  it('leaves nothing when a file cannot be made', async () => {
    const folder = temporaryFolder();
    const failure = new Error('no further');
    await expect(writeWholeFolder(join(folder, 'x/new'), entries(['a', 'b'], failure))).rejects.toBe(failure);
    expect(readdirSync(folder)).toEqual([]);
    mkdirSync(join(folder, 'there'));
    await expect(writeWholeFolder(join(folder, 'there'), entries(['a'], failure))).rejects.toBe(failure);
    expect(readdirSync(join(folder, 'there'))).toEqual([]);
  });

  it('takes back what it has moved when a name is taken meanwhile', async () => {
    const folder = temporaryFolder();
    async function* disturbed(): AsyncGenerator<FolderEntry> {
      yield* entries(['a', 'b']);
      mkdirSync(join(folder, 'b'));
      writeFileSync(join(folder, 'b', 'theirs'), '');
    }
    await expect(writeWholeFolder(folder, disturbed())).rejects.toMatchObject({ code: 'EISDIR' });
    expect(readdirSync(folder)).toEqual(['b']);
    expect(existsSync(join(folder, 'b', 'theirs'))).toBe(true);
  });
});
