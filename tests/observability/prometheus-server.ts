import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { z } from 'zod';
import { freePort } from '../chaos/free-port.js';
import { lasting } from '../chaos/pulse.js';

const START_WITHIN_MS = 30_000;
const POLL_MS = 100;

const sample = z.tuple([z.number(), z.string()]);
const series = z.object({
  metric: z.record(z.string(), z.string()),
  value: sample.optional(),
  values: z.array(sample).optional(),
});
const result = z.object({ result: z.array(series) });
const rule = z.object({
  type: z.enum(['recording', 'alerting']),
  name: z.string(),
  query: z.string(),
  health: z.string(),
  lastError: z.string().optional(),
  duration: z.number().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
const groups = z.object({ groups: z.array(z.object({ name: z.string(), rules: z.array(rule) })) });
const targets = z.object({
  activeTargets: z.array(
    z.object({ labels: z.record(z.string(), z.string()), health: z.string(), lastError: z.string() }),
  ),
});
const answer = z.object({
  status: z.string(),
  error: z.string().optional(),
  data: z.unknown().optional(),
});

export type Series = z.infer<typeof series>;
/** A rule as Prometheus has read it. */
export type Rule = z.infer<typeof rule>;
export type Target = z.infer<typeof targets>['activeTargets'][number];

/** Values of a series, those that are no number left out. */
export const numbersOf = ({ value, values }: Series): number[] =>
  [...(values ?? []), ...(value === undefined ? [] : [value])]
    .map(([, text]) => Number(text))
    .filter((number) => !Number.isNaN(number));

/** A Prometheus of our own, on a port of its own. */
export class PrometheusServer {
  private log = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
  ) {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.log += text));
  }

  /** @param folder holds prometheus.yml and the rules; the data goes there, too */
  static async start(binary: string, folder: string): Promise<PrometheusServer> {
    const port = await freePort();
    const flags = {
      '--config.file': join(folder, 'prometheus.yml'),
      '--storage.tsdb.path': join(folder, 'data'),
      '--web.listen-address': `127.0.0.1:${port}`,
      '--log.level': 'warn',
    };
    const words = Object.entries(flags).map(([flag, value]) => `${flag}=${value}`);
    const child = spawn(binary, words, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    process.once('exit', () => child.kill('SIGKILL'));
    const failed = new Promise<never>((_, reject) => child.once('error', reject));
    failed.catch(() => undefined);
    const server = new PrometheusServer(child, port);
    await Promise.race([server.ready(), failed]);
    return server;
  }

  private async ready(): Promise<void> {
    for (const sinceMs = Date.now(); Date.now() - sinceMs < START_WITHIN_MS; await lasting(POLL_MS)) {
      if (this.child.exitCode !== null) break;
      const response = await fetch(`http://127.0.0.1:${this.port}/-/ready`).catch(() => null);
      if (response?.ok === true) return;
    }
    this.child.kill('SIGKILL');
    throw new Error(`Prometheus did not come up: ${this.log}`);
  }

  /** @param atS Unix time in s; now, if it is absent */
  async query(expr: string, atS?: number): Promise<Series[]> {
    const time: Record<string, string> = atS === undefined ? {} : { time: String(atS) };
    return result.parse(await this.ask('query', { query: expr, ...time })).result;
  }

  async queryRange(expr: string, startS: number, endS: number, stepS: number): Promise<Series[]> {
    const range = { start: String(startS), end: String(endS), step: String(stepS) };
    return result.parse(await this.ask('query_range', { query: expr, ...range })).result;
  }

  async labelValues(label: string, selector: string): Promise<string[]> {
    return z.array(z.string()).parse(await this.ask(`label/${label}/values`, { 'match[]': selector }));
  }

  async rules(): Promise<Rule[]> {
    return groups.parse(await this.ask('rules', {})).groups.flatMap(({ rules }) => rules);
  }

  async targets(): Promise<Target[]> {
    return targets.parse(await this.ask('targets', {})).activeTargets;
  }

  /** Resolves with the answer once there is one. */
  async until(expr: string, withinMs: number): Promise<Series[]> {
    const sinceMs = Date.now();
    for (;;) {
      const found = await this.query(expr);
      if (found.length > 0) return found;
      if (Date.now() - sinceMs > withinMs)
        throw new Error(`an answer to ${expr} was expected within ${withinMs / 1000} s`);
      await lasting(POLL_MS);
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await ended;
  }

  private async ask(path: string, parameters: Record<string, string>): Promise<unknown> {
    const query = new URLSearchParams(parameters).toString();
    const response = await fetch(`http://127.0.0.1:${this.port}/api/v1/${path}?${query}`);
    const { status, error, data } = answer.parse(await response.json());
    if (status !== 'success') throw new Error(`${JSON.stringify(parameters)}: ${error ?? response.status}`);
    return data;
  }
}
