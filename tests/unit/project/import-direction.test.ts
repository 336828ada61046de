import { readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../../..');

/** Which top-level folders each one may import from, besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  proto: [],
  coordinator: ['proto'],
  worker: ['proto'],
  deploy: ['proto', 'coordinator', 'worker', 'dashboards'],
  dashboards: ['proto'],
  tests: ['proto', 'coordinator', 'worker', 'deploy', 'dashboards'],
};

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes(`kernels${sep}assembly`))
    .map((name) => join(ROOT, folder, name));
}

function relativeImports(file: string): string[] {
  return ts
    .preProcessFile(readFileSync(file, 'utf8'), true, true)
    .importedFiles.map((imported) => imported.fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(ROOT, resolve(dirname(file), name)));
}

const topLevel = (path: string): string => path.split(sep)[0] ?? '';

describe('import direction', () => {
  it.each(Object.entries(MAY_IMPORT))('%s imports only what it may', (folder, allowed) => {
    const wrong = sources(folder).flatMap((file) =>
      relativeImports(file)
        .filter((target) => ![folder, ...allowed].includes(topLevel(target)))
        .map((target) => `${relative(ROOT, file)} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('enters a folder from outside by its index only', () => {
    // proto is one shared vocabulary: its files are named directly.
    const wrong = ['coordinator', 'worker', 'deploy'].flatMap((role) =>
      sources(role).flatMap((file) => {
        const from = dirname(relative(ROOT, file));
        return relativeImports(file)
          .filter((target) => {
            const to = dirname(target);
            const inside = from === to || from.startsWith(`${to}${sep}`);
            return topLevel(target) !== 'proto' && !inside && basename(target) !== 'index.js';
          })
          .map((target) => `${relative(ROOT, file)} imports ${target}`);
      }),
    );
    expect(wrong).toEqual([]);
  });
});
