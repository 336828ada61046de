import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { SyntheticDigits } from '../../../coordinator/dataset/index.js';
import { liveMessageSchema, type LiveMessage } from '../../../proto/live.js';
import { GanCluster, ganCluster, readRunFile, temporaryFolder, type Finished } from './gan-cluster.js';

const STEPS = 400;
const SHAPE = ['--data', 'synthetic', '--shards', '2', '--shard-batch', '8', '--steps', String(STEPS)];

/** Losses of a step, as written in history.csv. */
interface Losses {
  readonly discriminator: number;
  readonly generator: number;
}

function historyOf(out: string): Losses[] {
  const [header = '', ...lines] = readFileSync(join(out, 'history.csv'), 'utf8').trim().split('\n');
  const columns = header.split(',');
  const place = (name: string): number => columns.indexOf(name);
  return lines.map((line) => {
    const cells = line.split(',');
    return {
      discriminator: Number(cells[place('discriminator_loss')]),
      generator: Number(cells[place('generator_loss')]),
    };
  });
}

interface Status {
  readonly type: string;
  readonly step: number;
  readonly discriminatorLoss: number | null;
  readonly generatorLoss: number | null;
}

const statusesOf = ({ stdout }: Finished): Status[] =>
  stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Status)
    .filter(({ type, step }) => type === 'status' && step > 0);

const metricOf = (text: string, name: string): number => {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
};

/** The port at which a process of a local cluster tells its metrics: it stands in its log. */
function metricsPortOf(out: string, name: string): number {
  const log = readFileSync(join(out, '.cluster', 'logs', `${name}.log`), 'utf8');
  const line = log.split('\n').find((one) => one.includes('tells its metrics'));
  if (line === undefined) throw new Error(`${name} has not told its port`);
  return (JSON.parse(line) as { port: number }).port;
}

/** A folder with 480 drawn digits. */
function smallDataset(folder: string): string {
  const digits = new SyntheticDigits(1, 480);
  const header = Buffer.alloc(16);
  [0x0803, digits.count, 28, 28].forEach((word, i) => header.writeUInt32BE(word, 4 * i));
  const pixels = new Uint8Array(digits.count * digits.imageSize);
  for (let i = 0; i < digits.count; i++) digits.draw(i, pixels, i * digits.imageSize);
  mkdirSync(folder);
  writeFileSync(join(folder, 'train-images-idx3-ubyte'), Buffer.concat([header, pixels]));
  return folder;
}

const scrape = async (port: number): Promise<string> =>
  (await fetch(`http://127.0.0.1:${port}/metrics`)).text();

describe('a run that is watched', { timeout: 120_000 }, () => {
  it('says the same numbers everywhere: train, watch, /metrics, the live page, history.csv', async () => {
    const out = join(temporaryFolder(), 'run');
    const run = new GanCluster(['train', ...SHAPE, '--out', out, '--sample-every', '100', '--json']);
    await run.printed('"phase":"training","step":');
    const watching = ganCluster(['watch', '--out', out, '--json']);
    const url = /live page: (http:\S+?)"/.exec(run.output)?.[1] ?? '';
    const page = new WebSocket(`${url.replace('http', 'ws')}live`);
    const told: LiveMessage[] = [];
    page.on('message', (data: Buffer) => told.push(liveMessageSchema.parse(JSON.parse(data.toString()))));
    const port = await vi.waitFor(() => metricsPortOf(out, 'coordinator'), 10_000);
    const scrapes: string[] = [];
    let over = false;
    void run.finished.then(() => (over = true));
    while (!over) {
      const text = await scrape(port).catch(() => null); // it may end meanwhile
      if (text !== null && metricOf(text, 'gan_step') > 0) scrapes.push(text);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const [trained, watched] = await Promise.all([run.finished, watching]);
    expect(trained.status).toBe(0);
    expect(watched.status).toBe(0);

    const history = historyOf(out);
    expect(history).toHaveLength(STEPS);
    const numbers = [
      ...[...statusesOf(trained), ...statusesOf(watched)].map((status) => ({
        step: status.step,
        losses: { discriminator: status.discriminatorLoss, generator: status.generatorLoss },
      })),
      ...scrapes.map((text) => ({
        step: metricOf(text, 'gan_step'),
        losses: {
          discriminator: metricOf(text, 'gan_discriminator_loss'),
          generator: metricOf(text, 'gan_generator_loss'),
        },
      })),
      ...told.flatMap((message) =>
        message.kind === 'now' && message.status.step > 0
          ? [
              {
                step: message.status.step,
                losses: {
                  discriminator: message.status.discriminatorLoss,
                  generator: message.status.generatorLoss,
                },
              },
            ]
          : [],
      ),
    ];
    expect(scrapes.length).toBeGreaterThan(3);
    expect(statusesOf(watched).length).toBeGreaterThan(3);
    expect(told.filter(({ kind }) => kind === 'now').length).toBeGreaterThan(3);
    for (const { step, losses } of numbers) expect(losses).toEqual(history[step - 1]);
    const last = scrapes.at(-1) ?? '';
    expect(metricOf(last, 'gan_steps_total')).toBe(metricOf(last, 'gan_step'));
    expect(told.at(-1)).toMatchObject({ kind: 'ended', outcome: 'done' });
  });

  it('draws the same grids with one worker and with three, and however it comes to its end', async () => {
    const folder = temporaryFolder();
    const gridsOf = (out: string): Record<string, string> =>
      Object.fromEntries(
        readdirSync(join(out, 'samples')).map((name) => [
          name,
          readFileSync(join(out, 'samples', name)).toString('base64'),
        ]),
      );
    const one = join(folder, 'one');
    const data = smallDataset(join(folder, 'data'));
    // 20 steps a pass
    const shape = [
      '--data',
      data,
      '--shards',
      '3',
      '--shard-batch',
      '8',
      '--steps',
      '210',
      '--sample-every',
      '50',
    ];
    expect((await ganCluster(['train', ...shape, '--out', one, '--workers', '1'])).status).toBe(0);
    expect(Object.keys(gridsOf(one))).toHaveLength(10);

    const three = join(folder, 'three');
    const run = new GanCluster(['train', ...shape, '--out', three, '--workers', '3', '--json']);
    await run.printed('"phase":"training","step":');
    run.interrupt();
    expect((await run.finished).status).toBe(130);
    expect(
      (await ganCluster(['train', '--resume', '--data', data, '--out', three, '--workers', '2'])).status,
    ).toBe(0);
    expect(gridsOf(three)).toEqual(gridsOf(one));
    for (const name of ['losses.png', 'progress.gif'])
      expect(readRunFile(three).files.map((file) => file.name)).toContain(name);
  });
});

describe('watching', { timeout: 120_000 }, () => {
  it('what is not there says so in one line', async () => {
    const out = join(temporaryFolder(), 'none');
    const { status, stderr } = await ganCluster(['watch', '--out', out]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: --out: no cluster is running in [^\n]+\n$/);
  });

  it('on a port that is taken is refused before anything is made', async () => {
    const folder = temporaryFolder();
    const first = new GanCluster(['train', ...SHAPE, '--out', join(folder, 'a'), '--json']);
    await first.printed('live page: ');
    const port = /live page: http:\/\/127\.0\.0\.1:(\d+)/.exec(first.output)?.[1] ?? '';
    await vi.waitFor(() => metricsPortOf(join(folder, 'a'), 'coordinator'), 20_000);
    await first.printed('"phase":"training"');
    const out = join(folder, 'b');
    const { status, stderr } = await ganCluster(['train', ...SHAPE, '--out', out, '--http-port', port]);
    expect(status).toBe(2);
    expect(stderr).toMatch(new RegExp(`^error: --http-port: .* 127.0.0.1:${port} is taken[^\\n]*\\n$`));
    expect(() => readdirSync(out)).toThrow('ENOENT');
    first.interrupt();
    expect((await first.finished).status).toBe(130);
  });
});
