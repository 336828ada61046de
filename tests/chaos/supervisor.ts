import { join } from 'node:path';
import { ChaosProcess, type ProcessExit } from './chaos-process.js';
import type { NatsHost } from './nats-host.js';
import type { NatsProxy } from './nats-proxy.js';
import type { Pulse } from './pulse.js';

const FOREVER_MS = 600_000;
/** After NATS has gone, for a process that was just coming up. */
const EXCUSED_MS = 10_000;

/** A place for a process: who takes it and whether it is started again when it dies. */
export interface Seat {
  readonly name: string;
  readonly role: 'coordinator' | 'worker';
  readonly lives: ChaosProcess[];
  readonly proxy: NatsProxy | undefined;
  restarts: boolean;
  /** Coordinators that are started again after everything was gone are told to go on. */
  resume: boolean;
}

/** An end that a process should not have come to by itself. */
export interface Surprise {
  readonly name: string;
  readonly exit: ProcessExit;
}

export interface SupervisorParts {
  readonly pulse: Pulse;
  readonly logFolder: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly nats: () => NatsHost;
  readonly argumentsOf: (seat: Seat) => readonly string[];
  /** Nobody is started any more. */
  readonly isOver: () => boolean;
  /** The exit status that the run is to end with. */
  readonly endsWith: number;
}

/** Starts processes and starts them again when they die, each in its seat. */
export class Supervisor {
  /** Workers that ended with an error. */
  readonly surprises: Surprise[] = [];
  private readonly byName = new Map<string, Seat>();
  private natsGoneMs = -Infinity;

  constructor(private readonly parts: SupervisorParts) {}

  get seats(): Seat[] {
    return [...this.byName.values()];
  }

  get lives(): ChaosProcess[] {
    return this.seats.flatMap(({ lives }) => lives);
  }

  /** The newest life of each seat of a role. */
  present(role: Seat['role']): ChaosProcess[] {
    return this.seats.filter((seat) => seat.role === role).flatMap(({ lives }) => lives.slice(-1));
  }

  seat(name: string): Seat {
    const seat = this.byName.get(name);
    if (seat === undefined) throw new Error(`there is no ${name}`);
    return seat;
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }

  add(name: string, role: Seat['role'], proxy: NatsProxy | undefined): void {
    this.byName.set(name, { name, role, lives: [], proxy, restarts: true, resume: false });
  }

  /** NATS goes: who finds none when it starts ends with an error, which is nobody's fault. */
  expectNoNats(): void {
    this.natsGoneMs = Date.now();
  }

  spawn(name: string): ChaosProcess {
    const { logFolder, environment, argumentsOf } = this.parts;
    const seat = this.seat(name);
    const logFile = join(logFolder, `${name}.${seat.lives.length}.log`);
    const life = new ChaosProcess(name, argumentsOf(seat), environment, logFile, (ended, exit) =>
      this.onExit(seat, ended, exit),
    );
    seat.lives.push(life);
    return life;
  }

  /** Starts a process whose last life has ended, or is about to, again, once there is a NATS to go to. */
  revive(name: string): void {
    const { pulse, nats, isOver } = this.parts;
    const seat = this.seat(name);
    const life = seat.lives.at(-1);
    const canStart = (): boolean => isOver() || (nats().isUp && life?.exit !== null);
    void pulse.until(canStart, 'NATS', FOREVER_MS).then(
      () => {
        if (seat.restarts && !isOver() && seat.lives.at(-1) === life) this.spawn(name);
      },
      () => undefined, // the alarm is told to whoever waits for the run
    );
  }

  private onExit(seat: Seat, life: ChaosProcess, exit: ProcessExit): void {
    const { pulse, isOver, endsWith } = this.parts;
    const { name, role } = seat;
    const { status } = exit;
    const excused = status === null || life.startedMs <= this.natsGoneMs + EXCUSED_MS;
    if (role === 'worker' && status !== null && status !== 0 && endsWith === 0)
      this.surprises.push({ name, exit });
    if (role === 'coordinator' && status !== endsWith && !excused)
      pulse.alarm(new Error(`${name} ended with exit status ${status}`));
    else if (seat.restarts && status !== endsWith && status !== 0 && !isOver() && seat.lives.at(-1) === life)
      this.revive(name);
    pulse.beat();
  }
}
