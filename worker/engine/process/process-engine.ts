import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { OperationalError, invariant, modelLayout } from '../../../proto/index.js';
import { compiledUrl } from '../../../proto/runtime/compiled-url.js';
import type { Engine, EngineName, EngineOptions, GeneratorWeights } from '../engine.js';
import type { EngineAnswer, EngineRequest } from './messages.js';

export interface ProcessEngineHost {
  /** Added to this process's environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** From the start of the process until its engine stands: libtensorflow may compile kernels for the card first. */
  readonly startMs?: number;
  /** The module to run and Node's flags for it: this process's own flags unless given. */
  readonly entry?: { readonly file: URL; readonly execArgv: readonly string[] };
}

const START_MS = 120_000;
const CLOSE_MS = 5_000;
const ENTRY = compiledUrl(import.meta.url, './engine-process-main.js');

interface Pending {
  readonly resolve: (answer: EngineAnswer) => void;
  readonly reject: (error: Error) => void;
}

/**
 * An engine in a process of its own: for native code that crashes in worker threads, or that must see another
 * environment. The parameters travel to it before every call. The process ends with this one, however this one ends.
 */
export class ProcessEngine implements Engine {
  /** Throws what creating the engine throws there; OperationalError('engine-unavailable') when the process does not stand. */
  static async create(
    name: EngineName,
    options: EngineOptions,
    { environment = {}, startMs = START_MS, entry }: ProcessEngineHost = {},
  ): Promise<ProcessEngine> {
    const { model, shardBatch, slots, realTarget = 1, parameters } = options;
    invariant(parameters.length === modelLayout(model).parameterCount, 'the parameters fill their layout');
    const child = fork(fileURLToPath(entry?.file ?? ENTRY), [], {
      serialization: 'advanced',
      env: { ...process.env, ...environment },
      // Standard output belongs to the command, which may be writing JSON to it.
      stdio: ['ignore', 2, 2, 'ipc'],
      ...(entry === undefined ? {} : { execArgv: [...entry.execArgv] }),
    });
    const channel = new Channel(name, child);
    const timer = setTimeout(() => child.kill('SIGKILL'), startMs);
    try {
      const answer = await channel.ask({ kind: 'create', name, model, shardBatch, slots, realTarget });
      invariant(answer.kind === 'created', 'an engine process says that its engine stands');
      return new ProcessEngine(name, answer.version, channel, parameters);
    } catch (error) {
      await channel.end();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  private constructor(
    readonly name: EngineName,
    readonly version: string,
    private readonly channel: Channel,
    private readonly parameters: Float32Array,
  ) {}

  /** Process id of the engine, for tests and people. */
  get pid(): number | undefined {
    return this.channel.pid;
  }

  async discriminatorHalf(
    slot: number,
    pixels: Uint8Array,
    noise: Float32Array,
    out: Float32Array,
  ): Promise<void> {
    const { parameters } = this;
    out.set(await this.floats({ kind: 'discriminatorHalf', slot, parameters, pixels, noise }, out.length));
  }

  async generatorHalf(slot: number, out: Float32Array): Promise<void> {
    out.set(await this.floats({ kind: 'generatorHalf', slot, parameters: this.parameters }, out.length));
  }

  generate(noise: Float32Array, generator: GeneratorWeights): Promise<Float32Array> {
    return this.floats({ kind: 'generate', noise, generator });
  }

  batchStatistics(noise: Float32Array, parameters: Float32Array): Promise<Float32Array> {
    return this.floats({ kind: 'batchStatistics', noise, parameters });
  }

  async close(): Promise<void> {
    await this.channel.end();
  }

  private async floats(request: EngineRequest, length?: number): Promise<Float32Array> {
    const answer = await this.channel.ask(request);
    invariant(answer.kind === 'floats', `an engine process answers ${request.kind} with numbers`);
    invariant(length === undefined || answer.floats.length === length, 'the results fill their vector');
    return answer.floats;
  }
}

/** Requests and answers over a child process's channel, in order. */
class Channel {
  private readonly pending: Pending[] = [];
  private ended: OperationalError | undefined;

  constructor(
    private readonly name: EngineName,
    private readonly child: ChildProcess,
  ) {
    child.on('message', (answer: EngineAnswer) => this.settle(answer));
    child.on('error', (error) => this.fail(`could not be started: ${error.message}`));
    child.on('exit', (code, signal) => this.fail(`ended (${signal ?? `exit status ${code ?? 'unknown'}`})`));
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Throws the engine's own error; OperationalError('engine-unavailable') when its process is or comes to be gone. */
  ask(request: EngineRequest): Promise<EngineAnswer> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => {
      this.pending.push({ resolve, reject });
      this.child.send(request, (error) => {
        if (error !== null) this.fail(`does not take requests: ${error.message}`);
      });
    });
  }

  /** Ends the process: by asking, and where that is not heard in time, by force. */
  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined)
      return;
    const exited = once(this.child, 'exit');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), CLOSE_MS);
    if (this.ended === undefined) await this.ask({ kind: 'close' }).catch(() => undefined);
    if (this.child.connected) this.child.disconnect();
    await exited;
    clearTimeout(timer);
  }

  private settle(answer: EngineAnswer): void {
    const pending = this.pending.shift();
    invariant(pending !== undefined, 'an engine process answers what it was asked');
    if (answer.kind !== 'failed') return pending.resolve(answer);
    const error =
      answer.code === null ? new Error(answer.message) : new OperationalError(answer.code, answer.message);
    pending.reject(error);
  }

  private fail(what: string): void {
    this.ended ??= new OperationalError('engine-unavailable', `the process of engine ${this.name} ${what}`);
    for (const { reject } of this.pending.splice(0)) reject(this.ended);
  }
}
