import { invariant } from '../../../proto/index.js';
import { encodeModel } from './schema.js';
import type {
  AttributeValue,
  Dimension,
  ElementType,
  OnnxGraph,
  OnnxInitializer,
  OnnxNode,
  OnnxTensorInfo,
} from './schema.js';

/** A tensor of the graph under construction. */
export interface Value {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly Dimension[];
}

interface NodeOptions {
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly type?: ElementType;
}

/** Collects the nodes of one graph, in an order in which they can run, and encodes it. */
export class GraphBuilder {
  private readonly nodes: OnnxNode[] = [];
  private readonly inputs = new Map<string, Value>();
  private readonly constants = new Map<string, Value>();
  private readonly initializers: OnnxInitializer[] = [];
  private readonly outputs: OnnxTensorInfo[] = [];
  /** Names given to values by `output`, applied on encoding. */
  private readonly outputNames = new Map<string, string>();

  constructor(private readonly name: string) {}

  /** The graph's input `name`; asking again returns the same value. */
  input(name: string, dims: readonly Dimension[], type: ElementType = 'float32'): Value {
    const known = this.inputs.get(name);
    if (known !== undefined) {
      invariant(known.type === type && sameDims(known.dims, dims), `input ${name} keeps its type and dims`);
      return known;
    }
    const value: Value = { name, type, dims };
    this.inputs.set(name, value);
    return value;
  }

  /** A constant of the graph; asking again for a name returns the same value. `data` is copied. */
  constant(name: string, dims: readonly number[], data: ArrayLike<number>): Value {
    const known = this.constants.get(name);
    if (known !== undefined) return known;
    invariant(data.length === dims.reduce((a, b) => a * b, 1), `constant ${name} fills its dims`);
    this.initializers.push({ name, dims, data: Float32Array.from(data) });
    const value: Value = { name, type: 'float32', dims };
    this.constants.set(name, value);
    return value;
  }

  scalar(value: number): Value {
    return this.constant(`scalar ${value}`, [], [value]);
  }

  /** Adds a node with one output, whose dims the caller knows. Returns the output. */
  node(
    operator: string,
    inputs: readonly Value[],
    dims: readonly Dimension[],
    { attributes = {}, type = 'float32' }: NodeOptions = {},
  ): Value {
    const value: Value = { name: `${operator}_${this.nodes.length}`, type, dims };
    this.nodes.push({ operator, inputs: inputs.map(({ name }) => name), outputs: [value.name], attributes });
    return value;
  }

  /** Makes `value`, the result of a node, the graph's output `name`. A value is one output at most. */
  output(name: string, value: Value): void {
    invariant(
      this.nodes.some((node) => node.outputs.includes(value.name)),
      `output ${name} is computed by a node`,
    );
    invariant(!this.inputs.has(name) && !this.constants.has(name), `the name ${name} is free`);
    invariant(!this.outputNames.has(value.name), `output ${name} is no other output as well`);
    this.outputNames.set(value.name, name);
    this.outputs.push({ name, type: value.type, dims: value.dims });
  }

  graph(): OnnxGraph {
    const rename = (name: string): string => this.outputNames.get(name) ?? name;
    return {
      name: this.name,
      nodes: this.nodes.map((node) => ({
        ...node,
        inputs: node.inputs.map(rename),
        outputs: node.outputs.map(rename),
      })),
      inputs: [...this.inputs.values()],
      outputs: this.outputs,
      initializers: this.initializers,
    };
  }

  encode(): Uint8Array {
    return encodeModel(this.graph());
  }
}

const sameDims = (a: readonly Dimension[], b: readonly Dimension[]): boolean =>
  a.length === b.length && a.every((dim, i) => dim === b[i]);
