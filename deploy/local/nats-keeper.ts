import { randomBytes } from 'node:crypto';
import { startNatsServer, type RunningNatsServer, type StartOptions } from '../nats-server/index.js';
import { NATS_RULES, decisionWords } from './restart-policy.js';
import {
  SupervisedProcess,
  type LastEnd,
  type ProcessEnd,
  type RunningProcess,
} from './supervised-process.js';

export interface NatsKeeperOptions extends Pick<StartOptions, 'binary' | 'storeFolder'> {
  /** Ends the first start only: what comes later is ended by `stop`. */
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** Where its log is, as the user is told. */
  readonly log: string;
}

const PASSWORD_BYTES = 24;

class NatsProcess implements RunningProcess {
  readonly exited: Promise<ProcessEnd>;

  constructor(readonly server: RunningNatsServer) {
    // The tether's status, or how it was ended: it says little about the server.
    this.exited = server.exited.then((words) => ({ status: null, signal: null, words }));
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

/**
 * The nats-server of a local cluster. One that dies is started again at the same port, with the same password and the
 * same store, so that all clients find it again by themselves.
 */
export class NatsKeeper {
  readonly url: string;
  readonly credentialsFile: string;

  private constructor(
    private readonly keeper: SupervisedProcess<NatsProcess>,
    server: RunningNatsServer,
  ) {
    this.url = server.url;
    this.credentialsFile = server.credentialsFile;
  }

  /** Resolves when the server answers; throws as startNatsServer does. */
  static async start(options: NatsKeeperOptions): Promise<NatsKeeper> {
    const { binary, storeFolder, say, log } = options;
    const password = randomBytes(PASSWORD_BYTES).toString('base64url');
    const first = await startNatsServer({ binary, storeFolder, password, signal: options.signal });
    const port = Number(new URL(first.url).port);
    const keeper = new SupervisedProcess(new NatsProcess(first), {
      rules: NATS_RULES,
      startAgain: async (signal) =>
        new NatsProcess(await startNatsServer({ binary, storeFolder, password, port, signal })),
      onEnd: (_, end) => Promise.resolve(end.status),
      onDecision: (end, decision) => {
        const startFailed = end.words.startsWith('nats-server');
        const what = startFailed
          ? `nats-server could not be started (${end.words})`
          : `nats-server ${end.words}`;
        say(`${what}${decisionWords(decision)} (log: ${log})`);
      },
      nowMs: () => performance.now(),
    });
    return new NatsKeeper(keeper, first);
  }

  /** Of the server that runs now; null while it is down. */
  get pid(): number | null {
    return this.keeper.current?.server.pid ?? null;
  }

  /** Resolves when the server is down for good. */
  get over(): Promise<LastEnd> {
    return this.keeper.over;
  }

  /** Ends the server in order and resolves when it has gone, also when it is just being started again. */
  stop(): Promise<void> {
    return this.keeper.stop(0);
  }
}
