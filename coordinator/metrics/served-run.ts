import { Registry, collectDefaultMetrics } from 'prom-client';

/** What a coordinator's metrics endpoint tells: of the run that it leads, or of the process alone while it stands by. */
export class ServedRun {
  private readonly idle = new Registry();
  private run: { readonly registry: Registry; readonly unready: () => string | null } | null = null;

  constructor() {
    collectDefaultMetrics({ register: this.idle });
  }

  readonly registry = (): Registry => this.run?.registry ?? this.idle;

  readonly unready = (): string | null => (this.run === null ? 'stands by' : this.run.unready());

  start(registry: Registry, unready: () => string | null): void {
    this.run = { registry, unready };
  }

  stop(): void {
    this.run = null;
  }
}
