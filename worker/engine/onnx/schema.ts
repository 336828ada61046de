import protobuf from 'protobufjs';

/**
 * The part of the ONNX format (onnx.proto, IR version 9) that our graphs use, by field numbers, and its encoder. What
 * is declared as bytes alone is never written: `decodeModel` looks whether a file has it.
 */

/** TensorProto.DataType */
export const ELEMENT_TYPES = { float32: 1, uint8: 2, int32: 6, int64: 7 } as const;
export type ElementType = keyof typeof ELEMENT_TYPES;

/** A number is a fixed size, a string names a size that is known when the graph runs. */
export type Dimension = number | string;

/** AttributeProto.AttributeType */
const ATTRIBUTE_FLOAT = 1;
const ATTRIBUTE_INT = 2;

export type AttributeValue = { readonly float: number } | { readonly int: number };

export interface OnnxNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** A graph's input or output. */
export interface OnnxTensorInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly Dimension[];
  /** A sequence of tensors instead of one. */
  readonly sequence?: boolean;
}

export interface OnnxInitializer {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxTensorInfo[];
  readonly outputs: readonly OnnxTensorInfo[];
  readonly initializers: readonly OnnxInitializer[];
}

/** Of the format itself, and of its operators' definitions. Each opset came with an IR version. */
export interface OnnxVersion {
  readonly ir: number;
  readonly opset: number;
}
const LATEST: OnnxVersion = { ir: 9, opset: 20 };

const field = (id: number, type: string) => ({ id, type });
const repeated = (id: number, type: string) => ({ id, type, rule: 'repeated' });

/** As in onnx.proto, which is proto2: a zero that is set is written, so that an attribute of 0 has a value. */
const message = (fields: Record<string, protobuf.IField>): protobuf.IType => ({ edition: 'proto2', fields });

const root = protobuf.Root.fromJSON({
  nested: {
    onnx: {
      nested: {
        AttributeProto: message({
          name: field(1, 'string'),
          f: field(2, 'float'),
          i: field(3, 'int64'),
          type: field(20, 'int32'),
        }),
        TensorProto: message({
          dims: repeated(1, 'int64'),
          dataType: field(2, 'int32'),
          name: field(8, 'string'),
          rawData: field(9, 'bytes'),
          externalData: repeated(13, 'bytes'),
        }),
        NodeProto: message({
          input: repeated(1, 'string'),
          output: repeated(2, 'string'),
          name: field(3, 'string'),
          opType: field(4, 'string'),
          attribute: repeated(5, 'AttributeProto'),
          domain: field(7, 'string'),
        }),
        Dimension: message({ dimValue: field(1, 'int64'), dimParam: field(2, 'string') }),
        TensorShapeProto: message({ dim: repeated(1, 'Dimension') }),
        TensorTypeProto: message({ elemType: field(1, 'int32'), shape: field(2, 'TensorShapeProto') }),
        SequenceTypeProto: message({ elemType: field(1, 'TypeProto') }),
        TypeProto: message({
          tensorType: field(1, 'TensorTypeProto'),
          sequenceType: field(4, 'SequenceTypeProto'),
        }),
        ValueInfoProto: message({ name: field(1, 'string'), type: field(2, 'TypeProto') }),
        GraphProto: message({
          node: repeated(1, 'NodeProto'),
          name: field(2, 'string'),
          initializer: repeated(5, 'TensorProto'),
          input: repeated(11, 'ValueInfoProto'),
          output: repeated(12, 'ValueInfoProto'),
          sparseInitializer: repeated(15, 'bytes'),
        }),
        OperatorSetIdProto: message({ domain: field(1, 'string'), version: field(2, 'int64') }),
        StringStringEntryProto: message({ key: field(1, 'string'), value: field(2, 'string') }),
        ModelProto: message({
          irVersion: field(1, 'int64'),
          producerName: field(2, 'string'),
          graph: field(7, 'GraphProto'),
          opsetImport: repeated(8, 'OperatorSetIdProto'),
          metadataProps: repeated(14, 'StringStringEntryProto'),
          functions: repeated(25, 'bytes'),
        }),
      },
    },
  },
});
export const modelProto = root.lookupType('onnx.ModelProto');

/**
 * The bytes of a `.onnx` file. The same graph and metadata give the same bytes.
 * @param metadata what the file says of itself, by name
 */
export function encodeModel(
  graph: OnnxGraph,
  metadata: Readonly<Record<string, string>> = {},
  version: OnnxVersion = LATEST,
): Uint8Array {
  return modelProto
    .encode({
      irVersion: version.ir,
      producerName: 'gan-cluster',
      opsetImport: [{ domain: '', version: version.opset }],
      graph: {
        name: graph.name,
        node: graph.nodes.map(nodeMessage),
        initializer: graph.initializers.map(initializerMessage),
        input: graph.inputs.map(tensorInfoMessage),
        output: graph.outputs.map(tensorInfoMessage),
      },
      metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    })
    .finish();
}

function nodeMessage(node: OnnxNode): object {
  const attribute = Object.entries(node.attributes).map(([name, value]) =>
    'float' in value
      ? { name, type: ATTRIBUTE_FLOAT, f: value.float }
      : { name, type: ATTRIBUTE_INT, i: value.int },
  );
  return {
    opType: node.operator,
    name: node.outputs[0],
    input: node.inputs,
    output: node.outputs,
    attribute,
  };
}

function initializerMessage({ name, dims, data }: OnnxInitializer): object {
  // raw_data is little-endian by definition, typed arrays are in the machine's order.
  const rawData = new Uint8Array(data.byteLength);
  const view = new DataView(rawData.buffer);
  data.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return { name, dims, dataType: ELEMENT_TYPES.float32, rawData };
}

function tensorInfoMessage({ name, type, dims, sequence = false }: OnnxTensorInfo): object {
  const elemType = ELEMENT_TYPES[type];
  if (sequence) return { name, type: { sequenceType: { elemType: { tensorType: { elemType } } } } };
  const dim = dims.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}
