import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand } from '../../../../deploy/nats-server/command.js';
import { aptConfiguration, mirrorOf, parseOsRelease } from '../../../../deploy/nats-server/debian-package.js';
import { makeFolder } from '../../../../proto/runtime/make-folder.js';
import { MODULES } from './find-python.js';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const TIMEOUT_MS = 300_000;

/**
 * Debian 13's Python with the readers (older Debians lack some), unpacked into the folder `into`, with its own C library, so
 * that it runs beside any: nothing is installed and nothing needs root. `into/python3` is the program. As with nats-server
 * Debian's apt fetches and checks the packages, with lists of its own.
 */
export async function fetchDebianPython(into: string, environment: NodeJS.ProcessEnv): Promise<void> {
  makeFolder(dirname(into));
  const work = mkdtempSync(`${into}-`);
  try {
    await download(work, environment);
    const archives = join(work, 'cache/archives');
    for (const file of readdirSync(archives).filter((name) => name.endsWith('.deb'))) {
      await runCommand('dpkg-deb', ['-x', join(archives, file), join(work, 'tree')], {
        timeoutMs: TIMEOUT_MS,
      });
    }
    writeFileSync(join(work, 'tree/python3'), launcherOf(join(work, 'tree')), { mode: 0o755 });
    rmSync(into, { recursive: true, force: true });
    renameSync(join(work, 'tree'), into);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function download(work: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const release = parseOsRelease(readFileSync('/etc/os-release', 'utf8'));
  if (release === null) throw new Error('this is not Debian: name a Python of your own by PYTHON_READERS');
  for (const folder of ['lists/partial', 'cache/archives/partial', 'tree']) {
    mkdirSync(join(work, folder), { recursive: true });
  }
  const run = (command: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<string> =>
    runCommand(command, args, {
      timeoutMs: TIMEOUT_MS,
      environment: { ...environment, LC_ALL: 'C', ...more },
    });
  const lists = `Dir::State::Lists=${join(work, 'lists')}`;
  const mirror = mirrorOf(await run('apt-get', ['--print-uris', '-o', lists, 'update']), release.codename);
  if (mirror === null) throw new Error(`apt's sources name no mirror for ${release.codename}`);
  const signedBy = existsSync(KEYRING) ? ` [signed-by=${KEYRING}]` : '';
  writeFileSync(join(work, 'sources.list'), `deb${signedBy} ${mirror} ${release.suite} main\n`);
  // By an empty status file nothing is installed, so all that the packages need comes with them.
  writeFileSync(join(work, 'status'), '');
  const configuration = [
    aptConfiguration(await run('apt-config', ['dump']), work),
    `Dir::State::Status "${join(work, 'status')}";`,
    'APT::Install-Recommends "false";',
    'APT::Update::Error-Mode "any";',
    '',
  ];
  writeFileSync(join(work, 'apt.conf'), configuration.join('\n'));
  const apart = { APT_CONFIG: join(work, 'apt.conf') };
  await run('apt-get', ['-qq', 'update'], apart);
  const packages = MODULES.map((name) => `python3-${name}`);
  await run('apt-get', ['-qq', '-y', '--download-only', 'install', ...packages], apart);
}

/** Starts the tree's Python by the tree's own loader. */
function launcherOf(tree: string): string {
  const [loader] = readdirSync(join(tree, 'usr/lib'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    /^[^/]+-linux-gnu[^/]*\/ld-linux-[^/]+\.so\.\d+$/.test(name),
  );
  if (loader === undefined) throw new Error('the packages hold no loader for programs');
  return `#!/bin/sh
tree=$(cd "$(dirname "$0")" && pwd)
libraries=$tree/usr/lib/${dirname(loader)}
exec "$tree/usr/lib/${loader}" --library-path "$libraries:$libraries/blas:$libraries/lapack:$tree/usr/lib" \\
  "$tree/usr/bin/python3" "$@"
`;
}
