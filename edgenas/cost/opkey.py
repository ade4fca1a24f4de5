"""Compact names of operations, under which a latency table files them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from edgenas.arch.graph import Op, Shape

_WINDOWED = frozenset({"conv2d", "depthwise_conv2d", "max_pool2d", "avg_pool2d"})


def op_key(op: Op) -> str:
    """The name under which tables file an operation; what its latency depends on is in it.

    Returns:
        ``conv2d:28x28x1>14x14x8:k3x3:s2x2:same:relu6`` for operations with a window,
        ``dense:64>10:linear`` for the others.
    """
    shapes = f"{op.kind}:{_text(op.in_shape)}>{_text(op.out_shape)}"
    if op.kind not in _WINDOWED:
        return f"{shapes}:{op.activation}{_rare(op)}"
    padding = "same" if op.kernel == (1, 1) else op.padding  # one element wide: both paddings are none
    return f"{shapes}:k{_text(op.kernel)}:s{_text(op.stride)}:{padding}:{op.activation}{_rare(op)}"


def _rare(op: Op) -> str:
    """What most operations do not have: dilation, groups, a constant input, other inputs."""
    usual = 2 if op.kind == "add" else 1
    text = f":d{_text(op.dilation)}" if op.dilation != (1, 1) else ""
    if op.groups != 1:
        text += f":g{op.groups}"
    if op.constants:
        text += f":c{op.constants}"
    if len(op.inputs) != usual:
        text += f":n{len(op.inputs)}"
    return f"{text}:b" if op.broadcasts else text


def head_key(op: Op) -> tuple[str, int, str] | None:
    """What entries differing only in the number of classes share; None for anything but a head.

    A head is a fully connected layer or a softmax over one axis.
    """
    if op.kind == "dense" and len(op.in_shape) == 1:
        return ("dense", op.in_shape[0], op.activation)
    if op.kind == "softmax" and len(op.in_shape) == 1:
        return ("softmax", 0, op.activation)
    return None


def parse_head(key: str) -> tuple[tuple[str, int, str], int] | None:
    """`head_key` and the number of classes of a filed name, or None."""
    found = re.fullmatch(r"(dense|softmax):(\d+)>(\d+):(\w+)", key)
    if not found:
        return None
    kind, features, classes, activation = found.groups()
    return (kind, int(features) if kind == "dense" else 0, activation), int(classes)


def nearest(key: str, known: Iterable[str]) -> str | None:
    """The filed operation of the same kind whose sizes are nearest in ratio, or None."""
    kind = key.split(":", 1)[0]
    sizes = _sizes(key)
    best, best_distance = None, math.inf
    for other in known:
        if not other.startswith(f"{kind}:"):
            continue
        distance = _distance(sizes, _sizes(other))
        if distance < best_distance:
            best, best_distance = other, distance
    return best


def _distance(sizes: list[int], others: list[int]) -> float:
    if len(sizes) != len(others):
        return 1e9
    return sum(abs(math.log(max(a, 1) / max(b, 1))) for a, b in zip(sizes, others, strict=True))


def _sizes(key: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", key.split(":", 1)[1])]


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape))
