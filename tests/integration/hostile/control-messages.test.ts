import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { connect, type NatsConnection } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import {
  findNatsServer,
  startNatsServer,
  type RunningNatsServer,
} from '../../../deploy/nats-server/index.js';
import {
  allSchemas,
  downSchemas,
  encodeAssignment,
  launcherSchemas,
  outSchemas,
  subjects,
  upSchemas,
  type AllTopic,
  type DownTopic,
  type OperationalError,
  type OutTopic,
  type UpTopic,
} from '../../../proto/index.js';
import { Bus } from '../../../proto/runtime/bus.js';
import { cacheFolder } from '../../../proto/runtime/cache-folder.js';
import { encodeMessage, MAX_MESSAGE_BYTES } from '../../../proto/runtime/codec.js';
import { REJECTION_REASONS, type RejectionReason } from '../../../proto/runtime/rejections.js';
import { collectGarbage } from '../../unit/hostile/garbage.js';
import { valuesOf } from '../../unit/hostile/schema-values.js';

const CLUSTER = 'c1';
const WORKER = 'w1';
const THROWING = fileURLToPath(new URL('./throwing-subscriber.ts', import.meta.url));

let folder = '';
let server: RunningNatsServer;
/** Somebody who may publish and means no good. */
let stranger: NatsConnection;
let bus: Bus;
let invalid: OperationalError[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostile-nats-'));
  const found = await findNatsServer({ environment: process.env, cacheFolder: cacheFolder(process.env) });
  server = await startNatsServer({ binary: found.path, storeFolder: join(folder, 'store') });
  const [user, pass] = (await readFile(server.credentialsFile, 'utf8')).trim().split(':');
  stranger = await connect({ servers: server.url, user: user ?? '', pass: pass ?? '' });
}, 200_000);
afterAll(async () => {
  await stranger.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 20 });
});
beforeEach(async () => {
  invalid = [];
  bus = await Bus.connect({
    ...{ url: server.url, credentialsFile: server.credentialsFile, cluster: CLUSTER, name: 'test' },
    onInvalid: (error) => invalid.push(error),
  });
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await bus.close();
});

/** One subject of a Bus: who listens to it, and a message that fits. */
interface Line {
  readonly subject: string;
  readonly good: Uint8Array;
  listen(handler: (message: unknown) => void): void;
}

const goodOf = (schema: z.ZodType): Uint8Array =>
  encodeMessage(schema, fc.sample(valuesOf(schema), { numRuns: 1, seed: 7 })[0]);

const LINES: readonly Line[] = [
  ...(Object.keys(upSchemas) as UpTopic[]).map((topic) => ({
    subject: subjects.up(CLUSTER, topic, WORKER),
    good: goodOf(upSchemas[topic]),
    listen: (handler: (message: unknown) => void) => bus.onUp(topic, handler),
  })),
  ...(Object.keys(downSchemas) as DownTopic[]).map((topic) => ({
    subject: subjects.down(CLUSTER, WORKER, topic),
    good: goodOf(downSchemas[topic]),
    listen: (handler: (message: unknown) => void) => bus.onDown(topic, WORKER, handler),
  })),
  ...(Object.keys(allSchemas) as AllTopic[]).map((topic) => ({
    subject: subjects.all(CLUSTER, topic),
    good: goodOf(allSchemas[topic]),
    listen: (handler: (message: unknown) => void) => bus.onAll(topic, handler),
  })),
  ...(Object.keys(outSchemas) as OutTopic[]).map((topic) => ({
    subject: subjects.out(CLUSTER, topic),
    good: goodOf(outSchemas[topic]),
    listen: (handler: (message: unknown) => void) => bus.onOut(topic, handler),
  })),
  {
    subject: subjects.launcher(CLUSTER, 'scale'),
    good: goodOf(launcherSchemas.scale),
    listen: (handler) =>
      bus.onScale((request) => {
        handler(request);
        return Promise.resolve({ before: 1, workers: request.workers, shards: 4 });
      }),
  },
];

const ASSIGNMENT: Line = {
  subject: subjects.down(CLUSTER, WORKER, 'assignment'),
  good: encodeAssignment({
    ...{ ringEpoch: 1, step: 2, shard: 3, rows: 2, rowBytes: 4, committedStep: 1, durableStep: 0 },
    pixels: new Uint8Array(8),
  }),
  listen: (handler) => bus.onAssignment(WORKER, handler),
};

const HOSTILE: [string, RejectionReason, (line: Line) => Uint8Array][] = [
  ['nothing', 'malformed', () => new Uint8Array(0)],
  ['garbage', 'malformed', () => Uint8Array.from({ length: 300 }, (_, i) => (i * 97 + 193) & 0xff)],
  ['an array of 4 Gi', 'malformed', () => Buffer.from('ddffffffff', 'hex')],
  ['arrays, half a million deep', 'malformed', () => Buffer.alloc(500_000, 0x91)],
  ['a record', 'malformed', () => Buffer.from('d4724091a16101', 'hex')],
  ['a message that is cut', 'malformed', ({ good }) => good.subarray(0, -1)],
  ['a message and a byte more', 'malformed', ({ good }) => Buffer.concat([good, Buffer.of(0)])],
  ['an empty map', 'schema', () => Buffer.of(0x80)],
  ['a prototype', 'schema', () => Buffer.from('81a95f5f70726f746f5f5f80', 'hex')],
  ['more bytes than a message may have', 'oversize', () => Buffer.alloc(MAX_MESSAGE_BYTES + 1, 0xc0)],
  ['as many bytes as the server carries', 'oversize', () => Buffer.alloc(1_048_576, 0xc0)],
];

/** Resolves when the bus has had all that the stranger published before. */
async function delivered(): Promise<void> {
  await stranger.flush();
  await bus.flush();
}

function expectCounted(counts: Partial<Record<RejectionReason, number>>): void {
  for (const reason of REJECTION_REASONS) expect(bus.rejections.of(reason), reason).toBe(counts[reason] ?? 0);
}

describe.each([...LINES, ASSIGNMENT].map((line) => [line.subject, line] as const))('%s', (subject, line) => {
  test('hostile messages are counted by reason, and the next good one is handled', async () => {
    const handled: unknown[] = [];
    line.listen((message) => handled.push(message));
    await bus.flush();
    const counts: Partial<Record<RejectionReason, number>> = {};
    for (const [what, judged, bytesOf] of HOSTILE) {
      // An assignment is no MessagePack, and may have all that a NATS message has.
      const reason = line === ASSIGNMENT ? 'malformed' : judged;
      counts[reason] = (counts[reason] ?? 0) + 1;
      stranger.publish(subject, bytesOf(line));
      await delivered();
      expectCounted(counts);
      expect(invalid.at(-1)?.code, what).toBe('protocol');
      expect(invalid.at(-1)?.message, what).not.toContain('\n');
      expect(handled, what).toEqual([]);
      stranger.publish(subject, line.good);
      await delivered();
      expect(handled.splice(0).length, what).toBe(1);
    }
    expect(invalid.length).toBe(HOSTILE.length);
    expectCounted(counts);
  });
});

describe('a bus', () => {
  test('does not grow with what it refuses', async () => {
    const handled: unknown[] = [];
    for (const line of [...LINES, ASSIGNMENT]) line.listen((message) => handled.push(message));
    await bus.flush();
    const round = async (): Promise<void> => {
      for (const line of [...LINES, ASSIGNMENT]) {
        for (const [, , bytesOf] of HOSTILE) {
          const bytes = bytesOf(line);
          if (bytes.byteLength < 1_000) stranger.publish(line.subject, bytes);
        }
      }
      await delivered();
      invalid = [];
    };
    for (let i = 0; i < 4; i++) await round();
    const before = collectGarbage();
    for (let i = 0; i < 20; i++) await round();
    expect(collectGarbage() - before).toBeLessThan(2 << 20);
    expect(bus.rejections.of('malformed')).toBeGreaterThan(24 * 5 * LINES.length);
    expect(handled).toEqual([]);
  });

  test('counts an answer that is none, and tells who asked', async () => {
    const answers = stranger.subscribe(subjects.launcher(CLUSTER, 'scale'), {
      callback: (_, message) => message.respond(Buffer.from('ddffffffff', 'hex')),
    });
    await stranger.flush();
    await expect(bus.scale({ workers: 2 })).rejects.toMatchObject({ code: 'protocol' });
    expectCounted({ malformed: 1 });
    answers.unsubscribe();
  });

  test('takes no harm from a request that wants its answer where messages go, or nowhere', async () => {
    const asked: unknown[] = [];
    const stops: unknown[] = [];
    bus.onScale((request) => {
      asked.push(request);
      return Promise.resolve({ before: 1, workers: request.workers, shards: 4 });
    });
    bus.onAll('stop', (message) => stops.push(message));
    await bus.flush();
    const request = encodeMessage(launcherSchemas.scale, { workers: 2 });
    const subject = subjects.launcher(CLUSTER, 'scale');
    stranger.publish(subject, request, { reply: subjects.all(CLUSTER, 'stop') });
    stranger.publish(subject, request);
    await delivered();
    await delivered(); // the answer, too
    expect(asked.length).toBe(2);
    expect(stops).toEqual([]);
    expectCounted({ schema: 1 });
  });

  test('ends its process with the stack when a handler throws: that is a bug of ours', async () => {
    const child = fork(THROWING, [server.url, server.credentialsFile, CLUSTER], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    let said = '';
    child.stderr?.on('data', (bytes: Buffer) => (said += bytes.toString()));
    children.push(child);
    const ended = once(child, 'close');
    await once(child, 'message');
    stranger.publish(
      subjects.all(CLUSTER, 'stop'),
      encodeMessage(allSchemas.stop, { term: 1, reason: 'over', failed: false }),
    );
    expect(await ended).toEqual([1, null]);
    expect(said).toMatch(/Error: a bug of ours\n\s+at .*throwing-subscriber/);
  });
});
