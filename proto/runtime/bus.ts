import { ErrorCode, Events, NatsError, connect, type Msg, type NatsConnection } from 'nats';
import type { z } from 'zod';
import { decodeAssignment, type Assignment } from '../assignment.js';
import { OperationalError, UsageError, messageOf } from '../errors.js';
import { limits } from '../limits.js';
import {
  allSchemas,
  downSchemas,
  launcherSchemas,
  outSchemas,
  upSchemas,
  type AllMessage,
  type AllTopic,
  type DownMessage,
  type DownTopic,
  type OutMessage,
  type OutTopic,
  type UpMessage,
  type UpTopic,
} from '../messages.js';
import { inboxPrefix, type Role } from '../roles.js';
import { subjects } from '../subjects.js';
import { busTls, tlsErrorInWords } from './bus-tls.js';
import { decodeMessage, encodeMessage } from './codec.js';
import { connectionCredentials } from './credentials.js';
import { serversIn } from './nats-servers.js';
import { RejectedMessage, Rejections } from './rejections.js';

/** A server that does not answer for two of these is away, also when its machine vanished without a word. */
const PING_EVERY_MS = 2_000;
const RECONNECT_EVERY_MS = 250;
/** Time of a local cluster's launcher to start or ask the processes. */
const SCALE_TIMEOUT_MS = 10_000;

type ScaleRequest = z.infer<typeof launcherSchemas.scale>;
type ScaleAnswer = z.infer<typeof launcherSchemas.scaled>;

export interface BusOptions {
  /** Of the NATS server; of several of one NATS cluster with commas between them. */
  readonly url: string;
  /** See parseCredentials for what it holds; none for a server that asks for nothing. */
  readonly credentialsFile?: string | undefined;
  /** PEM of the authority that signed the server's certificate. With it, or a tls:// url, nothing is said in the clear. */
  readonly tlsCaFile?: string | undefined;
  readonly cluster: string;
  /** As whom the process connects: its requests are answered where its credentials allow it. */
  readonly role?: Role | undefined;
  /** For a server that is not up yet, in ms. */
  readonly waitMs?: number | undefined;
  /** Shown in the server's list of connections. */
  readonly name: string;
  /** Called for each message that is refused, after it was counted. */
  readonly onInvalid?: (error: OperationalError) => void;
}

/** What a server said that knows the credentials no more, or never did. */
const isRefusal = (error: unknown): boolean => error instanceof NatsError && error.isAuthError();

function refusal({ url, credentialsFile }: BusOptions): UsageError {
  return new UsageError(
    credentialsFile === undefined
      ? `the NATS server at ${url} asks for credentials, and none were given: name a file that holds them by --nats-creds-file`
      : `the NATS server at ${url} refuses the credentials in ${credentialsFile}: name those of this cluster by --nats-creds-file`,
  );
}

/** decodeAssignment, with a reason for what it refuses. */
function judgedAssignment(frame: Uint8Array): Assignment {
  try {
    return decodeAssignment(frame);
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    const reason = frame.byteLength > limits.natsPayloadBytes ? 'oversize' : 'malformed';
    throw new RejectedMessage(reason, error.message);
  }
}

/**
 * Control messages over NATS: each topic bound to its subject and schema, checked by the sender and by the receiver.
 * Core NATS delivers at most once; whoever needs an answer asks again.
 */
export class Bus {
  /** Messages that came and were dropped. The bus counts what does not fit; what is stale, whoever knows that. */
  readonly rejections = new Rejections();
  /** Times that the connection was lost and made again. */
  reconnects = 0;
  /**
   * Rejects when the connection is of no use any more though nobody closed it: with UsageError when the server, perhaps
   * after a restart or with a new configuration, refuses the credentials, or what the role has to do. A server that is
   * only away is waited for.
   */
  readonly over: Promise<never>;

  private constructor(
    /** For JetStream: key-value and object stores. */
    readonly connection: NatsConnection,
    private readonly options: BusOptions,
  ) {
    this.over = new Promise((_, reject) => {
      void connection.closed().then((error) => {
        if (isRefusal(error)) reject(refusal(options));
        else if (error) reject(new OperationalError('bus', `NATS is lost: ${error.message}`));
      });
      void this.followForbidden(reject);
    });
    this.over.catch(() => undefined); // for who waits for it
  }

  /** Throws UsageError when the server cannot be reached, cannot be trusted, or refuses the credentials. */
  static async connect(options: BusOptions): Promise<Bus> {
    const untilMs = performance.now() + (options.waitMs ?? 0);
    for (;;) {
      try {
        return await Bus.tryConnect(options);
      } catch (error) {
        if (error instanceof OperationalError) throw error;
        if (isRefusal(error)) throw refusal(options);
        const untrusted = tlsErrorInWords(error as NatsError, options.url, options.tlsCaFile);
        if (untrusted !== null) throw new UsageError(untrusted, { cause: error });
        const refused = (error as NatsError).code === (ErrorCode.ConnectionRefused as string);
        if (!refused || performance.now() > untilMs) {
          throw new UsageError(
            `no NATS server answers at ${options.url} (${messageOf(error)}): start one with JetStream, or name another by --nats-url`,
          );
        }
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_EVERY_MS));
      }
    }
  }

  private static async tryConnect(options: BusOptions): Promise<Bus> {
    const tls = busTls(options.url, options.tlsCaFile);
    const connection = await connect({
      servers: [...serversIn(options.url)],
      name: options.name,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_EVERY_MS,
      reconnectJitter: RECONNECT_EVERY_MS / 2,
      pingInterval: PING_EVERY_MS,
      maxPingOut: 2,
      timeout: 5_000,
      inboxPrefix: inboxPrefix(options.cluster, options.role),
      ...(tls === undefined ? {} : { tls }),
      ...connectionCredentials(options.credentialsFile),
    });
    const bus = new Bus(connection, options);
    bus.onConnection((up) => (bus.reconnects += Number(up)));
    return bus;
  }

  up<T extends UpTopic>(topic: T, workerId: string, message: UpMessage<T>): void {
    this.publish(
      subjects.up(this.options.cluster, topic, workerId),
      encodeMessage(upSchemas[topic] as z.ZodType, message),
    );
  }

  down<T extends DownTopic>(topic: T, workerId: string, message: DownMessage<T>): void {
    this.publish(
      subjects.down(this.options.cluster, workerId, topic),
      encodeMessage(downSchemas[topic] as z.ZodType, message),
    );
  }

  all<T extends AllTopic>(topic: T, message: AllMessage<T>): void {
    this.publish(
      subjects.all(this.options.cluster, topic),
      encodeMessage(allSchemas[topic] as z.ZodType, message),
    );
  }

  out<T extends OutTopic>(topic: T, message: OutMessage<T>): void {
    this.publish(
      subjects.out(this.options.cluster, topic),
      encodeMessage(outSchemas[topic] as z.ZodType, message),
    );
  }

  /** An assignment's bytes, already framed. */
  assignment(workerId: string, frame: Uint8Array): void {
    this.publish(subjects.down(this.options.cluster, workerId, 'assignment'), frame);
  }

  onUp<T extends UpTopic>(topic: T, handler: (message: UpMessage<T>) => void): void {
    this.listen(subjects.up(this.options.cluster, topic, '*'), upSchemas[topic], (message) =>
      handler(message as UpMessage<T>),
    );
  }

  onDown<T extends DownTopic>(topic: T, workerId: string, handler: (message: DownMessage<T>) => void): void {
    this.listen(subjects.down(this.options.cluster, workerId, topic), downSchemas[topic], (message) =>
      handler(message as DownMessage<T>),
    );
  }

  onAll<T extends AllTopic>(topic: T, handler: (message: AllMessage<T>) => void): void {
    this.listen(subjects.all(this.options.cluster, topic), allSchemas[topic], (message) =>
      handler(message as AllMessage<T>),
    );
  }

  onOut<T extends OutTopic>(topic: T, handler: (message: OutMessage<T>) => void): void {
    this.listen(subjects.out(this.options.cluster, topic), outSchemas[topic], (message) =>
      handler(message as OutMessage<T>),
    );
  }

  /** @param handler given frames that decodeAssignment has taken */
  onAssignment(workerId: string, handler: (frame: Uint8Array) => void): void {
    this.subscribe(subjects.down(this.options.cluster, workerId, 'assignment'), ({ data }) => {
      const assignment = this.accept(() => judgedAssignment(data));
      if (assignment !== undefined) handler(data);
    });
  }

  /** Told when the connection is lost (false) and when it stands again (true). */
  onConnection(handler: (up: boolean) => void): void {
    void this.followStatus(handler);
  }

  /** Answers requests to change the number of workers. */
  onScale(handler: (request: ScaleRequest) => Promise<ScaleAnswer>): void {
    const subject = subjects.launcher(this.options.cluster, 'scale');
    this.subscribe(subject, (message) => {
      const request = this.decode(launcherSchemas.scale, message);
      if (request === undefined) return;
      const { reply } = message;
      void handler(request).then((answer) => {
        if (reply) this.publish(reply, encodeMessage(launcherSchemas.scaled, answer));
      });
    });
  }

  /**
   * Asks the launcher of a local cluster for another number of workers. Rejects when nobody answers, and with
   * OperationalError('protocol') when the answer is none.
   */
  async scale(request: ScaleRequest): Promise<ScaleAnswer> {
    const subject = subjects.launcher(this.options.cluster, 'scale');
    const bytes = encodeMessage(launcherSchemas.scale, request);
    const answer = await this.connection.request(subject, bytes, { timeout: SCALE_TIMEOUT_MS });
    return this.counted(() => decodeMessage(launcherSchemas.scaled, answer.data, subject));
  }

  /** Resolves when the server has processed all that was published and subscribed before. */
  flush(): Promise<void> {
    return this.connection.flush();
  }

  async close(): Promise<void> {
    if (this.connection.isClosed()) return;
    // A connection that the server refuses meanwhile is never drained.
    await Promise.race([
      this.connection.drain().catch(() => this.connection.close()),
      this.connection.closed(),
    ]);
  }

  private publish(subject: string, bytes: Uint8Array): void {
    if (!this.connection.isClosed() && !this.connection.isDraining()) this.connection.publish(subject, bytes);
  }

  private async followStatus(handler: (up: boolean) => void): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type === Events.Disconnect) handler(false);
      else if (type === Events.Reconnect) handler(true);
    }
  }

  /** @param giveUp told of what a role cannot do without: its own subjects, and answers to its requests */
  private async followForbidden(giveUp: (error: UsageError) => void): Promise<void> {
    const { cluster, credentialsFile, role } = this.options;
    for await (const { type, permissionContext } of this.connection.status()) {
      if (type !== Events.Error || permissionContext === undefined) continue;
      const { operation, subject } = permissionContext;
      const verb = operation === 'publish' ? 'publish' : 'subscribe';
      const words = `the NATS server does not let the credentials in ${credentialsFile ?? 'use'} ${verb} ${subject}`;
      if (/^(gan\.|_INBOX)/.test(subject))
        giveUp(new UsageError(`${words}: are they a ${role ?? 'launcher'}'s of cluster ${cluster}?`));
      else this.options.onInvalid?.(new OperationalError('bus', words));
    }
  }

  private listen(subject: string, schema: z.ZodType, handler: (message: unknown) => void): void {
    this.subscribe(subject, (message) => {
      const decoded = this.decode(schema, message);
      if (decoded !== undefined) handler(decoded);
    });
  }

  private decode<S extends z.ZodType>(schema: S, { data, subject }: Msg): z.infer<S> | undefined {
    return this.accept(() => decodeMessage(schema, data, subject));
  }

  /** What `decode` gives; undefined for a message that it refuses, which is counted and told. */
  private accept<T>(decode: () => T): T | undefined {
    try {
      return this.counted(decode);
    } catch (error) {
      if (!(error instanceof RejectedMessage)) throw error;
      this.options.onInvalid?.(error);
      return undefined;
    }
  }

  private counted<T>(decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      if (error instanceof RejectedMessage) this.rejections.count(error.reason);
      throw error;
    }
  }

  private subscribe(subject: string, handler: (message: Msg) => void): void {
    this.connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) {
          if (error.isPermissionError()) return; // followForbidden tells it
          const words = `subscription to ${subject}: ${error.message}`;
          this.options.onInvalid?.(new OperationalError('bus', words));
          return;
        }
        // Ours have no headers. Stored messages that the server gives out have, whoever asked for them to be sent here.
        if (message.headers !== undefined) {
          this.accept(() => {
            throw new RejectedMessage('malformed', `message on ${subject}: it has headers`);
          });
          return;
        }
        try {
          handler(message);
        } catch (bug) {
          // The client takes what a callback throws for the end of its connection, prints it to standard output and is
          // deaf from then on. Thrown from here it ends the process, as a bug of ours should.
          queueMicrotask(() => {
            throw bug;
          });
        }
      },
    });
  }
}
