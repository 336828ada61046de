import { INTERRUPTED } from '../../proto/index.js';
import type { ClusterProcess } from './child.js';
import type { NatsPresence } from './nats-presence.js';
import { COORDINATOR_RULES, decisionWords } from './restart-policy.js';
import { SupervisedProcess, type LastEnd, type ProcessEnd } from './supervised-process.js';

export interface CoordinatorKeeperParts {
  readonly nats: NatsPresence;
  /** Always with the same arguments: the coordinator goes on with the recorded run by itself. */
  readonly startCoordinator: () => ClusterProcess;
  readonly say: (text: string) => void;
  /** Where its log is, as the user is told. */
  readonly log: string;
  readonly nowMs: () => number;
}

/** The coordinator of a local cluster: started again until the run's last word has come, which `release` tells. */
export class CoordinatorKeeper {
  private readonly coordinator: SupervisedProcess<ClusterProcess>;
  /** Whether the present process has given a sign of life. Before that a signal would only kill it. */
  private awake = false;
  private stopAsked = false;

  constructor(parts: CoordinatorKeeperParts) {
    const { nats, startCoordinator, say, log, nowMs } = parts;
    this.coordinator = new SupervisedProcess(startCoordinator(), {
      rules: COORDINATOR_RULES,
      startAgain: async (signal) => {
        await nats.there(signal);
        signal.throwIfAborted();
        return startCoordinator();
      },
      onEnd: async (_, end, startedMs) => {
        await nats.caughtUp();
        this.awake = false;
        if (this.stopAsked && endedAsAsked(end)) this.release();
        return nats.statusToJudge(end, startedMs);
      },
      onDecision: (end, decision) =>
        say(`the coordinator ended: ${end.words}${decisionWords(decision)} (log: ${log})`),
      nowMs,
    });
  }

  /** Resolves when it is down for good. */
  get over(): Promise<LastEnd> {
    return this.coordinator.over;
  }

  /** To be called when anything comes from a coordinator. */
  heard(): void {
    if (this.awake) return;
    this.awake = true;
    if (this.stopAsked) this.coordinator.current?.signal('SIGTERM');
  }

  /** Asks for a last checkpoint and the end of the run; a coordinator that dies over it is started and asked again. */
  requestStop(): void {
    this.stopAsked = true;
    if (this.awake) this.coordinator.current?.signal('SIGTERM');
  }

  /** From here on it is not started again. */
  release(): void {
    this.coordinator.release();
  }

  /** Releases it and resolves when it has ended, by force once `patienceMs` have passed. */
  stop(patienceMs: number): Promise<void> {
    return this.coordinator.stop(patienceMs);
  }
}

const endedAsAsked = ({ status, signal }: ProcessEnd): boolean =>
  status === 0 || status === INTERRUPTED || signal === 'SIGTERM';
