import { Counter, Gauge, type Registry } from 'prom-client';

/** Declares metrics whose values are kept elsewhere and are read when somebody asks. */
export class ReadMetrics {
  constructor(private readonly registry: Registry) {}

  /** A counter of which there is one series. */
  counter(name: string, help: string, read: () => number): void {
    new Counter({
      ...{ name, help, registers: [this.registry] },
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  /** A counter with one label: a series for each of its `values`. */
  counters<V extends string>(
    name: string,
    help: string,
    label: string,
    values: readonly V[],
    read: (value: V) => number,
  ): void {
    new Counter({
      ...{ name, help, labelNames: [label], registers: [this.registry] },
      collect() {
        this.reset();
        for (const value of values) this.inc({ [label]: value }, read(value));
      },
    });
  }

  /** A gauge; while it has no value it is not told. */
  gauge(name: string, help: string, read: () => number | null): void {
    new Gauge({
      ...{ name, help, registers: [this.registry] },
      collect() {
        const value = read();
        if (value === null) this.remove();
        else this.set(value);
      },
    });
  }

  /** A gauge with one label: a series for each of its `values` for which there is something to tell. */
  gauges<V extends string>(
    name: string,
    help: string,
    label: string,
    values: readonly V[],
    read: (value: V) => number | null,
  ): void {
    new Gauge({
      ...{ name, help, labelNames: [label], registers: [this.registry] },
      collect() {
        this.reset();
        for (const value of values) {
          const now = read(value);
          if (now !== null) this.set({ [label]: value }, now);
        }
      },
    });
  }
}
