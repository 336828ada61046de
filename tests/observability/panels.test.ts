import { connect as connectSocket } from 'node:net';
import { connect } from 'nats';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { CLUSTER } from '../chaos/command-lines.js';
import { dashboardFiles, labelValuesOf, queriesOf, type PlacedQuery } from './dashboards.js';
import { interpolate, type Chosen } from './grafana-query.js';
import { ObservedRun } from './observed-run.js';
import { numbersOf, PrometheusServer, type Rule, type Series } from './prometheus-server.js';

interface Span {
  readonly startS: number;
  readonly endS: number;
}

const STEP_S = 5;
const WITHIN_MS = 120_000;
const STEADY = 'count_over_time(run:gan_scaling_efficiency:ratio30s[30s]) > 3';
const FIRES = 'ALERTS{alertname="GanWorkersMissing",alertstate="firing"}';
const JOINED = 'count_over_time(worker:gan_bus_bandwidth:bytes_per_second30s{worker="worker-3"}[20s]) > 2';

/**
 * Panels that show nothing in a healthy run, and what fills them. All of it happens in the run of this test, so that none of
 * them may be empty here.
 */
const EMPTY_WHEN_HEALTHY: Readonly<Record<string, string>> = {
  'Alerts that fire, over time': 'a worker is lost',
  'Slowest recovery from a fault': 'a worker is lost',
  'Recovery from faults: median and slowest': 'a worker is lost',
  'Peers refused at the ring ports, by reason': 'somebody sends garbage to the port of a ring',
  'Control messages dropped, by reason and by whom': 'somebody sends garbage over NATS',
};

/** Alerts whose expressions find nothing in this run, and what makes them; shown to fire by the cases in rules/. */
const NO_CAUSE_HERE: Readonly<Record<string, string>> = {
  GanCoordinatorDown: 'the coordinator is gone',
  GanRunStalled: 'no step is committed for minutes',
  GanCheckpointTooOld: 'no checkpoint can be stored',
  GanReplicaMismatch: 'a bit of a replica flips',
  GanRingEpochsTooOften: 'four faults in five minutes',
  GanStraggler: 'a worker computes slower than the others',
  GanLossNotFinite: 'a gradient is not finite',
  GanDiscriminatorWon: 'D(x) near 1 and D(G(z)) near 0 for minutes',
  GanDiscriminatorCollapsed: 'D(x) no higher than D(G(z)) for minutes',
};
/** Its expression is true for a moment when workers wait for the first, or more time than that for each other. */
const MAY_STIR: readonly string[] = ['GanRunStalled', 'GanStraggler'];

describe('a real run in which a worker is lost and one joins', () => {
  let run: ObservedRun;
  let server: PrometheusServer;
  let rules: Rule[];
  let whole: Span;
  /** Until something was done to it. */
  let healthy: Span;
  const nowS = (): number => Date.now() / 1000;

  beforeAll(async () => {
    run = await ObservedRun.start(3);
    server = await PrometheusServer.start(inject('prometheusPrograms').prometheus, run.configFolder);
    const startS = nowS();
    await server.until(STEADY, WITHIN_MS);
    healthy = { startS, endS: nowS() };
    await run.kill('worker-2');
    await sendGarbage(run);
    await server.until(FIRES, WITHIN_MS);
    await run.startWorker('worker-3');
    await server.until(JOINED, WITHIN_MS);
    rules = await server.rules();
    whole = { startS, endS: nowS() };
  });
  afterAll(async () => {
    await server?.stop();
    await run?.close();
  });

  const rangeOf = (expr: string, { startS, endS }: Span = whole): Promise<Series[]> =>
    server.queryRange(expr, startS, endS, STEP_S);
  const show = async (
    { query }: PlacedQuery,
    variables: Record<string, Chosen>,
    span: Span = whole,
  ): Promise<Series[]> => {
    const { startS, endS } = span;
    const expr = interpolate(query.expr, { stepS: STEP_S, rangeS: endS - startS }, variables);
    return query.instant === true ? server.query(expr, endS) : rangeOf(expr, span);
  };

  it('is scraped, all of it', async () => {
    const targets = await server.targets();
    // Prometheus asks itself, too, at the port that it has in compose.
    const own = targets.filter(({ labels }) => labels['job'] !== 'prometheus');
    expect(own.map(({ labels, health }) => `${labels['job']}: ${health}`).sort()).toEqual([
      'gan-coordinator: up',
      ...Array.from({ length: 3 }, () => 'gan-workers: up'),
    ]);
  });

  it('fires the alert of missing workers, and no other', async () => {
    const fired = await rangeOf('ALERTS{alertstate="firing"}');
    expect([...new Set(fired.map(({ metric }) => metric['alertname']))]).toEqual(['GanWorkersMissing']);
  });

  for (const placed of dashboardFiles.flatMap(queriesOf))
    it(`fills ${placed.where}`, async () => {
      const { expr } = placed.query;
      const all = await show(placed, { worker: 'all' });
      expect(all.flatMap(numbersOf), expr).not.toEqual([]);
      if (!expr.includes('$worker')) return;
      for (const chosen of [['worker-0'], ['worker-0', 'worker-3']]) {
        const some = await show(placed, { worker: chosen });
        const names = new Set(some.map(({ metric }) => metric['worker']));
        expect([...names].sort(), expr).toEqual(chosen);
      }
    });

  it('left nothing empty while all was well but what only a fault fills', async () => {
    const empty = new Set<string>();
    const titles = new Set<string>();
    for (const placed of dashboardFiles.flatMap(queriesOf)) {
      titles.add(placed.panel.title);
      const shown = (await show(placed, { worker: 'all' }, healthy)).flatMap(numbersOf);
      if (shown.length === 0) empty.add(placed.panel.title);
    }
    const named = Object.keys(EMPTY_WHEN_HEALTHY);
    expect([...empty].filter((title) => !named.includes(title))).toEqual([]);
    expect(named.filter((title) => !titles.has(title))).toEqual([]);
  });

  it.each(dashboardFiles)('marks the ring epochs in $name by their reasons', async ({ dashboard }) => {
    for (const { target } of dashboard.annotations.list) {
      const marks = await rangeOf(
        interpolate(target.expr, { stepS: STEP_S, rangeS: whole.endS - whole.startS }, {}),
      );
      expect(marks.map(({ metric }) => metric['reason'])).toEqual(expect.arrayContaining(['lost', 'join']));
      // A mark for each, however often it was scraped since.
      for (const mark of marks) expect(numbersOf(mark)).toEqual([1]);
    }
  });

  it('offers the workers to choose from', async () => {
    for (const { dashboard } of dashboardFiles)
      for (const { name, query } of dashboard.templating.list) {
        expect(name).toBe('worker');
        const { selector, label } = labelValuesOf(query.query);
        expect(await server.labelValues(label, selector)).toEqual([
          'worker-0',
          'worker-1',
          'worker-2',
          'worker-3',
        ]);
      }
  });

  it('has values for each recording rule', async () => {
    for (const { name, query } of rules.filter(({ type }) => type === 'recording')) {
      expect((await rangeOf(query)).flatMap(numbersOf), query).not.toEqual([]);
      expect((await rangeOf(name)).flatMap(numbersOf), name).not.toEqual([]);
    }
  });

  it('can be asked for each alert, and has none without a cause', async () => {
    const alerts = rules.filter(({ type }) => type === 'alerting');
    expect(alerts.map(({ name }) => name).sort()).toEqual(
      ['GanWorkersMissing', ...Object.keys(NO_CAUSE_HERE)].sort(),
    );
    for (const { name, query, health, lastError } of alerts) {
      expect({ name, health, lastError }).toMatchObject({ health: 'ok' });
      const found = (await rangeOf(query)).flatMap(numbersOf);
      if (name === 'GanWorkersMissing') expect(found).not.toEqual([]);
      else if (!MAY_STIR.includes(name)) expect(found, name).toEqual([]);
    }
  });

  it('adds up: shares to 1, and no efficiency beyond it', async () => {
    for (const name of ['worker:gan_phase_share:ratio30s', 'run:gan_phase_share:ratio30s'])
      for (const sum of (await rangeOf(`sum without (phase) (${name})`)).flatMap(numbersOf))
        expect(sum).toBeCloseTo(1, 6);
    for (const efficiency of (await rangeOf('run:gan_scaling_efficiency:ratio30s')).flatMap(numbersOf)) {
      expect(efficiency).toBeGreaterThan(0);
      expect(efficiency).toBeLessThanOrEqual(1.001);
    }
  });
});

/** Bytes that no worker sends, to a ring's port, to the coordinator and to the workers. */
async function sendGarbage(run: ObservedRun): Promise<void> {
  const { ring, workerId } = run.helloOf('worker-0');
  await new Promise<void>((resolve, reject) => {
    const socket = connectSocket(ring.port, ring.host, () => socket.end('this is no handshake\r\n\r\n'));
    socket.once('close', () => resolve()).once('error', reject);
    socket.resume();
  });
  const [user = '', pass = ''] = readFileSync(run.nats.credentialsFile, 'utf8').trim().split(':');
  const connection = await connect({ servers: run.nats.url, user, pass, name: 'garbage' });
  const garbage = new Uint8Array([0xc1, 0xff, 0x00]);
  // Not to topics that the test itself listens to.
  for (const topic of ['up.heartbeat.garbage', `down.${workerId}.settle`])
    connection.publish(`gan.${CLUSTER}.${topic}`, garbage);
  await connection.flush();
  await connection.close();
}
