import { OperationalError, invariant, modelLayout, updateLayout } from '../../../proto/index.js';
import type { NetworkName } from '../../../proto/index.js';
import type { Engine } from '../engine.js';
import { createEngineInThread } from '../in-thread.js';
import type { EngineAnswer, EngineRequest } from './messages.js';

/**
 * The process of one engine, started by ProcessEngine: answers its parent's requests one after the other and ends with
 * it. An interrupt from the terminal reaches all processes at once; the parent decides when this one is done.
 */
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));

/** An engine with the memory that it lives in here. */
interface Hosted {
  readonly engine: Engine;
  readonly parameters: Float32Array;
  readonly results: Readonly<Record<NetworkName, Float32Array>>;
}

let hosted: Hosted | undefined;

async function create(request: EngineRequest & { kind: 'create' }): Promise<EngineAnswer> {
  const { name, model, shardBatch, slots, realTarget } = request;
  const layout = modelLayout(model);
  const parameters = new Float32Array(layout.parameterCount);
  const results = {
    discriminator: new Float32Array(updateLayout(layout, 'discriminator').floatLength),
    generator: new Float32Array(updateLayout(layout, 'generator').floatLength),
  };
  const engine = await createEngineInThread(name, {
    ...{ model, shardBatch, slots, realTarget, parameters },
  });
  hosted = { engine, parameters, results };
  return { kind: 'created', version: engine.version };
}

async function answer(request: EngineRequest): Promise<EngineAnswer> {
  if (request.kind === 'create') return create(request);
  invariant(hosted !== undefined, 'an engine is created before it is used');
  const { engine, parameters, results } = hosted;
  switch (request.kind) {
    case 'discriminatorHalf':
      parameters.set(request.parameters);
      await engine.discriminatorHalf(request.slot, request.pixels, request.noise, results.discriminator);
      return { kind: 'floats', floats: results.discriminator };
    case 'generatorHalf':
      parameters.set(request.parameters);
      await engine.generatorHalf(request.slot, results.generator);
      return { kind: 'floats', floats: results.generator };
    case 'generate':
      return { kind: 'floats', floats: await engine.generate(request.noise, request.generator) };
    case 'batchStatistics':
      return { kind: 'floats', floats: await engine.batchStatistics(request.noise, request.parameters) };
    case 'close':
      await engine.close();
      return { kind: 'closed' };
  }
}

function failure(thrown: unknown): EngineAnswer {
  if (thrown instanceof OperationalError) {
    return { kind: 'failed', code: thrown.code, message: thrown.message };
  }
  const message = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return { kind: 'failed', code: null, message };
}

process.on('message', (request: EngineRequest) => {
  void answer(request)
    .catch(failure)
    .then((result) => process.send?.(result));
});
