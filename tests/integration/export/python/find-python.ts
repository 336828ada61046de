import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../../../../deploy/nats-server/command.js';
import { cacheFolder } from '../../../../proto/runtime/cache-folder.js';

/** What reads our formats in Python, and needs to be there. */
export const MODULES = ['numpy', 'onnx', 'onnxruntime', 'safetensors'] as const;
/** Reads safetensors files too, but is large: its test runs where it is there anyway. */
const OPTIONAL_MODULES = ['torch'] as const;

const PROBE_TIMEOUT_MS = 60_000;
const PROBE = 'import importlib.util, sys; print(*filter(importlib.util.find_spec, sys.argv[1:]))';

export interface Python {
  readonly program: string;
  /** Those of `MODULES` and the optional ones that it has. */
  readonly modules: readonly string[];
}

/** Where `fetch.ts` puts Debian's. */
export const debianFolder = (environment: NodeJS.ProcessEnv): string =>
  join(cacheFolder(environment), 'python-readers-debian');

/** A Python with all readers: what PYTHON_READERS names, Debian's from the cache, or the machine's; null where none has. */
export async function findPython(environment: NodeJS.ProcessEnv): Promise<Python | null> {
  const told = environment['PYTHON_READERS'] ?? '';
  const cached = join(debianFolder(environment), 'python3');
  const candidates = told !== '' ? [told] : [cached, 'python3', '/usr/bin/python3'];
  for (const program of candidates) {
    if (program === cached && !existsSync(cached)) continue;
    const modules = await modulesOf(program, environment);
    if (MODULES.every((name) => modules.includes(name))) return { program, modules };
    if (program === told) throw new Error(`PYTHON_READERS: ${told} lacks ${lackOf(modules)}`);
  }
  return null;
}

/**
 * The Python of these tests, or null with the reason printed. Where they are required, with GAN_REQUIRE_PYTHON_READERS, its
 * lack is an error.
 */
export async function pythonForTests(environment: NodeJS.ProcessEnv = process.env): Promise<Python | null> {
  const found = await findPython(environment);
  if (found !== null) return found;
  const reason = `no Python with ${MODULES.join(', ')} (npx tsx tests/integration/export/python/fetch.ts fetches Debian's)`;
  if ((environment['GAN_REQUIRE_PYTHON_READERS'] ?? '') !== '') throw new Error(reason);
  console.warn(`The tests with Python's readers are skipped: ${reason}.`);
  return null;
}

const lackOf = (modules: readonly string[]): string =>
  MODULES.filter((name) => !modules.includes(name)).join(', ');

/** None where there is no such program, or it does not run. */
async function modulesOf(program: string, environment: NodeJS.ProcessEnv): Promise<string[]> {
  const run = runCommand(program, ['-c', PROBE, ...MODULES, ...OPTIONAL_MODULES], {
    timeoutMs: PROBE_TIMEOUT_MS,
    environment,
  });
  return (await run.catch(() => '')).trim().split(/\s+/);
}
