import type { LayerTensor } from '../../unit/export/float64-network.js';

interface StateDictTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number> | ArrayLike<bigint>;
}

/** A layer has either a weight of Linear [out, in], or one of BatchNorm1d [features]. */
const TORCH_ROLES: Readonly<Record<string, string>> = {
  weight: 'weight',
  bias: 'bias',
  gamma: 'weight',
  beta: 'bias',
  mean: 'running_mean',
  variance: 'running_var',
};

/** The tensors of a torch.nn.Sequential's state dict, by layer and the layout's roles; Linear's weight as [in, out]. */
export function torchTensor(stateDict: Readonly<Record<string, StateDictTensor>>): LayerTensor {
  return (layer, role) => {
    const name = `${layer}.${TORCH_ROLES[role] ?? role}`;
    const tensor = stateDict[name];
    if (tensor === undefined) throw new Error(`no tensor ${name}`);
    const { dtype, shape, data } = tensor;
    if (dtype !== 'F32') throw new Error(`${name} has type ${dtype}`);
    const values = data as ArrayLike<number>;
    const [rows = 0, columns] = shape;
    if (columns === undefined) return values;
    return Float32Array.from(
      { length: values.length },
      (_, i) => values[(i % rows) * columns + Math.floor(i / rows)] as number,
    );
  };
}
