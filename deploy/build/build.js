#!/usr/bin/env node
// Builds what ships into dist: the WebAssembly kernels, the TypeScript, the live page. Plain JavaScript, because it runs
// first.
//   node deploy/build/build.js              always builds (tsc is incremental)
//   node deploy/build/build.js --if-stale   only when a source is newer than the last build
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const stamp = join(root, 'dist', '.built');
const sources = [
  'proto',
  'coordinator',
  'worker',
  'deploy',
  'dashboards/live-page',
  'tsconfig.json',
  'package.json',
  'package-lock.json',
];

/** Newest modification time below `path`, in milliseconds. */
function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function isStale() {
  if (!existsSync(stamp)) return true;
  const built = statSync(stamp).mtimeMs;
  return sources.some((name) => newest(join(root, name)) > built);
}

function run(tool, args) {
  execFileSync(process.execPath, [tool, ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
}

/** One script and one style sheet, nothing that a browser would have to fetch elsewhere. */
async function bundleLivePage(require) {
  const licence = readFileSync(join(dirname(require.resolve('uplot/package.json')), 'LICENSE'), 'utf8');
  const banner = `/*! Holds uPlot.\n${licence}*/`;
  const from = join(root, 'dashboards', 'live-page');
  const to = join(root, 'dist', 'dashboards', 'live-page');
  const { build } = await import('esbuild');
  await build({
    entryPoints: [
      { in: join(from, 'main.ts'), out: 'page' },
      { in: join(from, 'page.css'), out: 'page' },
    ],
    outdir: to,
    absWorkingDir: root,
    bundle: true,
    minify: true,
    sourcemap: false,
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    banner: { js: banner, css: banner },
    logLevel: 'warning',
  });
  copyFileSync(join(from, 'index.html'), join(to, 'index.html'));
}

if (!process.argv.includes('--if-stale') || isStale()) {
  const startedAt = Date.now();
  console.error('Building gan-cluster into dist ...');
  const require = createRequire(import.meta.url);
  mkdirSync(join(root, 'dist', 'worker', 'kernels'), { recursive: true });
  try {
    run(join(dirname(require.resolve('assemblyscript/package.json')), 'bin', 'asc.js'), [
      'worker/kernels/assembly/index.ts',
      '--config',
      'worker/kernels/assembly/asconfig.json',
      '--target',
      'release',
    ]);
    run(join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc'), ['-p', '.']);
    await bundleLivePage(require);
    // npx starts the command as a program; npm makes it one only where it installs the package.
    chmodSync(join(root, 'dist', 'deploy', 'cli', 'main.js'), 0o755);
  } catch (error) {
    const told = 'status' in error || 'errors' in error; // by the tool itself
    if (!told) console.error(error);
    process.exit(1);
  }
  writeFileSync(stamp, '');
  console.error(`Built in ${((Date.now() - startedAt) / 1000).toFixed(1)} s.`);
}
