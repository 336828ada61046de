/** What Grafana knows when it sends a query. */
export interface QueryTime {
  /** Time between two points. */
  readonly stepS: number;
  /** Of the dashboard. */
  readonly rangeS: number;
}

/** `timeInterval` of the data source, which is prometheus.yml's scrape interval. */
const SCRAPE_S = 5;
/** `allValue` of a variable is put in as it is; chosen values are escaped, several are made alternatives. */
export type Chosen = 'all' | readonly string[];

/** Puts in what Grafana puts in for its own variables and a dashboard's, as its Prometheus data source does. */
export function interpolate(
  expr: string,
  { stepS, rangeS }: QueryTime,
  variables: Readonly<Record<string, Chosen>>,
): string {
  const own: Record<string, string> = {
    __interval: `${stepS}s`,
    __rate_interval: `${Math.max(stepS + SCRAPE_S, 4 * SCRAPE_S)}s`,
    __range: `${Math.ceil(rangeS)}s`,
  };
  return expr.replace(/\$(\w+)/g, (written, name: string) => {
    const chosen = variables[name];
    const value = own[name] ?? (chosen === undefined ? undefined : regexOf(chosen));
    if (value === undefined) throw new Error(`${written} is no variable of the dashboard: ${expr}`);
    return value;
  });
}

function regexOf(chosen: Chosen): string {
  if (chosen === 'all') return '.*';
  const escaped = chosen.map((value) => value.replace(/[\\^$.*+?()[\]{}|]/g, '\\\\$&'));
  return escaped.length === 1 ? (escaped[0] ?? '') : `(${escaped.join('|')})`;
}
