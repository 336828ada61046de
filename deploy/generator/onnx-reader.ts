import { messageOf } from '../../proto/index.js';
import { decodeModel, type DecodedModel } from '../../worker/engine/onnx/index.js';
import { checkImageSize, type ReadableModel } from './readable-model.js';
import { DAMAGED, refusal, shown } from './refusal.js';
import { finiteFloats, tensorBytes } from './tensor-table.js';

/** Operators of a network in evaluation mode, as `worker/export` writes them. */
const OPERATORS = ['Gemm', 'BatchNormalization', 'Relu', 'LeakyRelu', 'Tanh', 'Sigmoid'];
/** TensorProto.DataType and AttributeProto.AttributeType. */
const FLOAT32 = 1;
const ATTRIBUTE_TYPES = [1, 2]; // float, int

/**
 * An `.onnx` file as `worker/export` writes it. ONNX Runtime is given nothing else: a model may also have loops, tensors
 * of any size, code of other makers and files that it reads. Throws UsageError.
 */
export function readOnnx(path: string, bytes: Uint8Array): ReadableModel {
  let model: DecodedModel;
  try {
    model = decodeModel(bytes);
  } catch (error) {
    throw refusal(path, `is no whole ONNX file (${shown(messageOf(error))}): ${DAMAGED}`, error);
  }
  checkEnds(path, model);
  checkTensors(path, model);
  checkChain(path, model);
  const [noiseSize, imageSize] = [columns(model.graph.input[0]), columns(model.graph.output[0])];
  if (noiseSize === null || imageSize === null)
    throw refusal(path, 'was expected to map noise [n, features] to images [n, pixels], float32, with any n');
  checkImageSize(path, imageSize);
  const provenance = Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value]));
  return { onnx: bytes, noiseSize, imageSize, provenance };
}

/** What goes in and comes out, by name. */
function checkEnds(path: string, { graph }: DecodedModel): void {
  const ends = (infos: readonly { name: string }[]): string =>
    shown(infos.map(({ name }) => name).join(', ')) || 'nothing';
  const found = `${ends(graph.input)} -> ${ends(graph.output)}`;
  if (found !== 'noise -> images')
    throw refusal(path, `was expected to be a generator, noise -> images; found ${found}`);
}

/** The features of float32 [n, features] with any n; null for what is anything else. */
function columns(info: DecodedModel['graph']['input'][number] | undefined): number | null {
  const tensor = info?.type?.tensorType;
  const [rows, features, ...more] = tensor?.shape?.dim ?? [];
  const isGiven = features !== undefined && Number.isSafeInteger(features.dimValue) && features.dimValue > 0;
  return tensor?.elemType === FLOAT32 && more.length === 0 && rows?.dimValue === 0 && isGiven
    ? features.dimValue
    : null;
}

function checkTensors(path: string, { graph }: DecodedModel): void {
  if (graph.sparseInitializer.length > 0)
    throw refusal(path, 'holds sparse tensors: gan-cluster writes none');
  for (const { name, dims, dataType, rawData, externalData } of graph.initializer) {
    if (externalData.length > 0)
      throw refusal(path, `has its tensor ${shown(name)} in another file: gan-cluster writes none such`);
    if (dataType !== FLOAT32 || tensorBytes(dims) !== rawData.length)
      throw refusal(
        path,
        `has ${rawData.length} bytes for its tensor ${shown(name)}, where float32 ${shown(dims.join(' x '))} was announced: ${DAMAGED}`,
      );
    finiteFloats(path, name, rawData);
  }
}

/** Each node takes what the last one made, and tensors of the file: then no value is larger than those and the rows. */
function checkChain(path: string, { graph, functions }: DecodedModel): void {
  if (functions.length > 0) throw refusal(path, 'defines operators of its own: gan-cluster writes none such');
  const tensors = new Set(graph.initializer.map(({ name }) => name));
  let value = 'noise';
  for (const { opType, domain, input, output, attribute } of graph.node) {
    const [first, ...others] = input;
    const [made = '', ...surplus] = output;
    const isKnown = OPERATORS.includes(opType) && domain === '';
    if (!isKnown || attribute.some(({ type }) => !ATTRIBUTE_TYPES.includes(type)))
      throw refusal(
        path,
        `was expected to be a generator of gan-cluster, with the operators ${OPERATORS.join(', ')}; found ${shown(opType)}`,
      );
    if (first !== value || surplus.length > 0 || !others.every((name) => tensors.has(name)))
      throw refusal(
        path,
        `was expected to have its layers one after the other, which ${shown(made || opType)} is not: ${DAMAGED}`,
      );
    value = made;
  }
  if (value !== 'images')
    throw refusal(path, `was expected to end in images, and ends in ${shown(value)}: ${DAMAGED}`);
}
