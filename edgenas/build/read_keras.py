"""From a user's own Keras model to an OpGraph, so that it gets costs like any other network."""

from __future__ import annotations

from collections import Counter
from typing import Any

from edgenas.arch.graph import OpGraph
from edgenas.build.keras_layers import LAYERS, SKIPPED
from edgenas.build.keras_reader import KerasReader
from edgenas.build.tidying import fold_hard_swish, fold_padding
from edgenas.errors import UnsupportedError


def graph_from_keras(model: Any) -> OpGraph:
    """The fused operations of a built Keras 3 or tf_keras model.

    Batch normalization and activations are merged into the convolution before them, as the
    TFLite converter does; dropout and the like disappear; models within the model are read layer
    by layer.

    Raises:
        UnsupportedError: A layer has no cost (it is named), or the model has several inputs.
    """
    shape = model.input_shape
    if not isinstance(shape, tuple) or any(size is None for size in shape[1:]):
        raise UnsupportedError(
            f"a model with input shape {shape} was given; expected one input of fixed size, "
            "for example keras.Input((28, 28, 1))"
        )
    reader = KerasReader(tuple(shape[1:]))
    _read_model(reader, model, 0)
    return fold_padding(fold_hard_swish(reader.graph.finish()))


def _read_model(reader: KerasReader, model: Any, tensor: int) -> int:
    """Append all layers of a model that reads one tensor; returns the tensor of its first output."""
    if type(model).__name__ == "Sequential":  # a layer's own tensors are those of an earlier `add`
        for layer in model.layers:
            if type(layer).__name__ != "InputLayer":
                tensor = _add(reader, layer, [tensor])
        return tensor
    steps = getattr(model, "operations", model.layers)  # Keras 3 lists functions between layers too
    counts = Counter(id(source) for layer in steps for source in _sources(layer))
    counts.update(id(output) for output in model.outputs)
    tensors: dict[int, int] = {}
    for layer in steps:
        if type(layer).__name__ == "InputLayer":
            tensors[id(_outputs(layer)[0])] = tensor
            continue
        for source in _sources(layer):
            if id(source) not in tensors:
                raise UnsupportedError(
                    f"layer '{layer.name}' is used in more than one place, which cannot be read; use a layer "
                    "of its own in each place"
                )
        written = _add(reader, layer, [tensors[id(source)] for source in _sources(layer)])
        output = _outputs(layer)[0]
        tensors[id(output)] = written
        if counts[id(output)] > 1:
            reader.shared.add(written)
    return tensors[id(model.outputs[0])]


def _add(reader: KerasReader, layer: Any, inputs: list[int]) -> int:
    """Append one layer and return the tensor that holds its output."""
    kind = type(layer).__name__
    if kind in SKIPPED:
        return inputs[0]
    if _is_model(layer) and len(inputs) == 1:
        return _read_model(reader, layer, inputs[0])
    if kind not in LAYERS:
        raise UnsupportedError(
            f"layer '{layer.name}' ({kind}) has no cost; supported: {', '.join(sorted(LAYERS))}"
        )
    first = len(reader.graph.ops)
    written = LAYERS[kind](reader, layer, inputs)
    reader.name_apart(first)
    return written


def _is_model(layer: Any) -> bool:
    return hasattr(layer, "layers") and hasattr(layer, "outputs")


def _sources(layer: Any) -> list[Any]:
    if type(layer).__name__ == "InputLayer":
        return []
    return _flat(layer._inbound_nodes[-1].input_tensors if _is_model(layer) else layer.input)


def _outputs(layer: Any) -> list[Any]:
    if _is_model(layer):
        node = layer._inbound_nodes[-1]
        return _flat(getattr(node, "output_tensors", None) or node.outputs)
    return _flat(layer.output)


def _flat(tensors: Any) -> list[Any]:
    return list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
