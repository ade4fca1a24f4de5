"""The operations of one network with the share of each in its cost."""

from __future__ import annotations

from dataclasses import dataclass

from edgenas.arch.blocks import BLOCKS
from edgenas.arch.graph import Op, Shape
from edgenas.cost.static import StaticSource
from edgenas.cost.types import OpCost
from edgenas.records import TrialRecord

_WORDS = {
    "conv2d": "conv",
    "depthwise_conv2d": "depthwise",
    "dense": "dense",
    "add": "add",
    "max_pool2d": "max pool",
    "avg_pool2d": "average pool",
    "global_avg_pool": "global pool",
}
_FAMILIES = {"conv2d": "conv", "depthwise_conv2d": "depthwise", "dense": "dense", "add": "add"}


@dataclass(frozen=True)
class OpRow:
    """One operation as it is drawn.

    Attributes:
        block: The block it belongs to, for example ``3 mbconv``, or empty.
        words: What it does, for example ``conv 3×3 /2``.
        family: What colour it has: ``conv``, ``depthwise``, ``dense``, ``add`` or ``other``.
        shape: Shape of its output, or None where it is not known.
        sources: Rows whose output it reads; the network's input is row -1.
        macs: Multiply-accumulate operations.
        weight_bytes: Bytes of weights and biases in int8.
        latency_ms: Milliseconds, or None where not known.
    """

    block: str
    words: str
    family: str
    shape: Shape | None
    sources: tuple[int, ...]
    macs: int
    weight_bytes: int
    latency_ms: float | None


def operation_rows(trial: TrialRecord) -> list[OpRow]:
    """The operations of a trial in running order; empty if only its builder knows them."""
    shares = trial.cost.per_op
    if not trial.spec.blocks:
        return [_from_share(number, share) for number, share in enumerate(shares)]
    graph = trial.spec.graph()
    if len(shares) != len(graph.ops):  # none, or those of somebody else's network
        shares = StaticSource().estimate(graph, per_op=True).per_op
    return [
        OpRow(
            block=_block(op.name),
            words=_words(op),
            family=_FAMILIES.get(op.kind, "other"),
            shape=op.out_shape,
            sources=tuple(tensor - 1 for tensor in op.inputs),
            macs=share.macs,
            weight_bytes=share.weight_bytes,
            latency_ms=share.latency_ms,
        )
        for op, share in zip(graph.ops, shares, strict=True)
    ]


def _from_share(number: int, share: OpCost) -> OpRow:
    words, family = _WORDS.get(share.kind, share.kind), _FAMILIES.get(share.kind, "other")
    return OpRow("", words, family, None, (number - 1,), share.macs, share.weight_bytes, share.latency_ms)


def _block(name: str) -> str:
    """``b3_mbconv_expand`` belongs to block ``3 mbconv``, ``b4_series_head_dense`` to ``4 series head``."""
    place, _, rest = name.partition("_")
    if not (place[:1] == "b" and place[1:].isdigit() and rest):
        return ""
    kinds = [kind for kind in BLOCKS if rest == kind or rest.startswith(f"{kind}_")]
    kind = max(kinds, key=len, default=rest.partition("_")[0])
    return f"{place[1:]} {kind.replace('_', ' ')}"


def _words(op: Op) -> str:
    words = _WORDS.get(op.kind, op.kind.replace("_", " "))
    if op.kind in ("conv2d", "depthwise_conv2d", "max_pool2d", "avg_pool2d"):
        words += f" {op.kernel[0]}×{op.kernel[1]}"
    return words + (f" /{op.stride[0]}" if max(op.stride) > 1 else "")
