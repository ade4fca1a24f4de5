"""Splits written as slices, because TensorFlow's int8 conversion of a split is left to chance.

The parts of a split must share one scale, and where their readers want others (the gates of an LSTM or GRU
that is written out), the converter of TensorFlow 2.21 settles them in no fixed order: of the same model and
images, one to six of ten files had a ``SPLIT`` left in float. A slice has one output, so nothing is to
settle, and the file is the same each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def without_splits(function: Any) -> Any:
    """The same function with a slice for each part of each split; itself if it has none.

    Args:
        function: A concrete function of one input and one output, whose variables are constants and whose
            shapes are all known.
    """
    import tensorflow as tf

    graph = function.graph
    splits = {op.name: op for op in graph.get_operations() if op.type == "Split"}
    if not splits:
        return function
    document = tf.compat.v1.GraphDef(versions=graph.as_graph_def().versions)
    for node in graph.as_graph_def().node:
        if node.name in splits:
            document.node.extend(_slices(splits[node.name]))
        else:
            document.node.append(node)
            document.node[-1].input[:] = [_renamed(name, splits) for name in node.input]
    (given,), (answer,) = function.inputs, function.outputs

    def rebuilt(images: Any) -> Any:
        (result,) = tf.graph_util.import_graph_def(
            document, {given.name: images}, [_renamed(answer.name, splits)], name=""
        )
        return result

    signature = [tf.TensorSpec(given.shape, given.dtype, given.op.name)]
    return tf.function(rebuilt, input_signature=signature).get_concrete_function()


def _slices(split: Any) -> list[Any]:
    """A ``Slice`` node with its two constants for each output of a ``Split``, which lie side by side."""
    import tensorflow as tf

    axis = int(tf.get_static_value(split.inputs[0]))
    nodes, begin = [], 0
    for place, part in enumerate(split.outputs):
        name, size = _part(split.name, place), part.shape.as_list()
        start = [begin if number == axis % len(size) else 0 for number in range(len(size))]
        begin += size[axis]
        cut = tf.compat.v1.NodeDef(
            name=name, op="Slice", input=[split.inputs[1].name, f"{name}/begin", f"{name}/size"]
        )
        cut.attr["T"].CopyFrom(split.node_def.attr["T"])
        cut.attr["Index"].type = tf.int32.as_datatype_enum
        nodes += [_constant(f"{name}/begin", start), _constant(f"{name}/size", size), cut]
    return nodes


def _constant(name: str, values: Sequence[int]) -> Any:
    import tensorflow as tf

    node = tf.compat.v1.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = tf.int32.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.asarray(values, np.int32)))
    return node


def _part(split: str, place: int) -> str:
    return f"{split}/part_{place}"


def _renamed(tensor: str, splits: dict[str, Any]) -> str:
    """What a reader of a split's output reads now; ``name``, ``name:place`` and ``^name`` are references."""
    name, _, place = tensor.removeprefix("^").partition(":")
    if name not in splits:
        return tensor
    part = _part(name, int(place or 0))
    return f"^{part}" if tensor.startswith("^") else f"{part}:0"
