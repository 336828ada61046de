import { Hono } from 'hono';
import { ARTIFACTS_PATH, NEWEST_PATH, type Artifacts, type NewestArtifacts } from '../../proto/artifacts.js';
import { UsageError } from '../../proto/index.js';
import { HttpEndpoint } from '../../proto/runtime/http-endpoint.js';
import { trustedOnly } from './origin.js';

export interface PreparingPageOptions {
  readonly host: string;
  /** 0: nobody could find it, so that there is none. */
  readonly port: number;
  readonly allowedHosts: readonly string[];
}

/** In the live page's place as long as there is no run to show: says what is being done for it. */
export class PreparingPage {
  private endpoint: HttpEndpoint | null = null;
  private outcome: 'preparing' | 'failed' = 'preparing';

  /** @param text what is being done now, in words */
  constructor(
    private readonly options: PreparingPageOptions,
    private text: () => string,
  ) {}

  /** Another coordinator may have the port: then this one, which does not lead yet, is silent. */
  async open(): Promise<void> {
    const { host, port, allowedHosts } = this.options;
    if (port === 0 || this.endpoint !== null) return;
    const app = new Hono();
    app.use(trustedOnly(allowedHosts));
    app.get('/', (context) => {
      context.header('refresh', '2');
      return context.text(`The run ${this.doing()}\n`);
    });
    app.get(ARTIFACTS_PATH, (context) => context.json(this.artifacts()));
    app.get(NEWEST_PATH, (context) => context.json<NewestArtifacts>({ ...this.artifacts(), answer: 'none' }));
    try {
      this.endpoint = await HttpEndpoint.listen({ app, host, port, flag: '--http-port' });
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
  }

  /** There will be no run. */
  fail(message: string): void {
    this.outcome = 'failed';
    this.text = () => message;
  }

  /** The port is free again. */
  async close(): Promise<void> {
    const { endpoint } = this;
    this.endpoint = null;
    await endpoint?.close();
  }

  private doing(): string {
    return this.outcome === 'failed' ? `has failed: ${this.text()}` : `is being prepared: ${this.text()}`;
  }

  private artifacts(): Artifacts {
    const nothing = { step: 0, steps: 0, stateSha256: null, files: [], newest: null };
    return { runId: null, outcome: this.outcome, doing: this.doing(), ...nothing };
  }
}
