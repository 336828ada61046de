import { connect, type Msg, type NatsConnection } from 'nats';
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import {
  allSchemas,
  downSchemas,
  outSchemas,
  upSchemas,
  type AllMessage,
  type DownMessage,
  type OutMessage,
  type UpMessage,
} from '../../proto/messages.js';
import { decodeMessage } from '../../proto/runtime/codec.js';
import type { Pulse } from './pulse.js';

/** A message, with when it was seen. */
export type Seen<T> = T & { readonly atMs: number };

/**
 * Follows a run by listening on NATS, as nobody's part of it: which ring epochs begin, how far they get, what is told.
 * Of what is said while NATS restarts it may miss something.
 */
export class RunWatch {
  readonly hellos: Seen<UpMessage<'hello'>>[] = [];
  readonly standings: Seen<UpMessage<'standing'>>[] = [];
  readonly reports: Seen<Pick<UpMessage<'report'>, 'workerId' | 'ringEpoch' | 'nextUpdate'>>[] = [];
  readonly checkpointed: Seen<UpMessage<'checkpointed'>>[] = [];
  readonly welcomed = new Set<string>();
  /** The first of each ring epoch and term. */
  readonly starts: Seen<DownMessage<'start'>>[] = [];
  /** Every message of a coordinator that carries a term. */
  readonly terms: Seen<{ readonly topic: string; readonly term: number }>[] = [];
  readonly surveys: Seen<AllMessage<'survey'>>[] = [];
  readonly events: Seen<OutMessage<'event'>>[] = [];
  status: Seen<OutMessage<'status'>> | null = null;
  ended: Seen<OutMessage<'ended'>> | null = null;

  private constructor(
    private readonly connection: NatsConnection,
    private readonly cluster: string,
    private readonly pulse: Pulse,
  ) {}

  static async connect(
    url: string,
    credentialsFile: string,
    cluster: string,
    pulse: Pulse,
  ): Promise<RunWatch> {
    const [user = '', pass = ''] = readFileSync(credentialsFile, 'utf8').trim().split(':');
    const connection = await connect({
      servers: url,
      user,
      pass,
      name: 'chaos watch',
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      reconnectJitter: 0,
    });
    const watch = new RunWatch(connection, cluster, pulse);
    watch.listen();
    await connection.flush();
    return watch;
  }

  /** Where the newest ring epoch stands, as far as was reported. */
  get progress(): { readonly ringEpoch: number; readonly nextUpdate: number } {
    const ringEpoch = Math.max(0, ...this.starts.map((start) => start.ringEpoch));
    const updates = this.reports
      .filter((report) => report.ringEpoch === ringEpoch)
      .map(({ nextUpdate }) => nextUpdate);
    return { ringEpoch, nextUpdate: Math.max(0, ...updates) };
  }

  /** The newest ring epoch that had begun by then. */
  ringEpochAt(atMs: number): number {
    return Math.max(
      0,
      ...this.starts.filter((start) => start.atMs <= atMs).map(({ ringEpoch }) => ringEpoch),
    );
  }

  /** Name of the worker whose process this was. */
  nameOf(workerId: string): string {
    return this.hellos.find((hello) => hello.workerId === workerId)?.name ?? workerId;
  }

  /** Names of the newest ring epoch's world, in ring order. */
  get world(): string[] {
    const { ringEpoch } = this.progress;
    const start = this.starts.find((one) => one.ringEpoch === ringEpoch);
    return start?.members.map(({ workerId }) => this.nameOf(workerId)) ?? [];
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  private listen(): void {
    this.on('up.hello.*', upSchemas.hello, (message) => this.hellos.push(message));
    this.on('up.standing.*', upSchemas.standing, (message) => this.standings.push(message));
    this.on('up.report.*', upSchemas.report, ({ workerId, ringEpoch, nextUpdate, atMs }) =>
      this.reports.push({ workerId, ringEpoch, nextUpdate, atMs }),
    );
    this.on('up.checkpointed.*', upSchemas.checkpointed, (message) => this.checkpointed.push(message));
    this.on('down.*.welcome', downSchemas.welcome, (_, subject) =>
      this.welcomed.add(subject.split('.')[3] ?? ''),
    );
    this.on('down.*.start', downSchemas.start, (message) => {
      this.terms.push({ topic: 'start', term: message.term, atMs: message.atMs });
      const known = this.starts.some(
        (start) => start.ringEpoch === message.ringEpoch && start.term === message.term,
      );
      if (!known) this.starts.push(message);
    });
    this.on('all.survey', allSchemas.survey, (message) => {
      this.terms.push({ topic: 'survey', term: message.term, atMs: message.atMs });
      this.surveys.push(message);
    });
    this.on('all.announce', allSchemas.announce, ({ term, atMs }) =>
      this.terms.push({ topic: 'announce', term, atMs }),
    );
    this.on('all.stop', allSchemas.stop, ({ term, atMs }) => this.terms.push({ topic: 'stop', term, atMs }));
    this.on('out.event', outSchemas.event, (message) => this.events.push(message));
    this.on('out.status', outSchemas.status, (message) => (this.status = message));
    this.on('out.ended', outSchemas.ended, (message) => (this.ended = message));
  }

  private on<S extends z.ZodType<object>>(
    topic: string,
    schema: S,
    take: (message: Seen<z.infer<S>>, subject: string) => void,
  ): void {
    this.connection.subscribe(`gan.${this.cluster}.${topic}`, {
      callback: (error, message: Msg) => {
        if (error !== null) throw error;
        const decoded = decodeMessage(schema, message.data, message.subject);
        take({ ...decoded, atMs: Date.now() }, message.subject);
        this.pulse.beat();
      },
    });
  }
}
