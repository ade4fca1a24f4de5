"""Which operation of one network stands where an operation of another stood."""

from __future__ import annotations

import re

from edgenas.arch.graph import Op, OpGraph
from edgenas.arch.spec import ArchSpec

ROLES = {"pw": "project"}
"""Operations of different blocks that do the same: the last convolution of `ds` and `mbconv`."""

ALIKE = {"ds", "mbconv"}
"""Kinds of blocks whose operations can take each other's weights."""

_BLOCK = re.compile(r"b(\d+)_")
SEPARATORS = ("residual", "normalized")
"""Kinds of blocks that begin a stage where a spec's decisions do not say what its stages are."""

Key = tuple[str, str]
"""(block, role): stable names of an operation."""


def block_keys(spec: ArchSpec) -> list[str]:
    """A name for each block that says its stage and its place in it.

    A deeper or longer network has the names of the shallower one, and more.
    """
    last = len(spec.blocks) - 1
    depths = _depths(spec)
    if depths and 1 + sum(depths) <= last:
        names = ["stem"]
        for stage, depth in enumerate(depths, start=1):
            names += [f"{stage}.{place}" for place in range(depth)]
        return [*names, *(f"tail.{place}" for place in range(last - len(names))), "head"]
    names, stage, place = [], 0, 0
    for block in spec.blocks[:-1]:
        if block.kind in SEPARATORS:
            stage, place = stage + 1, 0
        names.append(f"{stage}.{place}")
        place += 1
    return [*names, "head"]


def matched_blocks(parent: ArchSpec, child: ArchSpec) -> set[str]:
    """Names of the blocks that both have, of the same kind or of two that are alike."""
    before = {name: block.kind for name, block in zip(block_keys(parent), parent.blocks, strict=True)}
    now = {name: block.kind for name, block in zip(block_keys(child), child.blocks, strict=True)}
    return {
        name
        for name, kind in now.items()
        if name in before and (before[name] == kind or {before[name], kind} <= ALIKE)
    }


def _depths(spec: ArchSpec) -> list[int]:
    """Depths of the stages by a spec's decisions, or none where it names no stages."""
    stages = spec.choices.get("stages")
    found = [spec.choices.get(f"s{stage}_depth") for stage in range(1, int(stages or 0) + 1)]
    return [int(depth) for depth in found if depth is not None] if None not in found else []


def operation_keys(spec: ArchSpec, graph: OpGraph) -> list[Key]:
    """The name of each operation of a spec's graph."""
    names = block_keys(spec)
    return [_key(spec, names, op) for op in graph.ops]


def _key(spec: ArchSpec, names: list[str], op: Op) -> Key:
    found = _BLOCK.match(op.name)
    if found is None:
        return "", op.name
    position = int(found.group(1))
    role = op.name[len(f"b{position}_{spec.blocks[position].kind}") :].lstrip("_")
    return names[position], ROLES.get(role, role)
