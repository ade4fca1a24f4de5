"""Computing what follows from constants and shapes alone, as exporters write it in front of a Reshape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.build.onnx_file import MOST_AXES, MOST_VALUES, Constant, Node

Folder = Callable[[Node, Sequence[Constant]], np.ndarray]


def fold(node: Node, inputs: Sequence[Constant | None]) -> list[Constant] | None:
    """The constants that a node writes if all it reads are constants; None if that is not known.

    Args:
        inputs: What it reads; None where an optional input is left out.
    """
    given = [constant for constant in inputs if constant is not None]
    if node.kind in _PASS_THROUGH and given:
        return [given[0]]
    if len(given) != len(inputs) or not given:
        return None
    try:
        if any(constant.values is None for constant in given):
            return _shape_alone(node, given)
        if node.kind not in _FOLDERS:
            return None
        with np.errstate(all="ignore"):
            values = np.asarray(_FOLDERS[node.kind](node, given))
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError):
        return None
    return [Constant(values.shape, values)] if values.size <= MOST_VALUES else None


def _shape_alone(node: Node, inputs: Sequence[Constant]) -> list[Constant] | None:
    """Weights that are turned or scaled before they are used."""
    shape = inputs[0].shape
    if node.kind == "Transpose":
        order = node.integers("perm") or tuple(reversed(range(len(shape))))
        return [Constant(tuple(shape[axis] for axis in order))]
    if node.kind == "Reshape":
        return [Constant(resized(shape, inputs[1].integers()))]
    if node.kind in ("Add", "Sub", "Mul", "Div"):
        return [Constant(np.broadcast_shapes(shape, inputs[1].shape))]
    return None


def resized(shape: Shape, asked: Sequence[int]) -> Shape:
    """What ONNX's Reshape makes of a shape: 0 keeps an axis, -1 takes what is left.

    Raises:
        ValueError: The sizes do not fit.
    """
    if len(asked) > MOST_AXES or list(asked).count(-1) > 1 or min(asked, default=0) < -1:
        raise ValueError(f"reshape {shape} to {asked}")
    sizes = [shape[axis] if size == 0 and axis < len(shape) else size for axis, size in enumerate(asked)]
    if -1 in sizes:
        rest = prod(size for size in sizes if size != -1)
        sizes[sizes.index(-1)] = prod(shape) // max(rest, 1)
    if prod(sizes) != prod(shape):
        raise ValueError(f"reshape {shape} to {asked}")
    return tuple(sizes)


def _values(constant: Constant) -> np.ndarray:
    return constant.values if constant.values is not None else np.zeros(0)


def _gather(node: Node, inputs: Sequence[Constant]) -> np.ndarray:
    return _bounded_take(_values(inputs[0]), _values(inputs[1]), node.integer("axis", 0))


def _bounded_take(table: np.ndarray, indices: np.ndarray, axis: int) -> np.ndarray:
    row = table.size // max(table.shape[axis], 1)
    if row * indices.size > MOST_VALUES:
        raise ValueError("too many values")
    return np.take(table, indices.astype(np.int64), axis)


def _concat(node: Node, inputs: Sequence[Constant]) -> np.ndarray:
    if sum(constant.elements for constant in inputs) > MOST_VALUES:
        raise ValueError("too many values")
    return np.concatenate([_values(constant) for constant in inputs], node.integer("axis", 0))


def _axes(node: Node, inputs: Sequence[Constant]) -> tuple[int, ...]:
    listed = node.integers("axes")
    return listed if listed is not None else inputs[1].integers() if len(inputs) > 1 else ()


def _unsqueeze(node: Node, inputs: Sequence[Constant]) -> np.ndarray:
    axes = _axes(node, inputs)
    if len(axes) > 8:
        raise ValueError("too many axes")
    return np.expand_dims(_values(inputs[0]), axes)


def _squeeze(node: Node, inputs: Sequence[Constant]) -> np.ndarray:
    return np.squeeze(_values(inputs[0]), _axes(node, inputs) or None)


def _slice(node: Node, inputs: Sequence[Constant]) -> np.ndarray:
    if len(inputs) < 3:
        raise ValueError("an old form of Slice")
    values = _values(inputs[0])
    starts, ends = inputs[1].integers(), inputs[2].integers()
    axes = inputs[3].integers() if len(inputs) > 3 else tuple(range(len(starts)))
    steps = inputs[4].integers() if len(inputs) > 4 else (1,) * len(starts)
    places = [slice(None)] * values.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        places[axis] = slice(start, end, step)
    return values[tuple(places)]


def _reshape(node: Node, inputs: Sequence[Constant]) -> np.ndarray:
    return _values(inputs[0]).reshape(inputs[1].integers()[:8])


def _filled(node: Node, inputs: Sequence[Constant]) -> np.ndarray:
    shape = inputs[0].integers()
    if len(shape) > 8 or any(size < 0 for size in shape) or prod(shape) > MOST_VALUES:
        raise ValueError("too many values")
    filling = node.constant()
    return np.full(shape, 0.0 if filling is None else _values(filling).reshape(-1)[0])


def _expand(node: Node, inputs: Sequence[Constant]) -> np.ndarray:
    shape = np.broadcast_shapes(inputs[0].shape, inputs[1].integers()[:8])
    if prod(shape) > MOST_VALUES:
        raise ValueError("too many values")
    return np.broadcast_to(_values(inputs[0]), shape)


def _where(node: Node, inputs: Sequence[Constant]) -> np.ndarray:
    if prod(np.broadcast_shapes(*(constant.shape for constant in inputs))) > MOST_VALUES:
        raise ValueError("too many values")
    condition, first, second = (_values(constant) for constant in inputs)
    return np.where(condition, first, second)


def _arithmetic(function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Folder:
    def compute(node: Node, inputs: Sequence[Constant]) -> np.ndarray:
        first, second = inputs
        if prod(np.broadcast_shapes(first.shape, second.shape)) > MOST_VALUES:
            raise ValueError("too many values")
        return function(_values(first), _values(second))

    return compute


def _divide(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    whole = first.dtype.kind in "iu" and second.dtype.kind in "iu"
    return np.asarray(first // second if whole else first / second)


_PASS_THROUGH = frozenset({"QuantizeLinear", "DequantizeLinear", "Identity", "Cast"})

_FOLDERS: dict[str, Folder] = {
    "Gather": _gather,
    "Concat": _concat,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Slice": _slice,
    "Reshape": _reshape,
    "ConstantOfShape": _filled,
    "Expand": _expand,
    "Add": _arithmetic(np.add),
    "Sub": _arithmetic(np.subtract),
    "Mul": _arithmetic(np.multiply),
    "Div": _arithmetic(_divide),
    "Equal": _arithmetic(np.equal),
    "Floor": lambda node, inputs: np.floor(_values(inputs[0])),
    "Ceil": lambda node, inputs: np.ceil(_values(inputs[0])),
    "Where": _where,
    "Transpose": lambda node, inputs: np.transpose(_values(inputs[0]), node.integers("perm")),
    "ReduceProd": lambda node, inputs: np.prod(_values(inputs[0])),
}
