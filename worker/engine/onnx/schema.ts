import protobuf from 'protobufjs';

/**
 * The part of the ONNX format (onnx.proto, IR version 9) that our graphs use, by field numbers, and its encoder.
 */

/** TensorProto.DataType */
export const ELEMENT_TYPES = { float32: 1, uint8: 2, int64: 7 } as const;
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

const IR_VERSION = 9;
const OPSET_VERSION = 20;

const field = (id: number, type: string) => ({ id, type });
const repeated = (id: number, type: string) => ({ id, type, rule: 'repeated' });

const root = protobuf.Root.fromJSON({
  nested: {
    onnx: {
      nested: {
        AttributeProto: {
          fields: {
            name: field(1, 'string'),
            f: field(2, 'float'),
            i: field(3, 'int64'),
            type: field(20, 'int32'),
          },
        },
        TensorProto: {
          fields: {
            dims: repeated(1, 'int64'),
            dataType: field(2, 'int32'),
            name: field(8, 'string'),
            rawData: field(9, 'bytes'),
          },
        },
        NodeProto: {
          fields: {
            input: repeated(1, 'string'),
            output: repeated(2, 'string'),
            name: field(3, 'string'),
            opType: field(4, 'string'),
            attribute: repeated(5, 'AttributeProto'),
          },
        },
        Dimension: { fields: { dimValue: field(1, 'int64'), dimParam: field(2, 'string') } },
        TensorShapeProto: { fields: { dim: repeated(1, 'Dimension') } },
        TensorTypeProto: { fields: { elemType: field(1, 'int32'), shape: field(2, 'TensorShapeProto') } },
        SequenceTypeProto: { fields: { elemType: field(1, 'TypeProto') } },
        TypeProto: {
          fields: { tensorType: field(1, 'TensorTypeProto'), sequenceType: field(4, 'SequenceTypeProto') },
        },
        ValueInfoProto: { fields: { name: field(1, 'string'), type: field(2, 'TypeProto') } },
        GraphProto: {
          fields: {
            node: repeated(1, 'NodeProto'),
            name: field(2, 'string'),
            initializer: repeated(5, 'TensorProto'),
            input: repeated(11, 'ValueInfoProto'),
            output: repeated(12, 'ValueInfoProto'),
          },
        },
        OperatorSetIdProto: { fields: { domain: field(1, 'string'), version: field(2, 'int64') } },
        StringStringEntryProto: { fields: { key: field(1, 'string'), value: field(2, 'string') } },
        ModelProto: {
          fields: {
            irVersion: field(1, 'int64'),
            producerName: field(2, 'string'),
            graph: field(7, 'GraphProto'),
            opsetImport: repeated(8, 'OperatorSetIdProto'),
            metadataProps: repeated(14, 'StringStringEntryProto'),
          },
        },
      },
    },
  },
});
const modelProto = root.lookupType('onnx.ModelProto');

/**
 * The bytes of a `.onnx` file. The same graph and metadata give the same bytes.
 * @param metadata what the file says of itself, by name
 */
export function encodeModel(graph: OnnxGraph, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  return modelProto
    .encode({
      irVersion: IR_VERSION,
      producerName: 'gan-cluster',
      opsetImport: [{ domain: '', version: OPSET_VERSION }],
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
