import type { Fault } from '../../proto/runtime/fault-injection.js';
import type { ChaosCluster } from './chaos-cluster.js';
import type { Stretch } from './lineage.js';
import { NatsProxy } from './nats-proxy.js';
import { lasting } from './pulse.js';
import { Random } from './random.js';
import type { Blow, Mine, RandomPlan } from './random-plan.js';
import type { Scenario } from './scenario.js';
import { LONG } from './shapes.js';

const MAX_DELAY_MS = 300;
const RING_POINTS: ReadonlySet<Fault['point']> = new Set(['in-reduce-scatter', 'in-all-gather']);
/** They fire when something else happens in time, which nobody can promise. */
const CHANCE_POINTS: ReadonlySet<Fault['point']> = new Set([
  'in-survey',
  'in-state-transfer',
  'in-checkpoint',
  'surveyed',
  'ring-written',
  'checkpoint-stored',
]);

/** Lets a process that stands still go on, and ends one whose thread hangs. */
async function release(cluster: ChaosCluster, { fault, releasedAfterMs }: Mine): Promise<void> {
  if (fault.action !== 'stop' && fault.action !== 'hang') return;
  const fired = await cluster.until(
    () => cluster.record.find(fault.id) ?? isOver(cluster),
    fault.id,
    240_000,
  );
  if (fired === true) return;
  const life = cluster.process(fault.who);
  await lasting(releasedAfterMs);
  if (life.pid === fired.pid) life.signal(fault.action === 'stop' ? 'SIGCONT' : 'SIGKILL');
}

const isOver = (cluster: ChaosCluster): boolean => cluster.watch.ended !== null;

/** Resolves once the blow has fallen, and, where it lasts, is over. */
async function strike(cluster: ChaosCluster, blow: Blow): Promise<void> {
  switch (blow.kind) {
    case 'kill-worker':
      return void cluster.signal(blow.who, 'SIGKILL');
    case 'stop-worker': {
      const life = cluster.process(blow.who);
      life.signal('SIGSTOP');
      await lasting(blow.forMs);
      return life.signal('SIGCONT');
    }
    case 'drain-worker': {
      const life = cluster.process(blow.who);
      life.signal('SIGTERM');
      await cluster.exitOf(life);
      await lasting(blow.backAfterMs);
      if (!isOver(cluster) && cluster.process(blow.who) === life) cluster.comeBack(blow.who);
      return;
    }
    case 'add-worker':
      if (cluster.nats.isUp) await cluster.startWorker(blow.who);
      return;
    case 'cut-worker-from-nats':
      cluster.proxy(blow.who)[blow.how]();
      await lasting(blow.forMs);
      return cluster.proxy(blow.who).restore();
    case 'kill-coordinator': {
      const name = cluster.leader;
      cluster.supervise(name, false);
      cluster.signal(name, 'SIGKILL');
      await lasting(blow.backAfterMs);
      return cluster.comeBack(name);
    }
    case 'stop-coordinator': {
      const life = cluster.process(cluster.leader);
      life.signal('SIGSTOP');
      await lasting(blow.forMs);
      return life.signal('SIGCONT');
    }
    case 'nats-away':
      return cluster.natsAway(blow.forMs, blow.how);
    case 'power-cut':
      await cluster.killEverything();
      return cluster.resumeEverything();
  }
}

/** Blows that take others' ground away (NATS, all processes) come one after the other; the rest may overlap. */
const isExclusive = ({ kind }: Blow): boolean => kind === 'nats-away' || kind === 'power-cut';

async function strikeAll(cluster: ChaosCluster, blows: readonly Blow[]): Promise<void> {
  const lasting: Promise<void>[] = [];
  for (const blow of blows) {
    await cluster.until(
      () => cluster.watch.progress.nextUpdate >= blow.update || isOver(cluster),
      `update ${blow.update} for ${blow.kind}`,
      240_000,
    );
    if (isOver(cluster)) break;
    const struck = strike(cluster, blow);
    if (isExclusive(blow)) await struck;
    else lasting.push(struck);
  }
  await Promise.all(lasting);
}

/** Whether a planned fault's worker had no part in any update at which it could have fired. */
function hadNoTurn(fault: Fault, cluster: ChaosCluster, stretches: readonly Stretch[]): boolean {
  if (CHANCE_POINTS.has(fault.point)) return true;
  return !stretches.some(
    ({ world, to }) =>
      to > fault.update &&
      world.some((id) => cluster.watch.nameOf(id) === fault.who) &&
      (world.length > 1 || !RING_POINTS.has(fault.point)),
  );
}

/** The scenario of a plan. */
export function randomScenario(plan: RandomPlan): Scenario {
  const { seed, workers, coordinators, checkpointEveryS, weather, mines, blows } = plan;
  const cutOff = new Set(blows.flatMap((blow) => (blow.kind === 'cut-worker-from-nats' ? [blow.who] : [])));
  const kinds = new Set(blows.map(({ kind }) => kind));
  const disturbsNats = kinds.has('nats-away') || kinds.has('power-cut') || cutOff.size > 0;
  const standsStill =
    kinds.has('stop-worker') || mines.some(({ fault }) => fault.action === 'stop' || fault.action === 'hang');
  let processes = 0;
  return {
    name: `seed ${seed}`,
    shape: LONG,
    workers,
    coordinators,
    checkpointEveryS,
    faults: mines.map(({ fault }) => fault),
    endsWithinMs: 240_000,
    toleratesErrors: disturbsNats,
    toleratesLingering: disturbsNats || standsStill || weather !== null,
    proxyOf: (name, nats) => {
      if (weather === null) return cutOff.has(name) ? NatsProxy.listen(nats.port) : undefined;
      const random = new Random(seed * 64 + processes++);
      const odds = { lost: weather, doubled: weather, delayed: weather, maxDelayMs: MAX_DELAY_MS };
      return NatsProxy.listen(nats.port, { random, ...odds });
    },
    act: async (cluster) => {
      await Promise.all([strikeAll(cluster, blows), ...mines.map((mine) => release(cluster, mine))]);
    },
    excused: hadNoTurn,
    check: (cluster) => {
      const fired = new Set(cluster.record.read().map(({ id }) => id));
      const struck = [
        ...mines.map(({ fault }) => (fired.has(fault.id) ? fault.id : `(${fault.id})`)),
        ...blows.map(({ kind, update }) => `${kind}-${update}`),
      ];
      const storm = weather === null ? '' : `, ${100 * weather} % of messages lost, doubled, late`;
      // In parentheses: what had no turn.
      process.stdout.write(
        `seed ${seed}: ${workers} workers, ${coordinators} coordinators${storm}: ${struck.join(', ')}\n`,
      );
    },
  };
}
