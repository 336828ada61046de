import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Option } from 'commander';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LENGTH, SPEC_DEFAULTS } from '../../../coordinator/index.js';
import { EVENTS_FILE } from '../../../coordinator/live/index.js';
import { options } from '../../../deploy/cli/options.js';
import { buildProgram } from '../../../deploy/cli/program.js';
import { ENGINE_NAMES, NEVER_ON_HARDWARE } from '../../../worker/index.js';
import { exportGenerator } from '../../../worker/export/index.js';
import { ODD_MODEL, runSpec, STATE_SHA256, trainedModel } from '../export/trained-model.js';

const ROOT = resolve(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const README = read('README.md');
const PAGES = [
  'README.md',
  'ARCHITECTURE.md',
  'tests/bench/README.md',
  'deploy/several-machines.md',
] as const;

/** What the code promises by an option, as README's table of flags tells it. */
interface Flag {
  readonly flags: string;
  readonly environment: string;
  readonly default: string;
  readonly commands: string;
  readonly meaning: string;
}

/** A default that a resumed run replaces is told at the end of the help text only. */
const TOLD_DEFAULT = / \(default: (.+)\)$/;

function defaultOf(option: Option): string {
  if (option.defaultValue !== undefined) return String(option.defaultValue);
  const told = TOLD_DEFAULT.exec(option.description)?.[1];
  return told ?? (option.required ? 'none' : 'off');
}

function flagsOfProgram(): Flag[] {
  const found = new Map<string, Flag>();
  for (const command of buildProgram(() => undefined).commands) {
    for (const option of command.options.filter(({ hidden }) => !hidden)) {
      const flag = {
        flags: option.flags,
        environment: option.envVar ?? '',
        default: defaultOf(option),
        meaning: option.description.replace(TOLD_DEFAULT, ''),
      };
      const key = JSON.stringify(flag);
      const commands = [found.get(key)?.commands, command.name()].filter(Boolean).join(', ');
      found.set(key, { ...flag, commands });
    }
  }
  return [...found.values()];
}

/** Cells of the rows of the table that has this header, backticks taken off cells that are all code. */
function table(page: string, header: readonly string[]): string[][] {
  const cells = (line: string): string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replace(/^`([^`]*)`$/, '$1'));
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith('|') && cells(line).join() === header.join());
  expect(start, `a table with the header ${header.join(', ')}`).toBeGreaterThanOrEqual(0);
  const rest = lines.slice(start + 2);
  const end = rest.findIndex((line) => !line.startsWith('|'));
  return rest.slice(0, end).map(cells);
}

function flagsOfReadme(): Flag[] {
  return table(README, ['flag', 'environment', 'default', 'commands', 'meaning']).map((cells) => {
    const [flags = '', environment = '', byDefault = '', commands = '', meaning = ''] = cells;
    return { flags, environment, default: byDefault, commands, meaning };
  });
}

const keyOf = ({ flags, environment, default: byDefault, commands }: Flag): string =>
  [flags, environment, byDefault, commands].join(' | ');

describe('the flags in README', () => {
  it('are those of the commands, with environment variable, default and commands', () => {
    expect(flagsOfReadme().map(keyOf).sort()).toEqual(flagsOfProgram().map(keyOf).sort());
  });

  it('mean what --help says, and perhaps more', () => {
    const known = new Map(flagsOfReadme().map((flag) => [keyOf(flag), flag.meaning]));
    for (const flag of flagsOfProgram()) expect(known.get(keyOf(flag))).toContain(flag.meaning);
  });

  it('are all options that the command line defines', () => {
    const written = new Set(flagsOfReadme().map(({ flags }) => flags));
    const visible = Object.values(options)
      .map((make): Option => make())
      .filter(({ hidden }) => !hidden);
    expect(visible.map(({ flags }) => flags).filter((flags) => !written.has(flags))).toEqual([]);
  });

  it('are the only ones that README names', () => {
    const long = (flags: string): string => /--[a-z-]+/.exec(flags)?.[0] ?? '';
    const known = new Set(['--help', ...flagsOfProgram().map(({ flags }) => long(flags))]);
    const withoutDocker = README.replaceAll(/`[^`\n]*\bdocker [^`\n]*`|^.*\bdocker compose .*$/gm, '');
    const named = withoutDocker.match(/(?<![\w-])--[a-z][a-z-]*/g) ?? [];
    expect([...new Set(named)].filter((flag) => !known.has(flag))).toEqual([]);
  });

  it('have the defaults that --help tells in words', () => {
    const told = new Map(flagsOfProgram().map((flag) => [flag.flags.split(' ')[0], flag.default]));
    expect({
      seed: told.get('--seed'),
      recipe: told.get('--recipe'),
      shards: told.get('--shards'),
      shardBatch: told.get('--shard-batch'),
      engine: told.get('--engine'),
      length: { epochs: told.get('--epochs') },
    }).toEqual({
      ...Object.fromEntries(Object.entries(SPEC_DEFAULTS).map(([name, value]) => [name, String(value)])),
      length: Object.fromEntries(
        Object.entries(DEFAULT_LENGTH).map(([name, value]) => [name, String(value)]),
      ),
    });
  });
});

const COMPOSE_FILES = readdirSync(join(ROOT, 'deploy')).filter((name) => /^compose[\w.-]*\.yaml$/.test(name));
const MAIN_COMPOSE_FILE = read('deploy/compose.yaml');

/** Variables that a compose file puts in, sorted. */
function settingsOf(compose: string): string[] {
  return [...new Set(compose.match(/(?<=\$\{)GAN_[A-Z_]+/g) ?? [])].sort();
}

describe('README', () => {
  it('names the commands there are', () => {
    const written = table(README, ['command', 'what it does']).flatMap(([names = '']) =>
      names.split(',').map((name) => name.replaceAll('`', '').trim()),
    );
    const commands = buildProgram(() => undefined).commands.map((command) => command.name());
    expect(written.sort()).toEqual(commands.sort());
  });

  it('names the environment variables that the sources read', () => {
    /** Set by the launcher for its own processes, or by tests: not for users. */
    const internal = [
      'GAN_TETHER',
      'GAN_REFUSAL_ENDS_RUN',
      'GAN_AFTER_INTERRUPT',
      'GAN_FAULTS',
      'GAN_FAULTS_FIRED',
    ];
    const variables = (text: string): string[] => text.match(/\bGAN_[A-Z_]*[A-Z]\b/g) ?? [];
    const sources = ['proto', 'coordinator', 'worker', 'deploy'].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .flatMap((name) => variables(read(join(folder, name)))),
    );
    const expected = [...new Set(sources)].filter((name) => !internal.includes(name)).sort();
    const ofContainers = settingsOf(MAIN_COMPOSE_FILE).filter((name) => !expected.includes(name));
    const written = [...new Set(variables(README))].filter((name) => !ofContainers.includes(name));
    expect(written.sort()).toEqual(expected);
  });

  it('leaves no setting of the containers unexplained, and .env.example tells their defaults', () => {
    const told = [...read('.env.example').matchAll(/^#(GAN_[A-Z_]+)=(.*)$/gm)];
    const all = COMPOSE_FILES.flatMap((name) => settingsOf(read(join('deploy', name))));
    const names = told.map(([, name = '']) => name);
    expect(names.filter((name) => !all.includes(name))).toEqual([]);
    expect(settingsOf(MAIN_COMPOSE_FILE).filter((name) => !names.includes(name))).toEqual([]);
    for (const [, name = '', value = ''] of told) {
      const inFiles = [...MAIN_COMPOSE_FILE.matchAll(new RegExp(`\\$\\{${name}(:?[-+?])([^$}]*)`, 'g'))];
      const defaults = inFiles.filter(([, operator]) => operator === ':-').map(([, , found]) => found);
      if (value !== '' && inFiles.length > 0) expect([name, [...new Set(defaults)]]).toEqual([name, [value]]);
    }
  });

  it('or a page beside it explains the settings of the other compose files', () => {
    const explained = README + read('.env.example') + read('deploy/several-machines.md');
    for (const name of COMPOSE_FILES) {
      const text = read(join('deploy', name));
      const comments = text.match(/^ *#.*$/gm)?.join('\n') ?? '';
      expect(settingsOf(text).filter((setting) => !(explained + comments).includes(setting))).toEqual([]);
    }
  });

  it('names the scripts there are', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const text = README + read('tests/bench/README.md');
    const run = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name]) => name);
    const short = [...text.matchAll(/\bnpm (start|test)\b/g)].map(([, name]) => name);
    expect([...new Set([...run, ...short])].sort()).toEqual(Object.keys(scripts).sort());
  });

  it('lists the files that a run writes', async () => {
    const { parameters, statistics } = trainedModel(ODD_MODEL);
    const exported = await exportGenerator({
      spec: runSpec(ODD_MODEL),
      step: 1,
      parameters,
      statistics,
      stateSha256: STATE_SHA256,
      generate: (noise) =>
        Promise.resolve(new Float32Array((noise.length / ODD_MODEL.generator.inputSize) * 64)),
    });
    // The coordinator draws samples.png from these; the other names stand in its calls.
    const generator = exported.map(({ name }) => name).filter((name) => name !== 'samples-idx3-ubyte');
    const own = [...read('coordinator/coordinator.ts').matchAll(/folder\.write\('([^']+)'/g)].map(
      ([, name]) => name,
    );
    expect(own).toContain('history.csv');
    const record = /RUN_FILE = '([^']+)'/.exec(read('coordinator/result-folder.ts'))?.[1];
    const written = table(README, ['file', 'content']).map(([name]) => name);
    expect(written.filter((name) => !name?.endsWith('/')).sort()).toEqual(
      [...new Set([...generator, ...own, record, EVENTS_FILE])].sort(),
    );
  });

  it('lists the engines there are', () => {
    const written = table(README, ['engine', 'runs on', 'state']).map(([name]) => name);
    expect(written.sort()).toEqual([...ENGINE_NAMES].sort());
  });

  it('says which of them have never run on hardware', () => {
    const untried = table(README, ['engine', 'runs on', 'state']).filter(([, , state = '']) =>
      /\bnever (run )?on (hardware|a GPU)\b/.test(state),
    );
    expect(untried.map(([name]) => name).sort()).toEqual([...NEVER_ON_HARDWARE].sort());
  });
});

/** What a heading is linked by. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .trim()
    .replaceAll(' ', '-');

describe.each(PAGES)('links in %s', (page) => {
  const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^https?:/.test(target));

  it('lead to files and headings that exist', () => {
    const broken = links.filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? join(ROOT, page) : join(ROOT, dirname(page), path);
      if (!existsSync(target)) return true;
      if (anchor === undefined) return false;
      const headings = [...readFileSync(target, 'utf8').matchAll(/^#+ (.+)$/gm)];
      return !headings.some(([, heading = '']) => anchorOf(heading) === anchor);
    });
    expect(broken).toEqual([]);
  });
});
