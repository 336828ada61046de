import { setTimeout as delay } from 'node:timers/promises';
import { OperationalError, type OutMessage } from '../../proto/index.js';
import type { Bus } from '../../proto/runtime/bus.js';
import { scaleWords, type ProgressView } from '../terminal/index.js';
import type { ClusterProcess } from './child.js';
import { CoordinatorKeeper } from './coordinator-keeper.js';
import { NatsPresence } from './nats-presence.js';
import type { LastEnd } from './supervised-process.js';
import { WorkerFleet } from './worker-fleet.js';

const PATIENCE_MS = 5_000;

export interface LocalClusterParts {
  readonly bus: Bus;
  readonly view: ProgressView;
  readonly workers: number;
  readonly shards: number;
  /** Cores of this machine that the workers share. */
  readonly cores: number;
  readonly startCoordinator: () => ClusterProcess;
  readonly startWorker: (name: string, engineThreads: number) => ClusterProcess;
  /** Resolves when NATS is down for good, which ends the run; undefined when somebody else sees to it. */
  readonly natsOver?: Promise<LastEnd> | undefined;
  /** How long the processes get to end in order once the run is over; 5 s when absent. */
  readonly patienceMs?: number;
  /** Where a process's log is, as the user is told. */
  readonly logOf: (name: string) => string;
}

/** How a run ended: by its last word, stopped on request without one, or by a second Ctrl-C. */
export type ClusterEnd =
  | { readonly kind: 'ended'; readonly ended: OutMessage<'ended'> }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'killed' };

/** Coordinator and workers on this machine, which are started again when they die, until the run's last word has come. */
export class LocalCluster {
  /** The last status that came, null before the first. */
  lastStatus: OutMessage<'status'> | null = null;
  private readonly ended: Promise<ClusterEnd>;
  private coordinator: CoordinatorKeeper | null = null;
  private readonly fleet: WorkerFleet;
  private readonly nats: NatsPresence;
  /** The processes end by themselves: the run is over, and they have been told. */
  private inOrder = false;
  /** The run is over or was asked to end: its workers are not changed any more. */
  private stopping = false;
  private readonly patienceMs: number;

  private constructor(private readonly parts: LocalClusterParts) {
    const { bus, view, startWorker, cores, logOf } = parts;
    this.patienceMs = parts.patienceMs ?? PATIENCE_MS;
    const nowMs = (): number => performance.now();
    this.nats = new NatsPresence(bus, nowMs);
    const say = (text: string): void => view.say(text);
    this.fleet = new WorkerFleet({ bus, nats: this.nats, startWorker, cores, say, logOf, nowMs });
    bus.onOut('status', (status) => {
      this.lastStatus = status;
      this.coordinator?.heard();
      view.status(status);
    });
    bus.onOut('event', (event) => view.event(event));
    this.ended = new Promise((resolve) => {
      bus.onOut('ended', (ended) => {
        this.stopping = true;
        this.release();
        resolve({ kind: 'ended', ended });
      });
    });
    bus.onScale(({ workers }) => Promise.resolve(this.scale(workers)));
  }

  /** Starts coordinator and workers. Throws OperationalError; `close` ends what was started in any case. */
  static async start(parts: LocalClusterParts): Promise<LocalCluster> {
    const cluster = new LocalCluster(parts);
    await parts.bus.flush(); // nothing is said before we hear it
    try {
      const { view, logOf, startCoordinator } = parts;
      cluster.coordinator = new CoordinatorKeeper({
        nats: cluster.nats,
        startCoordinator,
        say: (text) => view.say(text),
        log: logOf('coordinator'),
        nowMs: () => performance.now(),
      });
      cluster.fleet.scale(parts.workers);
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /**
   * Follows the run to its end, whichever coordinator ends it. Throws OperationalError when coordinator or NATS cannot be
   * kept alive. `close` comes after it.
   * @param interrupt asks for a last checkpoint and the end
   * @param kill ends all at once
   */
  async run(interrupt: AbortSignal, kill: AbortSignal): Promise<ClusterEnd> {
    const { view, natsOver } = this.parts;
    const coordinator = this.coordinator;
    if (coordinator === null)
      throw new Error('broken invariant: a cluster that was started has a coordinator');
    const onInterrupt = (): void => {
      if (this.stopping) return; // the run has ended by itself
      this.stopping = true;
      view.say('Stopping after a last checkpoint (Ctrl-C again ends at once) ...');
      coordinator.requestStop();
    };
    if (interrupt.aborted) onInterrupt();
    else interrupt.addEventListener('abort', onInterrupt, { once: true });
    const killed = new Promise<ClusterEnd>((resolve) => {
      const onKill = (): void => {
        this.inOrder = false;
        void this.close();
        resolve({ kind: 'killed' });
      };
      if (kill.aborted) onKill();
      else kill.addEventListener('abort', onKill, { once: true });
    });
    const downForGood = [coordinator.over.then((last) => this.onCoordinatorOver(last))];
    if (natsOver !== undefined) downForGood.push(natsOver.then(onNatsOver));
    const end = await Promise.race([this.ended, killed, ...downForGood]);
    this.inOrder = !kill.aborted;
    // A coordinator writes its last files after its last word; one that stood by ends by itself as well.
    if (end.kind === 'ended') await within(this.patienceMs, coordinator.over);
    return kill.aborted ? { kind: 'killed' } : end;
  }

  /** Ends all processes, in order when the run's last word has come, and resolves when they have gone. */
  async close(): Promise<void> {
    const patienceMs = this.inOrder ? this.patienceMs : 0;
    await Promise.all([this.coordinator?.stop(patienceMs), this.fleet.stop(patienceMs)]);
  }

  private release(): void {
    this.coordinator?.release();
    this.fleet.release();
  }

  private onCoordinatorOver({ end, decision }: LastEnd): ClusterEnd {
    if (decision === null) return { kind: 'stopped' };
    throw new OperationalError(
      'run-failed',
      `the coordinator ended without a word (${end.words}): see ${this.parts.logOf('coordinator')}`,
    );
  }

  private scale(workers: number): { before: number; workers: number; shards: number } {
    const { view, shards } = this.parts;
    const before = this.fleet.size;
    if (!this.stopping) {
      try {
        this.fleet.scale(workers);
      } catch (error) {
        if (!(error instanceof OperationalError)) throw error;
        view.say(`error: ${error.message}`);
      }
      view.say(`scaled: ${scaleWords(before, this.fleet.size, shards)}`);
    }
    return { before, workers: this.fleet.size, shards };
  }
}

function onNatsOver({ end }: LastEnd): never {
  throw new OperationalError('run-failed', `nats-server cannot be kept running (${end.words})`);
}

/** Resolves with `awaited`, or when the time is over. */
async function within(timeMs: number, awaited: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  await Promise.race([awaited, delay(timeMs, undefined, { signal: timer.signal })]);
  timer.abort();
}
