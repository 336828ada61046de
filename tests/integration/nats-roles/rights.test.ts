import { Events, connect, nkeyAuthenticator, type NatsConnection } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readLead, RunStore } from '../../../coordinator/index.js';
import { exportPrefix } from '../../../coordinator/run-store.js';
import { allSchemas, subjects, type Role } from '../../../proto/index.js';
import { Bus } from '../../../proto/runtime/bus.js';
import { encodeMessage } from '../../../proto/runtime/codec.js';
import { createNkey } from '../../../proto/runtime/credentials.js';
import { runStreamName } from '../../../proto/runtime/stores.js';
import { ObjectFiles } from '../../../worker/object-files.js';
import { CLUSTER, RolesServer } from './roles-server.js';

const RUN = 'r1';
const LEAD = { holder: 'h', beat: 0, ended: null };
const STOP = encodeMessage(allSchemas.stop, { term: 1, reason: 'over', failed: false });

let server: RolesServer;
let coordinator: NatsConnection;
let store: RunStore;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  server = await RolesServer.start();
  coordinator = await server.connect('coordinator');
  store = await RunStore.open(coordinator, RUN, null);
  await store.writeLead(LEAD, 0);
}, 60_000);
afterAll(async () => {
  await coordinator.close();
  await server.stop();
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function as(role: Role): Promise<NatsConnection> {
  const connection = await server.connect(role);
  open.push(connection);
  return connection;
}

async function busAs(role: Role): Promise<Bus> {
  const bus = await Bus.connect({
    ...{ url: server.url, credentialsFile: server.credentialsOf(role) },
    ...{ cluster: CLUSTER, role, name: 'test' },
  });
  open.push(bus);
  return bus;
}

/** What the server forbids of what `act` does, as `publish SUBJECT` and `subscription SUBJECT`. */
async function forbidden(connection: NatsConnection, act: () => void): Promise<string[]> {
  const found: string[] = [];
  void (async () => {
    for await (const { type, permissionContext } of connection.status())
      if (type === Events.Error && permissionContext !== undefined)
        found.push(`${permissionContext.operation} ${permissionContext.subject}`);
  })();
  act();
  await connection.flush();
  await connection.flush();
  return found;
}

const kvKey = (key: string): string => `$KV.gan-run-${RUN}.${key}`;
const bothRoles = [
  ...['down.w.start', 'down.w.assignment', 'all.stop', 'all.survey', 'out.status', 'out.ended'],
].map((end) => `gan.${CLUSTER}.${end}`);
const jetStream = [
  ...['INFO', 'STREAM.NAMES', 'STREAM.LIST', 'STREAM.CREATE.mine', 'SERVER.REMOVE'],
  ...['UPDATE', 'DELETE', 'PURGE', 'MSG.DELETE', 'SNAPSHOT', 'RESTORE'].flatMap((verb) =>
    [`KV_gan-run-${RUN}`, `OBJ_gan-objects-${RUN}`].map((stream) => `STREAM.${verb}.${stream}`),
  ),
  ...['CREATE', 'DURABLE.CREATE', 'LIST', 'NAMES'].map((verb) => `CONSUMER.${verb}.OBJ_gan-objects-${RUN}`),
  `CONSUMER.CREATE.OBJ_gan-objects-${RUN}.mine.$O.gan-objects-${RUN}.C.x`,
  `CONSUMER.MSG.NEXT.OBJ_gan-objects-${RUN}.mine`,
].map((end) => `$JS.API.${end}`);
const system = ['$SYS.REQ.SERVER.PING', '$SYS.REQ.USER.INFO', '$JS.ACK.x', '$JS.FC.x'];

/** What a role must not publish, and must not subscribe. */
const MAY_NOT: Record<Role, { publish: readonly string[]; subscribe: readonly string[] }> = {
  worker: {
    publish: [
      ...[...bothRoles, ...jetStream, ...system],
      ...[kvKey('leader'), kvKey('ring'), kvKey('checkpoint'), kvKey('record')],
      ...['gan.other.up.hello.w', `_INBOX_${CLUSTER}_coordinator.x`, `_INBOX_${CLUSTER}_worker.x`, 'x'],
      `$JS.API.STREAM.MSG.GET.OBJ_gan-objects-${RUN}`,
      `gan.${CLUSTER}.launcher.scale`,
    ],
    subscribe: [
      ...[`gan.${CLUSTER}.up.>`, `gan.${CLUSTER}.out.>`, `gan.${CLUSTER}.>`, 'gan.other.down.>'],
      ...['>', '_INBOX.>', `_INBOX_${CLUSTER}_coordinator.>`, `_INBOX_${CLUSTER}_watch.>`],
      ...['$KV.>', '$O.>', '$JS.>', '$SYS.>', '_R_.>'],
    ],
  },
  watch: {
    publish: [
      ...[...bothRoles, ...jetStream, ...system, kvKey('leader'), 'x'],
      ...[`gan.${CLUSTER}.up.hello.w`, `gan.${CLUSTER}.up.report.w`, `gan.${CLUSTER}.launcher.scale`],
      ...[`$O.gan-objects-${RUN}.C.x`, `$O.gan-objects-${RUN}.M.x`],
      `$JS.API.STREAM.MSG.GET.OBJ_gan-objects-${RUN}`,
      `$JS.API.DIRECT.GET.OBJ_gan-objects-${RUN}.$O.gan-objects-${RUN}.M.x`,
    ],
    subscribe: [
      ...[`gan.${CLUSTER}.up.>`, `gan.${CLUSTER}.down.>`, `gan.${CLUSTER}.all.>`, `gan.${CLUSTER}.>`],
      ...['>', '_INBOX.>', `_INBOX_${CLUSTER}_coordinator.>`, `_INBOX_${CLUSTER}_worker.>`],
      ...['$KV.>', '$O.>', '$JS.>', '$SYS.>'],
    ],
  },
  coordinator: {
    publish: [`gan.${CLUSTER}.up.report.w`, 'gan.other.all.stop', '$SYS.REQ.SERVER.PING', 'x'],
    subscribe: ['>', `_INBOX_${CLUSTER}_worker.>`, `gan.${CLUSTER}.down.>`, '$SYS.>'],
  },
};

describe.each(Object.entries(MAY_NOT))('the credentials of %s', (role, { publish, subscribe }) => {
  it('publish nothing else', async () => {
    const connection = await as(role as Role);
    const found = await forbidden(connection, () => {
      for (const subject of publish) connection.publish(subject, STOP);
    });
    expect(found.sort()).toEqual(publish.map((subject) => `publish ${subject}`).sort());
  });

  it('subscribe nothing else', async () => {
    const connection = await as(role as Role);
    const found = await forbidden(connection, () => {
      for (const subject of subscribe) connection.subscribe(subject, { callback: () => undefined });
    });
    expect(found.sort()).toEqual(subscribe.map((subject) => `subscription ${subject}`).sort());
  });
});

describe('who has no credentials', () => {
  const stranger = createNkey();
  it.each([
    ['none', {}],
    ['a password', { user: 'gan-cluster', pass: 'gan-cluster' }],
    ['a token', { token: 'x' }],
    ['a key of its own', { authenticator: nkeyAuthenticator(new TextEncoder().encode(stranger.seed)) }],
  ])('%s: is not let in', async (_, given) => {
    await expect(connect({ servers: server.url, reconnect: false, ...given })).rejects.toMatchObject({
      code: 'AUTHORIZATION_VIOLATION',
    });
  });

  it('a public key alone, without its seed, is not let in', async () => {
    const { publicKey } = createNkey();
    const authenticator = () => ({ nkey: publicKey, sig: '' });
    await expect(connect({ servers: server.url, reconnect: false, authenticator })).rejects.toMatchObject({
      code: 'AUTHORIZATION_VIOLATION',
    });
  });
});

/** Subjects to which a worker would like NATS's answer to go. */
const ANSWER_TO = [
  kvKey('leader'),
  kvKey('ring'),
  `$JS.API.STREAM.PURGE.KV_gan-run-${RUN}`,
  `$JS.API.STREAM.DELETE.KV_gan-run-${RUN}`,
  subjects.all(CLUSTER, 'stop'),
  subjects.down(CLUSTER, 'w', 'start'),
  subjects.out(CLUSTER, 'ended'),
];

describe('answers that are asked for where others listen', () => {
  let worker: Bus;
  let watch: Bus;
  const heard: unknown[] = [];
  beforeEach(async () => {
    heard.length = 0;
    [worker, watch] = [await busAs('worker'), await busAs('watch')];
    worker.onAll('stop', (message) => heard.push(message));
    worker.onDown('start', 'w', (message) => heard.push(message));
    watch.onOut('ended', (message) => heard.push(message));
    await Promise.all([worker.flush(), watch.flush()]);
  });

  async function expectNothing(): Promise<void> {
    // Long enough for an answer: an honest question after them has had its own.
    await store.readLead();
    await Promise.all([worker.flush(), watch.flush()]);
    await store.readLead();
    expect(heard).toEqual([]);
    expect((await store.readLead())?.lead).toEqual(LEAD);
    await store.refresh();
    expect(store.recorded).toMatchObject({ ringEpoch: 0, checkpoint: null });
  }

  it.each(ANSWER_TO)('a worker’s, at %s', async (reply) => {
    const attacker = await as('worker');
    // An object that holds a coordinator's message, and every way to have it, or any answer, sent on.
    await attacker.request(`$O.gan-objects-${RUN}.C.evil`, STOP);
    const stream = `OBJ_gan-objects-${RUN}`;
    attacker.publish(`$O.gan-objects-${RUN}.C.evil`, STOP, { reply });
    attacker.publish(`$O.gan-objects-${RUN}.M.evil`, STOP, { reply });
    for (const query of [{ last_by_subj: `$O.gan-objects-${RUN}.C.evil` }, { seq: 1 }, { seq: 9_999 }, {}])
      attacker.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(query), { reply });
    attacker.publish(`$JS.API.STREAM.MSG.GET.${stream}`, '{"seq":1}', { reply });
    const consumer = { stream_name: stream, config: { deliver_subject: reply, ack_policy: 'none' } };
    attacker.publish(`$JS.API.CONSUMER.CREATE.${stream}`, JSON.stringify(consumer));
    // The stream answers in order, and later than the server takes the question: this answer is after all of those.
    await attacker.request(`$JS.API.DIRECT.GET.${stream}`, '{"seq":1}');
    await expectNothing();
    // Workers share an account: there the answers arrive, and are known for what they are.
    const arrived = /\.(all|down)\./.test(reply);
    expect(worker.rejections.of('malformed') > 0).toBe(arrived);
  });

  it.each(ANSWER_TO)('a watcher’s, at %s', async (reply) => {
    const attacker = await as('watch');
    attacker.publish(`$JS.API.DIRECT.GET.KV_gan-run-${RUN}.${kvKey('leader')}`, '', { reply });
    attacker.publish(`$JS.API.DIRECT.GET.KV_gan-run-${RUN}.${kvKey('none')}`, '', { reply });
    await attacker.request(`$JS.API.DIRECT.GET.KV_gan-run-${RUN}.${kvKey('leader')}`);
    await expectNothing();
  });
});

describe('what the roles need', () => {
  it('more copies of a run than there are servers are refused, and the run is as it was', async () => {
    await expect(RunStore.open(coordinator, RUN, 3)).rejects.toThrow(
      /^--nats-replicas 3 takes a NATS cluster of as many servers: /,
    );
    const { config } = await (await coordinator.jetstreamManager()).streams.info(runStreamName(RUN));
    expect(config.num_replicas).toBe(1);
  });

  it('a worker stores and fetches objects, and the coordinator reads and drops them', async () => {
    const connection = await as('worker');
    const files = new ObjectFiles(connection, RUN);
    for (const bytes of [
      new Uint8Array(0),
      new Uint8Array(131_072).fill(1),
      new Uint8Array(3_000_001).fill(7),
    ]) {
      const name = `files/of ${bytes.byteLength} bytes`;
      const file = await files.put({ name, bytes });
      const { sha256 } = file;
      expect(Buffer.compare(await files.fetch(name, sha256), bytes)).toBe(0);
      expect(Buffer.compare(await store.readFile(file), bytes)).toBe(0);
      const objects = await coordinator.jetstream().views.os(`gan-objects-${RUN}`);
      await objects.delete(name);
      await expect(files.fetch(name, sha256)).rejects.toMatchObject({ code: 'checkpoint' });
      await objects.putBlob({ name }, bytes);
      expect(Buffer.compare(await files.fetch(name, sha256), bytes)).toBe(0);
    }
  });

  it('the coordinator drops what was exported in mid-run without a trace, but not what a later lead asked for', async () => {
    const files = new ObjectFiles(await as('worker'), RUN);
    const bytes = new Uint8Array(300_000).fill(3);
    const put = (name: string) => files.put({ name, bytes });
    const stored = async (): Promise<number> => {
      const { streams } = await coordinator.jetstreamManager();
      return (await streams.info(`OBJ_gan-objects-${RUN}`)).state.messages;
    };
    const result = await put('generator-7/generator.onnx');
    const later = await put(`${exportPrefix(7, 9, 'newest-9-1')}/generator.onnx`);
    const before = await stored();
    for (const step of [3, 5]) await put(`${exportPrefix(step, 4, `newest-4-${step}`)}/generator.onnx`);
    expect(await stored()).toBeGreaterThan(before);
    await store.dropExports(4);
    expect(await stored()).toBe(before);
    for (const file of [result, later]) expect(await store.readFile(file)).toHaveLength(bytes.byteLength);
    await expect(store.readFile({ ...result, sha256: 'a'.repeat(64) })).rejects.toThrow('is not the one');
    await store.dropExports(9);
    await expect(store.readFile(later)).rejects.toThrow('found none');
  });

  it('the coordinator drops chunks that belong to no object, and what is whole stays', async () => {
    const connection = await as('worker');
    const bytes = new Uint8Array(300_000).fill(5);
    const whole = await new ObjectFiles(connection, RUN).put({ name: 'whole', bytes });
    const { streams } = await coordinator.jetstreamManager();
    const stored = async (filter: string): Promise<number> =>
      Object.keys(
        (await streams.info(`OBJ_gan-objects-${RUN}`, { subjects_filter: filter })).state.subjects ?? {},
      ).length;
    // As of a worker that was killed while it stored an object.
    for (let chunk = 0; chunk < 3; chunk++)
      await connection.jetstream().publish(`$O.gan-objects-${RUN}.C.torn`, bytes.subarray(0, 100_000));
    // And a subject that no object has: no filter is made of what it says.
    await connection.request(`$O.gan-objects-${RUN}.C.not-an-id`, bytes.subarray(0, 10));
    expect(await stored(`$O.gan-objects-${RUN}.C.torn`)).toBe(1);
    await store.dropLeftOver();
    expect(await stored(`$O.gan-objects-${RUN}.C.torn`)).toBe(0);
    expect(await stored(`$O.gan-objects-${RUN}.C.not-an-id`)).toBe(1);
    expect(await store.readFile(whole)).toHaveLength(bytes.byteLength);
  });

  it('a state that is not whole becomes no checkpoint', async () => {
    const { name, sha256 } = await new ObjectFiles(await as('worker'), RUN).put({
      name: 'state-1-1-torn',
      bytes: new Uint8Array(300_000),
    });
    const { streams } = await coordinator.jetstreamManager();
    const objects = await coordinator.jetstream().views.os(`gan-objects-${RUN}`);
    const { nuid } = (await objects.info(name)) as unknown as { nuid: string };
    await streams.purge(`OBJ_gan-objects-${RUN}`, { filter: `$O.gan-objects-${RUN}.C.${nuid}`, keep: 2 });
    const record = { update: 2, object: name, sha256, stateFingerprint: '0'.repeat(16) };
    await expect(store.commitCheckpoint(record, new Uint8Array(8))).rejects.toThrow(
      'state state-1-1-torn has 2 of 3 chunks in the store',
    );
    await store.refresh();
    expect(store.checkpoint).toBeNull();
  });

  it('an object whose chunks are gone is refused by its reader', async () => {
    const connection = await as('worker');
    const files = new ObjectFiles(connection, RUN);
    const { sha256 } = await files.put({ name: 'torn', bytes: new Uint8Array(300_000) });
    const manager = await coordinator.jetstreamManager();
    const objects = await coordinator.jetstream().views.os(`gan-objects-${RUN}`);
    const { nuid } = (await objects.info('torn')) as unknown as { nuid: string };
    await manager.streams.purge(`OBJ_gan-objects-${RUN}`, {
      filter: `$O.gan-objects-${RUN}.C.${nuid}`,
      keep: 1,
    });
    await expect(files.fetch('torn', sha256)).rejects.toThrow('object torn is not whole');
  });

  it('a watcher reads who leads', async () => {
    expect(await readLead(await as('watch'), RUN)).toEqual(LEAD);
    expect(await readLead(await as('watch'), 'none').catch(() => 'no such run')).toBe('no such run');
  });
});
