import { runArtifacts } from '../../../coordinator/artifacts.js';
import { pageApp } from '../../../coordinator/live/page-app.js';
import type { NewestAnswer } from '../../../coordinator/newest-export.js';
import { NewestShelf } from '../../../coordinator/newest-shelf.js';
import { ResultFolder, type RunFile } from '../../../coordinator/result-folder.js';
import { initialRunState } from '../../../coordinator/run-state.js';
import { statusOf } from '../../../coordinator/status.js';
import type { FileRecord, NetworkName } from '../../../proto/index.js';
import { HttpEndpoint } from '../../../proto/runtime/http-endpoint.js';
import { temporaryFolder } from '../cluster/gan-cluster.js';
import { Driver } from '../../unit/coordinator/driver.js';

const STEPS = 20;

/** What a coordinator serves of a run, without the run: the test says what there is. */
export class ServedRun {
  readonly asked: (readonly NetworkName[])[] = [];
  answer: NewestAnswer = { kind: 'none' };
  readonly run = new Driver({ plan: { steps: STEPS } });
  private readonly endpoints: HttpEndpoint[] = [];

  private constructor(
    readonly folder: ResultFolder,
    readonly shelf: NewestShelf,
  ) {}

  static async start(): Promise<ServedRun> {
    const folder = new ResultFolder(temporaryFolder());
    const served = new ServedRun(folder, await NewestShelf.open(folder.path));
    await served.listen(0);
    return served;
  }

  /** Listens, again if need be, as a coordinator that was started again on its port. */
  async listen(port: number): Promise<void> {
    const { run } = this;
    const result = runArtifacts(
      {
        status: () => statusOf(run.state, null, null),
        get now() {
          return run.state;
        },
        askForNewest: (networks) => {
          this.asked.push(networks);
          return this.answer;
        },
      },
      this.folder,
      this.shelf,
    );
    const pageFolder = new URL('file:///nowhere/');
    const app = pageApp({ pageFolder, samplePng: () => null, allowedHosts: [], result });
    this.endpoints.push(await HttpEndpoint.listen({ app, host: '127.0.0.1', port, flag: '--http-port' }));
  }

  get port(): number {
    return this.endpoints.at(-1)?.port ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    for (const endpoint of this.endpoints.splice(0)) await endpoint.close();
  }

  /** The result of a run that has ended so, as a coordinator leaves it. */
  async finish(
    outcome: RunFile['outcome'],
    contents: Readonly<Record<string, Uint8Array>>,
  ): Promise<FileRecord[]> {
    const files: FileRecord[] = [];
    for (const [name, bytes] of Object.entries(contents)) files.push(await this.folder.write(name, bytes));
    await this.folder.writeRunFile(runFile(outcome, STEPS, files));
    return files;
  }

  /** A generator of that step, as it is kept for those who asked. */
  async keep(step: number, contents: Readonly<Record<string, Uint8Array>>): Promise<void> {
    await this.folder.writeRunFile(runFile('running', 0, []));
    return this.shelf.keep(step, 'b'.repeat(64), async (folder) => {
      const files: FileRecord[] = [];
      for (const [name, bytes] of Object.entries(contents)) files.push(await folder.write(name, bytes));
      return [...files, await folder.writeRunFile(runFile('running', step, files))];
    });
  }
}

function runFile(outcome: RunFile['outcome'], stepsDone: number, files: FileRecord[]): RunFile {
  const run = new Driver();
  run.train('a');
  const recorded = { checkpoint: null, ringEpoch: 0, world: [], trustedFrom: 0 };
  const { spec } = initialRunState(run.state.plan, run.state.spec, recorded, 1, 0);
  return {
    runId: 'run',
    outcome,
    spec: { ...spec, engineFingerprint: 'f'.repeat(64) },
    stepsPlanned: STEPS,
    stepsDone,
    stateSha256: 'a'.repeat(64),
    startedAt: '',
    trainingS: 1,
    imagesPerSecond: 1,
    workers: [],
    firstStep: 0,
    ringEpochs: 1,
    files,
  };
}
