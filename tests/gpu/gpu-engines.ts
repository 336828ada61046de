import { GPU_ENGINES, probeEngines } from '../../worker/engine/index.js';
import type { EngineProbe } from '../../worker/engine/index.js';

/** What is found here of each engine that computes on a GPU. */
export async function gpuEngines(): Promise<EngineProbe[]> {
  const probes = await probeEngines(process.env);
  return probes.filter(({ name }) => GPU_ENGINES.includes(name));
}

/** One line an engine: tested on what, or what is missing. */
export const lineOf = ({ name, usable, reason }: EngineProbe): string =>
  usable ? `${name}: tested (${reason})` : `${name}: NOT TESTED: ${reason}`;
