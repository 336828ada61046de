import { invariant, modelLayout } from '../../../proto/index.js';
import type { ModelDescription } from '../../../proto/index.js';
import { GraphBuilder } from './graph-builder.js';
import { forwardNetwork } from './network.js';
import type { OnnxGraph } from './schema.js';
import { transposed } from './training-graphs.js';

/**
 * What the generator's batch norms see of `noise` [rows, inputSize] in training mode: outputs under the names of
 * ModelLayout.statistics, [1, n] each. Parameters are inputs as in the training graphs.
 */
export function buildStatisticsGraph(model: ModelDescription, rows: number): OnnxGraph {
  const graph = new GraphBuilder('batch statistics');
  const noise = transposed(graph, graph.input('noise', [rows, model.generator.inputSize]));
  const { statistics } = forwardNetwork({ graph, name: 'generator', network: model.generator, rows }, noise);
  for (const { name } of modelLayout(model).statistics) {
    const value = statistics.get(name);
    invariant(value !== undefined, `the generator's pass has ${name}`);
    graph.output(name, value);
  }
  return graph.graph();
}
