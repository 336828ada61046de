import { describe, expect, it } from 'vitest';
import { renderConfig } from '../../../deploy/nats-server/config.js';
import { aptConfiguration, mirrorOf, parseOsRelease } from '../../../deploy/nats-server/debian-package.js';
import { startError } from '../../../deploy/nats-server/failure.js';
import { goPlatform } from '../../../deploy/nats-server/release-archive.js';
import { isNewEnough, parseVersion } from '../../../deploy/nats-server/version.js';
import { UsageError } from '../../../proto/index.js';

describe('version', () => {
  it.each([
    ['nats-server: v2.9.10', false],
    ['nats-server: v2.10.0', true],
    ['nats-server: v2.10.27\n', true],
    ['nats-server: v2.12.0-dev', true],
    ['nats-server: v3.0.1', true],
    ['nats-server: v1.99.1', false],
  ])('%s is new enough: %s', (output, expected) => {
    const version = parseVersion(output);
    expect(version !== null && isNewEnough(version)).toBe(expected);
  });

  it.each(['', 'v2.10.27', 'nats-server: latest', 'gnatsd 1.4.1'])(
    'does not take %o for a version',
    (output) => {
      expect(parseVersion(output)).toBeNull();
    },
  );
});

describe("Debian's package", () => {
  const release = (id: string, codename: string, version: string): string =>
    `PRETTY_NAME="X"\nNAME="X"\n${version}VERSION_CODENAME=${codename}\nID=${id}\nHOME_URL="https://x/"\n`;

  it.each([
    [release('debian', 'bookworm', 'VERSION_ID="12"\n'), { codename: 'bookworm', suite: 'trixie' }],
    [release('debian', 'trixie', 'VERSION_ID="13"\n'), { codename: 'trixie', suite: 'trixie' }],
    [release('debian', 'forky', 'VERSION_ID="14"\n'), { codename: 'forky', suite: 'forky' }],
    [release('debian', 'sid', ''), { codename: 'sid', suite: 'trixie' }],
    [release('ubuntu', 'noble', 'VERSION_ID="24.04"\nID_LIKE=debian\n'), null],
    ['ID=alpine\n', null],
    ['', null],
  ])('takes it from the first release that has it new enough', (text, expected) => {
    expect(parseOsRelease(text)).toEqual(expected);
  });

  it('finds the mirror among what apt would fetch', () => {
    const printed = [
      "'https://example.org/node/dists/bookworm/InRelease' a 0",
      "'cdrom://disc/dists/bookworm/InRelease' b 0",
      "'http://mirror.example.org/debian/dists/bookworm-updates/InRelease' c 0",
      "'http://mirror.example.org/debian/dists/bookworm/InRelease' d 0 ",
      '',
    ];
    expect(mirrorOf(printed.slice(1).join('\n'), 'bookworm')).toBe('http://mirror.example.org/debian');
    expect(mirrorOf(printed.slice(1, 3).join('\n'), 'bookworm')).toBeNull();
  });

  it("keeps the machine's proxy and drops its hooks, preferences and folders", () => {
    const dump = [
      'APT::Default-Release "bookworm";',
      'APT::Update::Post-Invoke:: "rm -f /x";',
      'Acquire::http::Proxy "http://proxy:3128";',
      'Acquire::Languages:: "de";',
      'Dir::Etc::SourceParts "sources.list.d";',
    ].join('\n');
    const text = aptConfiguration(dump, '/fetch');
    expect(text).toContain('Acquire::http::Proxy "http://proxy:3128";');
    expect(text).toContain('Dir::State::Lists "/fetch/lists";');
    expect(text).not.toMatch(/Post-Invoke|Default-Release|sources\.list\.d|"de"/);
  });
});

it('names platforms as the archives do', () => {
  expect(goPlatform('linux', 'x64')).toBe('linux-amd64');
  expect(goPlatform('darwin', 'arm64')).toBe('darwin-arm64');
  expect(goPlatform('linux', 'riscv64')).toBe('linux-riscv64');
});

describe('configuration', () => {
  const config = {
    port: 0,
    user: 'u',
    password: 'p',
    portsFolder: '/a "b" \\c',
    pidFile: '/p',
    logFile: '/l',
    jetStreamFolder: '/j',
  };

  it('is for this machine only, asks for a password, and writes through to the disk', () => {
    const text = renderConfig(config);
    expect(text).toContain('host: "127.0.0.1"');
    expect(text).toContain('port: -1\n');
    expect(text).toContain('ports_file_dir: "/a \\"b\\" \\\\c"');
    expect(text).toContain('sync_interval: always');
    expect(text).toContain('max_payload: 1048576');
    expect(text).toContain('password: "p"');
    expect(renderConfig({ ...config, port: 4222 })).toContain('port: 4222\n');
  });

  it('refuses a path that could add a line to it', () => {
    expect(() => renderConfig({ ...config, logFile: '/x"\nhost: "0.0.0.0' })).toThrow(UsageError);
  });
});

describe('a server that could not be started', () => {
  const log = (line: string): string =>
    `[7] 2025/01/01 00:00:00.0 [INF] Starting nats-server\n[7] 2025/01/01 00:00:00.1 ${line}\n`;
  it.each([
    [
      log('[FTL] Error listening on port: 127.0.0.1:4222, "bind: address already in use"'),
      true,
      /port 4222 .* is taken/,
    ],
    [log("[FTL] Can't start JetStream: mkdir /s: permission denied"), true, /\/s cannot be written to/],
    ["EROFS: read-only file system, mkdir '/s'", true, /\/s cannot be written to/],
    ["EEXIST: file already exists, mkdir '/s'", true, /\/s was expected to be a folder/],
    [log('[ERR] write /s/x: no space left on device'), false, /no space is left on the disk of \/s/],
    [log('[FTL] something new'), false, /^nats-server ended with exit status 1: something new$/],
    ['', false, /^nats-server ended with exit status 1$/],
  ])('is told in one line', (said, isUsage, words) => {
    const error = startError({ said, storeFolder: '/s', port: 4222, words: 'ended with exit status 1' });
    expect(error.message).toMatch(words);
    expect(error.message).not.toContain('\n');
    expect(error instanceof UsageError).toBe(isUsage);
  });
});
