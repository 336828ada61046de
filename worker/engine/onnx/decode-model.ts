import protobuf from 'protobufjs';
import { modelProto } from './schema.js';

/** Parts of a graph (nodes, tensors and so on) that a file may have: decoded, each takes far more memory than in the file. */
const MAX_PARTS = 10_000;
/** Field of ModelProto. */
const GRAPH_FIELD = 7;

/** A tensor's type and dims as a file announces them; fields that are missing are null, as protobuf has them. */
export interface DecodedTensorInfo {
  readonly name: string;
  readonly type: {
    readonly tensorType: {
      readonly elemType: number;
      readonly shape: {
        readonly dim: readonly { readonly dimValue: number; readonly dimParam: string }[];
      } | null;
    } | null;
  } | null;
}

/** An `.onnx` file as far as our own files go, in the words of onnx.proto. Nothing of it is checked yet. */
export interface DecodedModel {
  readonly graph: {
    readonly node: readonly {
      readonly opType: string;
      readonly input: readonly string[];
      readonly output: readonly string[];
      readonly domain: string;
      readonly attribute: readonly { readonly name: string; readonly type: number }[];
    }[];
    readonly initializer: readonly {
      readonly name: string;
      readonly dims: readonly number[];
      readonly dataType: number;
      /** A view of the file. */
      readonly rawData: Uint8Array;
      readonly externalData: readonly Uint8Array[];
    }[];
    readonly input: readonly DecodedTensorInfo[];
    readonly output: readonly DecodedTensorInfo[];
    readonly sparseInitializer: readonly Uint8Array[];
  };
  readonly metadataProps: readonly { readonly key: string; readonly value: string }[];
  readonly functions: readonly Uint8Array[];
}

/**
 * Reads what `encodeModel` writes, and whether a file has more than that of what could change its meaning: functions,
 * sparse tensors, data in other files. Throws Error, in a few words, where the bytes are no ONNX model.
 */
export function decodeModel(bytes: Uint8Array): DecodedModel {
  countParts(bytes);
  const model = modelProto.toObject(modelProto.decode(bytes), {
    longs: Number,
    defaults: true,
    arrays: true,
  });
  return model as DecodedModel;
}

/** Before anything is decoded. One graph only: readers do not agree on what two mean. */
function countParts(bytes: Uint8Array): void {
  let graphs = 0;
  let parts = 0;
  const count = (reader: protobuf.Reader, end: number, inGraph: boolean): void => {
    while (reader.pos < end) {
      if (++parts > MAX_PARTS) throw new Error(`it has more than ${MAX_PARTS} parts`);
      const tag = reader.uint32();
      if (inGraph || tag >>> 3 !== GRAPH_FIELD) {
        reader.skipType(tag & 7);
        continue;
      }
      graphs++;
      const graphBytes = reader.uint32();
      count(reader, reader.pos + graphBytes, true);
    }
  };
  const reader = protobuf.Reader.create(bytes);
  count(reader, reader.len, false);
  if (graphs !== 1) throw new Error(`one graph was expected in it, found ${graphs}`);
}
