"""Write the matched-filter network as an ONNX graph: ``python -m pipelines.train.filterbank_graph``.

Whitened strain (1, 1, CONTEXT + 2 n) goes in, with the weights: a basis for each slice and the mixing. Out come

* ``snr`` (8, n / 8, 2 n_templates): real and imaginary part of each template; output j of 1024 Hz stands at
  (j % 8, j // 8);
* ``parts`` (8, n / 8, n_basis): what the basis filters of all slices gave, for the chi-squared of the slices.

The weights are inputs, so one graph serves every detector, spectrum and bank; only the decimators are in it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stream.infer.filterbank.slices import CONTEXT, DECIMATORS, PHASES, SLICES, Slice, first_sample
from stream.infer.model import CARILLON, GRAPH, record_hash

OPSET = 17
_TO_THE_END = np.iinfo(np.int64).max


class _Graph:
    """Nodes and constants as they are added; each method returns the name of what it makes."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output


def make_graph() -> onnx.ModelProto:
    """Return the graph."""
    graph = _Graph()
    decimated = ["strain"]
    for k, decimator in enumerate(DECIMATORS):
        taps = graph.constant(f"decimator{k}", decimator.taps.astype(np.float32)[None, None])
        decimated.append(graph.add("Conv", [decimated[-1], taps], f"decimated{k}", strides=[decimator.step]))
    groups = [_slice(graph, k, part, data) for k, (part, data) in enumerate(zip(SLICES, decimated, strict=True))]
    graph.add("MatMul", [graph.add("Concat", groups, "parts", axis=2), "mixing"], "snr")
    inputs = [_tensor("strain", [1, 1, "samples"])]
    inputs += [_tensor(f"basis{k}", [f"n_basis{k}", 1, part.n_taps]) for k, part in enumerate(SLICES)]
    inputs += [_tensor("mixing", [PHASES, "n_basis", "n_rows"])]
    outputs = [_tensor("snr", [PHASES, "groups", "n_rows"]), _tensor("parts", [PHASES, "groups", "n_basis"])]
    made = helper.make_graph(graph.nodes, "filterbank", inputs, outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def _slice(graph: _Graph, k: int, part: Slice, data: str) -> str:
    """Add one slice's filters; return its outputs arranged as (PHASES, n / 8, n_basis)."""
    bounds = [
        graph.constant(f"{name}{k}", np.array([value], dtype=np.int64))
        for name, value in (("from", first_sample(part)), ("to", _stop(k, part)), ("axis", 2))
    ]
    cut = graph.add("Slice", [data, *bounds], f"cut{k}")
    filtered = graph.add("Conv", [cut, f"basis{k}"], f"filtered{k}", strides=[2 if part.step == 1 else 1])
    per_group = PHASES // part.phases
    shape = graph.constant(f"shape{k}", np.array([0, -1, per_group], dtype=np.int64))
    flat = graph.add("Squeeze", [filtered, graph.constant(f"batch{k}", np.array([0], dtype=np.int64))], f"flat{k}")
    grouped = graph.add("Reshape", [flat, shape], f"grouped{k}")
    turned = graph.add("Transpose", [grouped], f"turned{k}", perm=[2, 1, 0])
    # Outputs between two of the slice's samples share that sample's basis and differ in the mixing.
    owners = graph.constant(f"owner{k}", np.arange(PHASES) // part.phases)
    return graph.add("Gather", [turned, owners], f"group{k}", axis=0)


def _stop(k: int, part: Slice) -> int:
    """Return where a slice's data end, counted from the end of what its decimators give."""
    if part.step == 1:
        return _TO_THE_END
    outputs = PHASES
    length = CONTEXT + 2 * outputs
    for decimator in DECIMATORS[:k]:
        length = (length - len(decimator.taps)) // decimator.step + 1
    spare = length - (first_sample(part) + part.n_taps - 1 + outputs // part.phases)
    if spare < 0:
        raise ValueError(f"slice {k} needs {-spare} samples more than there are: its decimators are too long")
    return -spare if spare else _TO_THE_END


def _tensor(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def main() -> None:
    """Write the graph."""
    parser = argparse.ArgumentParser(description="Write the matched-filter network's ONNX graph.")
    parser.add_argument("--out", type=Path, default=CARILLON / GRAPH)
    out = parser.parse_args().out
    out.write_bytes(make_graph().SerializeToString(deterministic=True))
    record_hash(out.parent, out.name)
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
