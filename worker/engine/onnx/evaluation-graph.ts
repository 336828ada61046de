import type { ModelDescription } from '../../../proto/index.js';
import { GraphBuilder } from './graph-builder.js';
import { evaluateNetwork } from './network.js';
import type { OnnxGraph } from './schema.js';

/**
 * The generator in evaluation mode: `noise` [n, inputSize] -> `images` [n, imageSize] for any n. Parameters and running
 * statistics are inputs under their names in the layout.
 */
export function buildEvaluationGraph(model: ModelDescription): OnnxGraph {
  const graph = new GraphBuilder('generator');
  const rows = 'n';
  const noise = graph.input('noise', [rows, model.generator.inputSize]);
  const images = evaluateNetwork({ graph, name: 'generator', network: model.generator, rows }, noise);
  graph.output('images', images);
  return graph.graph();
}
