"""Graphs of ncnn's benchmark networks from their ``.param`` text, and the latencies that users sent in.

A ``.param`` file lists layers with the shapes of what they write (``-23330=4,dims,w,h,c``). Networks with
layers that have no kernel here (detection heads, attention) are left out by name.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from phones_data import Row

from edgenas.arch.graph import GraphBuilder, Op, OpGraph, Shape
from edgenas.errors import UnsupportedError

SHAPES = -23330
_FUNCTIONS = {
    "ReLU": "relu", "Swish": "swish", "HardSwish": "hard_swish", "HardSigmoid": "hard_sigmoid",
    "Sigmoid": "sigmoid", "BatchNorm": "batch_norm",
}  # fmt: skip
_MOVES = {
    "Concat": "concat", "ShuffleChannel": "transpose", "Permute": "transpose", "Slice": "split",
    "Crop": "slice", "Padding": "pad", "Interp": "resize_nearest", "LRN": "local_response_norm",
    "Softmax": "softmax", "Reduction": "mean", "Flatten": "reshape", "Reshape": "reshape",
}  # fmt: skip


@dataclass
class _Layer:
    kind: str
    name: str
    reads: list[str]
    writes: list[str]
    options: dict[int, list[int]] = field(default_factory=dict)

    def option(self, number: int, default: int = 0) -> int:
        """An integer option."""
        return self.options.get(number, [default])[0]

    def shapes(self) -> list[Shape]:
        """The shape of each blob that it writes, channels last; ncnn notes (dims, w, h, c)."""
        numbers = self.options.get(SHAPES, [0])[1:]
        found: list[Shape] = []
        for start in range(0, len(numbers), 4):
            dims, width, height, channels = numbers[start : start + 4]
            found.append({1: (width,), 2: (height, width), 3: (height, width, channels)}[dims])
        return found


def read_graph(path: Path) -> OpGraph:
    """The network of a ``.param`` file.

    Raises:
        UnsupportedError: It holds a layer without a kernel here.
    """
    layers = [_layer(line) for line in path.read_text(encoding="utf-8").splitlines()[2:] if line.strip()]
    first = layers[0]
    if not first.shapes():
        raise UnsupportedError(f"{path.name} states no shapes; expected {SHAPES}=... on each layer")
    net = GraphBuilder(first.shapes()[0])
    blobs = {first.writes[0]: (0, first.shapes()[0])}
    for layer in layers[1:]:
        read = [blobs[name] for name in layer.reads]
        if layer.kind in ("Split", "Noop"):
            blobs |= dict.fromkeys(layer.writes, read[0])
            continue
        shapes = layer.shapes()
        if not read or not shapes:
            raise UnsupportedError(f"layer '{layer.name}' is a {layer.kind}; expected one with a kernel")
        tensor = net.add_op(
            _op(layer, [number for number, _ in read], [shape for _, shape in read], shapes[0])
        )
        blobs |= {name: (tensor, shape) for name, shape in zip(layer.writes, shapes, strict=True)}
    return net.finish()


def _layer(line: str) -> _Layer:
    kind, name, reads, writes, *rest = line.split()
    inputs, outputs = int(reads), int(writes)
    options = {}
    for entry in rest[inputs + outputs :]:
        number, values = entry.split("=")
        options[int(number)] = [int(float(value)) for value in values.split(",")]
    return _Layer(kind, name, rest[:inputs], rest[inputs : inputs + outputs], options)


def _op(layer: _Layer, reads: Sequence[int], shapes: Sequence[Shape], out: Shape) -> Op:
    inputs, shape = tuple(reads), shapes[0]
    if layer.kind in ("Convolution", "ConvolutionDepthWise") and len(shape) == 3:
        kernel = (layer.option(11, layer.option(1)), layer.option(1))
        stride = (layer.option(13, layer.option(3, 1)), layer.option(3, 1))
        groups = layer.option(7, 1)
        depthwise = groups == shape[-1] == out[-1] and groups > 1
        kind = "depthwise_conv2d" if depthwise else "conv2d"
        return Op(
            kind, layer.name, inputs, shape, out, kernel, stride, bias=bool(layer.option(5)),
            groups=1 if depthwise else groups,
        )  # fmt: skip
    if layer.kind in ("InnerProduct", "Convolution"):
        flat = 1
        for side in shape:
            flat *= side
        return Op("dense", layer.name, inputs, (flat,), out, bias=bool(layer.option(5, layer.option(1))))
    if layer.kind == "Pooling":
        if layer.option(4):
            return Op("global_avg_pool", layer.name, inputs, shape, out)
        kind = "avg_pool2d" if layer.option(0) else "max_pool2d"
        return Op(kind, layer.name, inputs, shape, out, (layer.option(1),) * 2, (layer.option(2, 1),) * 2)
    if layer.kind in ("Eltwise", "BinaryOp"):
        added = layer.option(0) == (1 if layer.kind == "Eltwise" else 0)
        return Op("add" if added else "mul", layer.name, inputs, shape, out)
    if layer.kind in _FUNCTIONS:
        return Op("activation", layer.name, inputs, shape, out, activation=_FUNCTIONS[layer.kind])
    if layer.kind in _MOVES:
        return Op(_MOVES[layer.kind], layer.name, inputs, shape, out)
    raise UnsupportedError(f"layer '{layer.name}' is a {layer.kind}; expected one with a kernel")


def read_rows(folder: Path) -> tuple[list[Row], dict[str, str]]:
    """All rows of the CPU with a graph, and why other networks have none.

    The latency is the shortest of a benchmark's loops; a family is one network in both precisions. The
    submissions state neither ncnn's version nor its use of half precision.
    """
    graphs, refused = read_graphs(folder / "params")
    rows = []
    with gzip.open(folder / "ncnn_benchmark.csv.gz", "rt", encoding="utf-8", newline="") as stream:
        for number, line in enumerate(csv.DictReader(stream), 2):
            name, latency_ms = line["model"], float(line["min_ms"])
            if line["is_gpu"] != "0" or name not in graphs or latency_ms <= 0:
                continue
            cores = {"0": "all", "1": "little", "2": "big"}[line["powersave"]]
            setting = f"{line['device']}, ncnn, {line['threads']} threads on {cores} cores, run {line['run']}"
            family = name.removesuffix("_int8")
            precision = "int8" if name.endswith("_int8") else "float32"
            source = f"ncnn_benchmark.csv:{number}"
            rows.append(Row(setting, precision, name, family, graphs[name], latency_ms, source))
    return rows, refused


def read_graphs(folder: Path) -> tuple[dict[str, OpGraph], dict[str, str]]:
    """Graphs by network, and why others have none."""
    graphs, refused = {}, {}
    for path in sorted(folder.glob("*.param")):
        try:
            graphs[path.stem] = read_graph(path)
        except UnsupportedError as error:
            refused[path.stem] = str(error)
    return graphs, refused
