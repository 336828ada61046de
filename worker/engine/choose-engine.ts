import { OperationalError, UsageError } from '../../proto/index.js';
import { ENGINE_NAMES } from './engine.js';
import type { EngineName } from './engine.js';
import type { EngineProbe } from './probe.js';

export interface EngineChoice {
  readonly name: EngineName;
  /** Why this one, in words. */
  readonly reason: string;
}

/**
 * What `auto` takes, best first. Not among them: WebGPU, which takes a software driver for a GPU without a word, and the
 * TensorFlow.js backends that are there for comparison.
 */
const AUTOMATIC: readonly EngineName[] = ['tfjs-tensorflow', 'onnx-cuda', 'onnx-cpu'];

/**
 * The engine to use: the one that is asked for, or the best of those found usable.
 * @param requested an engine's name or `auto`
 * Throws UsageError for an unknown name or an engine that is not there, saying why and what is;
 * OperationalError('engine-unavailable') where `auto` finds none.
 */
export function chooseEngine(probes: readonly EngineProbe[], requested: string): EngineChoice {
  if (requested === 'auto') return chooseAutomatically(probes);
  const name = ENGINE_NAMES.find((known) => known === requested);
  const there = probes.filter(({ usable }) => usable).map((probe) => probe.name);
  const alternatives =
    there.length === 0 ? 'no engine is available here' : `available here: ${there.join(', ')}`;
  if (name === undefined) {
    throw new UsageError(
      `there is no engine "${requested}": auto or one of ${ENGINE_NAMES.join(', ')} was expected; ${alternatives}`,
    );
  }
  const probe = probes.find((candidate) => candidate.name === name);
  if (probe?.usable !== true) {
    throw new UsageError(
      `engine ${name} cannot run here: ${probe?.reason ?? 'not looked for'}; ${alternatives}`,
    );
  }
  return { name, reason: `asked for: ${probe.reason}` };
}

function chooseAutomatically(probes: readonly EngineProbe[]): EngineChoice {
  const passedOver: string[] = [];
  for (const name of AUTOMATIC) {
    const probe = probes.find((candidate) => candidate.name === name);
    if (probe?.usable === true) {
      const why = passedOver.length === 0 ? '' : `; ${passedOver.join('; ')}`;
      return { name, reason: `${probe.reason}${why}` };
    }
    passedOver.push(`not ${name}: ${probe?.reason ?? 'not looked for'}`);
  }
  throw new OperationalError('engine-unavailable', `no engine can run here; ${passedOver.join('; ')}`);
}
