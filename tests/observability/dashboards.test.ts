import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as units from '@grafana/grafana-foundation-sdk/units';
import { describe, expect, it } from 'vitest';
import { dashboardFiles, expressionsOf, GRAFANA_FOLDER, isRow, panelsOf } from './dashboards.js';
import { exposedSeries } from './exposed-metrics.js';
import { loadedRules } from './loaded-rules.js';
import { selectorsOf } from './promql-names.js';
import { schemaErrors } from './schema-check.js';

const COLUMNS = 24;
/** Grid rows of a laptop's screen, 900 pixels high, below Grafana's and the browser's bars. */
const SCREEN_ROWS = 19;
/** Labels that Prometheus itself gives, and those of its own series. */
const TARGET_LABELS = ['job', 'instance'];
const OWN_SERIES: Readonly<Record<string, readonly string[]>> = {
  up: [],
  ALERTS: ['alertname', 'alertstate', 'severity'],
};
/** Those that bring rows and columns of a table into shape. */
const TRANSFORMATIONS = ['organize', 'groupingToMatrix'];

const read = (path: string): string => readFileSync(join(GRAFANA_FOLDER, path), 'utf8');

describe('the dashboards', () => {
  it('fit the types that Grafana publishes', () => {
    expect(schemaErrors(Object.fromEntries(dashboardFiles.map(({ name, text }) => [name, text])))).toEqual(
      [],
    );
  });

  it('would be refused with a property, a value or a type that Grafana does not know', () => {
    const { text } = dashboardFiles[0]!;
    const broken = {
      property: text.replace('"legendFormat"', '"legendFormt"'),
      value: text.replace('"showPoints": "never"', '"showPoints": "newer"'),
      type: text.replace('"schemaVersion": 39', '"schemaVersion": "39"'),
      missing: text.replace(/"textMode": "\w+",/, ''),
      override: text.replace('"id": "custom.lineStyle"', '"id": "custom.lineStile"'),
      datasource: text.replace('"uid": "gan-prometheus"', '"uid": "prometheus"'),
    };
    const errors = schemaErrors(broken);
    for (const name of Object.keys(broken))
      expect(
        errors.filter((error) => error.startsWith(`${name}:`)),
        name,
      ).not.toEqual([]);
  });

  it('have uids of their own, and tell each other apart by them', () => {
    expect(dashboardFiles.map(({ dashboard }) => dashboard.uid)).toEqual(['gan-cluster', 'gan-training']);
  });
});

describe.each(dashboardFiles)('$name', (file) => {
  const { dashboard } = file;
  const panels = panelsOf(dashboard);

  it('is refreshed with each scrape, shows the last minutes, and one crosshair in all panels', () => {
    expect(dashboard).toMatchObject({ refresh: '5s', time: { from: 'now-15m', to: 'now' }, graphTooltip: 1 });
  });

  it('has an id of its own for each panel and row', () => {
    const ids = [
      ...dashboard.panels.map(({ id }) => id),
      ...dashboard.panels.filter(isRow).flatMap((row) => row.panels.map(({ id }) => id)),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(panels)(
    'tells what "$title" shows, and in which unit',
    ({ title, description, fieldConfig, targets, transformations }) => {
      expect(title).toMatch(/^\p{Lu}/u);
      expect(title, 'a statement, no word alone').toMatch(/ /);
      expect(description).toMatch(/^\p{Lu}.*\.$/su);
      expect(Object.values(units)).toContain(fieldConfig.defaults.unit);
      expect(targets.map(({ refId }) => refId)).toEqual([...'ABCDEF'].slice(0, targets.length));
      for (const { id } of transformations ?? []) expect(TRANSFORMATIONS).toContain(id);
    },
  );

  it('names each series in the legend of a graph', () => {
    for (const { type, targets, title } of panels)
      if (type === 'timeseries' || type === 'state-timeline')
        for (const { legendFormat } of targets) expect(legendFormat, title).toMatch(/\w/);
  });

  it('places nothing outside of the grid, and no two panels in one place', () => {
    const overlapping = [
      dashboard.panels,
      ...dashboard.panels.filter(isRow).map((row) => row.panels),
    ].flatMap((placed) =>
      placed.flatMap((a, i) =>
        placed
          .slice(i + 1)
          .flatMap((b) => (overlap(a.gridPos, b.gridPos) ? [`${a.title} and ${b.title}`] : [])),
      ),
    );
    expect(overlapping).toEqual([]);
    for (const { gridPos, title } of [...dashboard.panels, ...panels])
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(COLUMNS);
  });

  it('shows the figures and the two main graphs on a laptop without scrolling', () => {
    const first = dashboard.panels.slice(0, 8);
    for (const { gridPos, title } of first)
      expect(gridPos.y + gridPos.h, title).toBeLessThanOrEqual(SCREEN_ROWS);
  });

  it('draws ring epochs, by reason, into the graphs', () => {
    for (const { expr, target, step } of dashboard.annotations.list) {
      // Grafana reads `target`; older ones the two beside it.
      expect({ expr, step }).toEqual({ expr: target.expr, step: target.interval });
      expect(expr).toContain('gan_ring_epochs_total');
    }
    expect(dashboard.annotations.list).toHaveLength(1);
  });
});

describe('what dashboards and rules ask for', () => {
  const rules = loadedRules();

  it('is exposed by the code, with these labels, or recorded by a rule', () => {
    const series = exposedSeries();
    const recorded = new Set(
      rules()
        .filter(({ type }) => type === 'recording')
        .map(({ name }) => name),
    );
    const asked = [
      ...dashboardFiles.flatMap(expressionsOf),
      ...rules().map(({ name, query }) => ({ where: name, expr: query })),
    ];
    const unknown = asked.flatMap(({ where, expr }) =>
      selectorsOf(expr).flatMap(({ name, labels }) => {
        const known = series.get(name) ?? OWN_SERIES[name];
        if (known === undefined) return recorded.has(name) ? [] : [`${where}: ${name}`];
        const fitting = new Set([...known, ...TARGET_LABELS]);
        return labels.filter((label) => !fitting.has(label)).map((label) => `${where}: ${name}{${label}}`);
      }),
    );
    expect(asked.length).toBeGreaterThan(50);
    expect(unknown).toEqual([]);
  });

  it('leaves no recording rule unused', () => {
    const used = new Set(
      [...dashboardFiles.flatMap(expressionsOf).map(({ expr }) => expr), ...rules().map(({ query }) => query)]
        .flatMap(selectorsOf)
        .map(({ name }) => name),
    );
    const unused = rules().filter(({ type, name }) => type === 'recording' && !used.has(name));
    expect(unused.map(({ name }) => name)).toEqual([]);
  });
});

describe('what Grafana is provisioned with', () => {
  it("is the data source that the panels name, at compose's Prometheus", () => {
    const source = read('provisioning/datasources/prometheus.yml');
    expect(source).toContain('uid: gan-prometheus\n');
    expect(source).toContain('url: http://prometheus:9090\n');
    expect(source).toContain('timeInterval: 5s\n');
  });

  it('is the folder of dashboards', () => {
    expect(read('provisioning/dashboards/gan-cluster.yml')).toContain('path: /etc/grafana/gan-dashboards\n');
  });
});

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

const overlap = (a: Place, b: Place): boolean =>
  a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
