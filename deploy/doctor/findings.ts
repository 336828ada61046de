import type { EngineProbe } from '../../worker/index.js';
import type { ToolAnswer } from './tool-version.js';

/** One line of the report: what was looked for, what was found, what to do if something is missing. */
export interface Finding {
  readonly what: string;
  /** `needed` is missing and keeps `gan-cluster train` from running; `optional` only limits what can be done. */
  readonly state: 'ok' | 'optional' | 'needed';
  readonly found: string;
  readonly todo?: string;
}

const OLDEST_NODE = [20, 19] as const;
const OLDEST_COMPOSE = [2, 26] as const;

/** Whether `version`, like v20.19.1 or 2.26.0-desktop.2, is `oldest` or newer. */
export function isAtLeast(version: string, oldest: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version
    .replace(/^\D*/, '')
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  return major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);
}

export function nodeFinding(version: string, platform: string, architecture: string): Finding {
  const found = `${version} on ${platform} ${architecture}`;
  if (isAtLeast(version, OLDEST_NODE)) return { what: 'node', state: 'ok', found };
  return { what: 'node', state: 'needed', found, todo: `install Node ${OLDEST_NODE.join('.')} or newer` };
}

export function machineFinding(cores: number, memoryBytes: number, freeDiskBytes: number | null): Finding {
  const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const disk = freeDiskBytes === null ? '' : `, ${gib(freeDiskBytes)} free here`;
  const found = `${cores} core${cores === 1 ? '' : 's'}, ${gib(memoryBytes)} of memory${disk}`;
  if (freeDiskBytes === null || freeDiskBytes > 2 ** 30) return { what: 'machine', state: 'ok', found };
  return {
    what: 'machine',
    state: 'optional',
    found,
    todo: 'make room: checkpoints and results of a run take up to 200 MB',
  };
}

/** Docker is needed for `docker compose up` only. */
export function dockerFinding(engine: ToolAnswer, compose: ToolAnswer): Finding {
  const what = 'docker';
  const limited = (found: string, todo: string): Finding => ({ what, state: 'optional', found, todo });
  if (engine.kind === 'missing')
    return limited('not found', 'install Docker to run the cluster in containers; `npm start` needs none');
  if (engine.kind === 'failed')
    return limited(`the engine does not answer (${engine.why})`, 'start it, or let this user speak to it');
  if (compose.kind !== 'said')
    return limited(`engine ${engine.text}, without Compose`, 'install the Compose plugin, 2.26 or newer');
  const found = `engine ${engine.text}, Compose ${compose.text}`;
  if (isAtLeast(compose.text, OLDEST_COMPOSE)) return { what, state: 'ok', found };
  return limited(found, `update Compose to ${OLDEST_COMPOSE.join('.')} or newer`);
}

/** @param answer of nvidia-smi: name, driver version, memory */
export function gpuFinding(answer: ToolAnswer): Finding {
  const what = 'nvidia gpu';
  if (answer.kind === 'said' && answer.text !== '') return { what, state: 'ok', found: answer.text };
  const found = answer.kind === 'failed' ? `nvidia-smi fails (${answer.why})` : 'none (no nvidia-smi)';
  return { what, state: 'optional', found, todo: 'for the CUDA engines: an NVIDIA card with its driver' };
}

export function mnistFinding(isCached: boolean): Finding {
  return {
    what: 'mnist',
    state: 'ok',
    found: isCached ? 'in the cache' : 'not in the cache: downloaded by the first run (10 MB)',
  };
}

export function engineFinding({ name, usable, reason }: EngineProbe): Finding {
  const found = `${usable ? 'usable' : 'not usable'} (${reason})`;
  return { what: `engine ${name}`, state: usable ? 'ok' : 'optional', found };
}

/** What nobody has seen run on the hardware that it is for. */
export function untriedFinding(engines: readonly string[]): Finding {
  const what = 'never run on hardware';
  if (engines.length === 0) return { what, state: 'ok', found: 'no engine' };
  return {
    what,
    state: 'optional',
    found: `${engines.join(', ')}; one worker a card: tried with made-up cards only`,
    todo: 'on a machine with a GPU, `npm run test:gpu` tries what can run there',
  };
}

/** As it is printed. */
export function lineOf({ what, state, found, todo }: Finding): string {
  const mark = state === 'needed' ? 'MISSING: ' : '';
  return `${what}: ${mark}${found}${todo === undefined ? '' : `; ${todo}`}`;
}
