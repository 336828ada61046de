"""Reads an exported network by one of Python's readers, none of them ours.

Usage: read_export.py READER FILE X Y       computes Y = network(X), float32 rows without a header
       read_export.py onnx-checker FILE...  checks ONNX files and prints what they say of themselves, as a JSON list
"""

import json
import sys

import numpy as np


def checked_onnx(file):
    import onnx

    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    shape = lambda value: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
    return {
        "ir": model.ir_version,
        "opsets": {opset.domain: opset.version for opset in model.opset_import},
        "inputs": {value.name: shape(value) for value in model.graph.input},
        "outputs": {value.name: shape(value) for value in model.graph.output},
        "operators": [node.op_type for node in model.graph.node],
        "metadata": {entry.key: entry.value for entry in model.metadata_props},
    }


def by_onnxruntime(file, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()
    return session.run(None, {given.name: x.reshape(-1, given.shape[1])})[0]


def by_onnx_reference(file, x):
    """The standard's own evaluator, written in numpy."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    model = onnx.load(file)
    [given] = model.graph.input
    columns = given.type.tensor_type.shape.dim[1].dim_value
    return ReferenceEvaluator(model).run(None, {given.name: x.reshape(-1, columns)})[0]


def described_network(file):
    """The network that a safetensors file holds the tensors of, out of the RunSpec in its metadata."""
    from safetensors import safe_open

    with safe_open(file, framework="np") as opened:
        model = json.loads(opened.metadata()["run_spec"])["model"]
    return model["generator" if "generator" in file.rsplit("/", 1)[-1] else "discriminator"]


def by_safetensors(file, x):
    from safetensors.numpy import load_file

    network = described_network(file)
    tensors = {name: tensor.astype(np.float64) for name, tensor in load_file(file).items()}
    y = x.reshape(-1, network["inputSize"]).astype(np.float64)
    for index, layer in enumerate(network["layers"]):
        tensor = lambda role: tensors.pop(f"{index}.{role}")
        match layer["kind"]:
            case "dense":
                y = y @ tensor("weight").T + tensor("bias")
            case "batchNorm":
                y = (y - tensor("running_mean")) / np.sqrt(tensor("running_var") + layer["epsilon"])
                y = y * tensor("weight") + tensor("bias")
            case "relu":
                y = np.maximum(y, 0)
            case "leakyRelu":
                y = np.where(y > 0, y, layer["slope"] * y)
            case "tanh":
                y = np.tanh(y)
            case "sigmoid":
                y = 1 / (1 + np.exp(-y))
            case kind:
                raise ValueError(f"no layer {kind}")
    if tensors:
        raise ValueError(f"no layer takes {', '.join(tensors)}")
    return y


def by_torch(file, x):
    import torch
    from safetensors.torch import load_file

    network = described_network(file)
    width = network["inputSize"]
    modules = []
    for layer in network["layers"]:
        match layer["kind"]:
            case "dense":
                modules.append(torch.nn.Linear(width, layer["units"]))
                width = layer["units"]
            case "batchNorm":
                modules.append(torch.nn.BatchNorm1d(width, eps=layer["epsilon"]))
            case "relu":
                modules.append(torch.nn.ReLU())
            case "leakyRelu":
                modules.append(torch.nn.LeakyReLU(layer["slope"]))
            case "tanh":
                modules.append(torch.nn.Tanh())
            case "sigmoid":
                modules.append(torch.nn.Sigmoid())
            case kind:
                raise ValueError(f"no layer {kind}")
    module = torch.nn.Sequential(*modules)
    module.load_state_dict(load_file(file))  # refuses what is missing or too much
    with torch.no_grad():
        return module.eval()(torch.from_numpy(x).reshape(-1, network["inputSize"])).numpy()


READERS = {
    "onnxruntime": by_onnxruntime,
    "onnx-reference": by_onnx_reference,
    "safetensors": by_safetensors,
    "torch": by_torch,
}

if __name__ == "__main__":
    reader, *files = sys.argv[1:]
    if reader == "onnx-checker":
        json.dump([checked_onnx(file) for file in files], sys.stdout)
    else:
        file, x_file, y_file = files
        READERS[reader](file, np.fromfile(x_file, "<f4")).astype("<f4").tofile(y_file)
