import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { GanDashboard, Panel, Query, Row } from './grafana-schema.js';

export const GRAFANA_FOLDER = resolve(import.meta.dirname, '../../dashboards/grafana');
const FOLDER = join(GRAFANA_FOLDER, 'dashboards');

export interface DashboardFile {
  readonly name: string;
  readonly text: string;
  readonly dashboard: GanDashboard;
}

/** All dashboards; that they fit their type is tested on its own. */
export const dashboardFiles: readonly DashboardFile[] = readdirSync(FOLDER)
  .sort()
  .map((name) => {
    const text = readFileSync(join(FOLDER, name), 'utf8');
    return { name, text, dashboard: JSON.parse(text) as GanDashboard };
  });

export const isRow = (panel: Panel | Row): panel is Row => panel.type === 'row';

/** Panels, also those in collapsed rows, in the order of the page. */
export const panelsOf = ({ panels }: GanDashboard): Panel[] =>
  panels.flatMap((panel) => (isRow(panel) ? panel.panels : [panel]));

/** A query of a dashboard, and where it is. */
export interface PlacedQuery {
  readonly where: string;
  readonly panel: Panel;
  readonly query: Query;
}

export const queriesOf = ({ name, dashboard }: DashboardFile): PlacedQuery[] =>
  panelsOf(dashboard).flatMap((panel) =>
    panel.targets.map((query) => ({ where: `${name}, "${panel.title}", ${query.refId}`, panel, query })),
  );

/** All expressions, also those of annotations and variables. */
export function expressionsOf(file: DashboardFile): { readonly where: string; readonly expr: string }[] {
  const { name, dashboard } = file;
  const annotations = dashboard.annotations.list.map(({ name: title, target }) => ({
    where: `${name}, annotation "${title}"`,
    expr: target.expr,
  }));
  const variables = dashboard.templating.list.map((variable) => ({
    where: `${name}, variable ${variable.name}`,
    expr: labelValuesOf(variable.query.query).selector,
  }));
  const panels = queriesOf(file).map(({ where, query: { expr } }) => ({ where, expr }));
  return [...panels, ...annotations, ...variables];
}

/** The parts of Grafana's `label_values(SELECTOR, LABEL)`. */
export function labelValuesOf(query: string): { readonly selector: string; readonly label: string } {
  const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(query) ?? [];
  if (selector === undefined || label === undefined)
    throw new Error(`label_values(SELECTOR, LABEL) was expected, found ${query}`);
  return { selector, label };
}
