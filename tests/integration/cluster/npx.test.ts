import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../../..');

it('npx gan-cluster, as README writes it, starts the command that was built in a clone', async () => {
  const { stdout } = await promisify(execFile)('npx', ['--no-install', 'gan-cluster', '--version'], {
    cwd: ROOT,
  });
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  expect(stdout).toBe(`${version}\n`);
});
