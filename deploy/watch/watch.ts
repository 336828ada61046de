import { setTimeout as delay } from 'node:timers/promises';
import { readLead } from '../../coordinator/index.js';
import { INTERRUPTED, UsageError, type OutMessage } from '../../proto/index.js';
import { Bus } from '../../proto/runtime/bus.js';
import { findCluster } from '../local/index.js';
import { duration, type ProgressView } from '../terminal/index.js';

/** A coordinator says where the run stands three times a second. */
const SILENT_MS = 5_000;
const LOOK_EVERY_MS = 500;

export interface WatchOptions {
  /** Undefined for a cluster on this machine, whose run folder is `out`, or the newest. */
  readonly natsUrl: string | undefined;
  readonly natsCredsFile: string | undefined;
  /** Not for a cluster on this machine. */
  readonly tlsCaFile: string | undefined;
  readonly cluster: string;
  readonly out: string | undefined;
  /** For the first word of a cluster; a coordinator that is being started needs some seconds. */
  readonly firstWordMs: number;
  /** What Ctrl-C leaves to be done, in words; said at once, since what follows a Ctrl-C may never be seen. */
  readonly afterInterrupt: string | undefined;
}

type Ended = Pick<OutMessage<'ended'>, 'exitStatus' | 'message' | 'outcome'>;

/**
 * Shows a run that goes on elsewhere until it ends, and changes nothing in it. Throws UsageError when no cluster is heard.
 * @param interrupt aborted by Ctrl-C: the watching ends, the run goes on
 * @returns the run's exit status, 130 after Ctrl-C
 */
export async function watch(
  options: WatchOptions,
  view: ProgressView,
  interrupt: AbortSignal,
): Promise<number> {
  const access = accessOf(options);
  const bus = await Bus.connect({ ...access, role: 'watch', name: 'gan-cluster watch' });
  try {
    if (options.afterInterrupt !== undefined)
      view.say(`Ctrl-C ends the watching, not the run: ${options.afterInterrupt}`);
    const following = new Watcher(bus, view).follow(
      { ...access, firstWordMs: options.firstWordMs },
      interrupt,
    );
    const ended = await Promise.race([following, bus.over]);
    view.close();
    if (ended === null) {
      view.say('The run goes on; this only watched it.');
      return INTERRUPTED;
    }
    view.say(ended.outcome === 'failed' ? `error: ${ended.message}` : `${ended.message}.`);
    return ended.exitStatus;
  } finally {
    view.close();
    await bus.close();
  }
}

interface Access {
  readonly url: string;
  readonly credentialsFile: string | undefined;
  readonly tlsCaFile?: string | undefined;
  readonly cluster: string;
}

function accessOf({ natsUrl, natsCredsFile, tlsCaFile, cluster, out }: WatchOptions): Access {
  if (natsUrl !== undefined) return { url: natsUrl, credentialsFile: natsCredsFile, tlsCaFile, cluster };
  const found = findCluster(out);
  return {
    url: found.natsUrl,
    credentialsFile: found.natsCredentialsFile ?? undefined,
    cluster: found.cluster,
  };
}

/** Follows one run, also while its coordinator or NATS is away. */
class Watcher {
  private ended: Ended | null = null;
  private runId: string | null = null;
  private heardMs = performance.now();
  private silent = false;
  private prepared = '';

  constructor(
    private readonly bus: Bus,
    private readonly view: ProgressView,
  ) {
    bus.onOut('status', (status) => {
      this.heard(status.runId);
      view.status(status);
    });
    bus.onOut('event', (event) => {
      this.heard(event.runId);
      view.event(event);
    });
    bus.onOut('preparing', ({ text }) => {
      if (this.runId !== null) return; // said by one that stands by
      this.heardMs = performance.now();
      if (text !== this.prepared) view.say(text);
      this.prepared = text;
    });
    bus.onOut('ended', (ended) => (this.ended = ended));
  }

  private heard(runId: string): void {
    if (this.silent)
      this.view.say(`heard again after ${duration((performance.now() - this.heardMs) / 1000)}`);
    this.silent = false;
    this.heardMs = performance.now();
    this.runId = runId;
  }

  /** Null when the watching was interrupted. */
  async follow(
    { url, cluster, firstWordMs }: Access & Pick<WatchOptions, 'firstWordMs'>,
    interrupt: AbortSignal,
  ): Promise<Ended | null> {
    while (this.ended === null && !interrupt.aborted) {
      const silentMs = performance.now() - this.heardMs;
      if (this.runId === null && silentMs > firstWordMs)
        throw new UsageError(
          `no run is heard of in cluster ${cluster} at ${url} for ${firstWordMs / 1000} s: is its coordinator running?`,
        );
      if (this.runId !== null && silentMs > SILENT_MS) await this.onSilence(this.runId);
      await delay(LOOK_EVERY_MS, undefined, { signal: interrupt }).catch(() => undefined); // looked at above
    }
    return this.ended;
  }

  /** A last word may have been lost: the store keeps it. */
  private async onSilence(runId: string): Promise<void> {
    if (!this.silent) this.view.say('nothing is heard from the coordinator; waiting for it');
    this.silent = true;
    try {
      this.ended = (await readLead(this.bus.connection, runId))?.ended ?? null;
    } catch {
      // NATS is away as well: looked at again
    }
  }
}
