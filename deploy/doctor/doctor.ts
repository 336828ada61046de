import { statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { isMnistCached } from '../../coordinator/index.js';
import { OperationalError } from '../../proto/index.js';
import { NEVER_ON_HARDWARE, chooseEngine, probeEngines } from '../../worker/index.js';
import { findNatsServer } from '../nats-server/index.js';
import {
  dockerFinding,
  engineFinding,
  gpuFinding,
  lineOf,
  machineFinding,
  mnistFinding,
  nodeFinding,
  untriedFinding,
  type Finding,
} from './findings.js';
import { askTool } from './tool-version.js';

export interface DoctorOptions {
  readonly environment: NodeJS.ProcessEnv;
  readonly cacheFolder: string;
  readonly say: (line: string) => void;
}

/**
 * Tells what this machine has, which engine a worker would take and why, and what to do about what is missing.
 * @returns whether `gan-cluster train` can run here
 */
export async function examine({ environment, cacheFolder, say }: DoctorOptions): Promise<boolean> {
  const tell = (finding: Finding): Finding => {
    say(lineOf(finding));
    return finding;
  };
  const probing = probeEngines(environment);
  const asked = [
    askTool('docker', ['version', '--format', '{{.Server.Version}}']),
    askTool('docker', ['compose', 'version', '--short']),
    askTool('nvidia-smi', ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader']),
  ] as const;
  const disk = await statfs('.').then(
    ({ bavail, bsize }) => bavail * bsize,
    () => null, // not every file system tells
  );
  const findings = [
    tell(nodeFinding(process.version, process.platform, process.arch)),
    tell(machineFinding(availableParallelism(), totalmem(), disk)),
    tell(await natsFinding(environment, cacheFolder, say)),
    tell(mnistFinding(isMnistCached(cacheFolder))),
  ];
  const [engine, compose, gpu] = await Promise.all(asked);
  tell(dockerFinding(engine, compose));
  tell(gpuFinding(gpu));
  const probes = await probing;
  for (const probe of probes) tell(engineFinding(probe));
  tell(untriedFinding(NEVER_ON_HARDWARE));
  const choice = chooseEngine(probes, 'auto');
  say(`a worker would take ${choice.name}: ${choice.reason}`);
  return findings.every(({ state }) => state !== 'needed');
}

async function natsFinding(
  environment: NodeJS.ProcessEnv,
  cacheFolder: string,
  say: (line: string) => void,
): Promise<Finding> {
  const what = 'nats-server';
  try {
    const server = await findNatsServer({ environment, cacheFolder, onProgress: say });
    return { what, state: 'ok', found: `${server.version} (${server.from}: ${server.path})` };
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    return { what, state: 'needed', found: error.message };
  }
}
