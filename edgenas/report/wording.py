"""The choices behind a network in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby

from edgenas.arch.spec import ArchSpec, Block, Value

_KINDS = {
    "ds": "depthwise-separable", "mbconv": "inverted-bottleneck (MBConv)", "tconv": "temporal convolution",
    "tcn": "residual temporal (TCN)", "lstm": "LSTM", "gru": "GRU",
}  # fmt: skip
_POOLS = {
    "avg": "mean over time", "max": "maximum over time", "last": "last step",
    "flat": "all steps side by side",
}  # fmt: skip


def describe_spec(spec: ArchSpec) -> list[str]:
    """One phrase for the input and one for each run of like blocks; plain text, not HTML."""
    shape = "×".join(str(size) for size in spec.input_shape)
    phrases = [f"reads inputs of {shape}"]
    if not spec.blocks:
        return phrases + [f"{name} = {value}" for name, value in spec.choices.items()]
    for _, group in groupby(spec.blocks, key=_likeness):
        phrases.append(_phrase(list(group)))
    return phrases


def _likeness(block: Block) -> tuple[str, tuple[tuple[str, Value], ...]]:
    """What blocks of one stage have in common: everything but the stride."""
    return block.kind, tuple((key, value) for key, value in block.args.items() if key != "stride")


def _phrase(blocks: list[Block]) -> str:
    kind, args = blocks[0].kind, blocks[0].args
    if kind in _ENDS:
        return _ENDS[kind](args)
    if kind == "dense":
        units = str(args.get("units"))
        number = f"{len(blocks)} dense layers, each" if len(blocks) > 1 else "dense layer"
        normalized = ", batch normalization" if args.get("batch_norm") else ""
        return f"{number} of {units} units, {args.get('activation')}{normalized}"
    name = _KINDS.get(kind, kind)
    number = f"{len(blocks)} {name} blocks" if len(blocks) > 1 else f"1 {name} block"
    settings = _settings(args, first=len(blocks) > 1, over_time=kind in ("tconv", "tcn"))
    return f"{number}: {settings}" if settings else number


def _head(args: Mapping[str, Value]) -> str:
    what = "outputs" if args.get("activation") == "linear" else "classes"
    if what == "outputs" and args.get("classes") == 1:
        what = "output"
    return f"a dense layer for {args.get('classes')} {what}"


def _series_head(args: Mapping[str, Value]) -> str:
    pool = _POOLS.get(str(args.get("pool")))
    return f"head: {pool} and {_head(args)}" if pool else f"head: {_head(args)}"


_ENDS: dict[str, Callable[[Mapping[str, Value]], str]] = {
    "stem": lambda args: f"stem: convolution, {_settings(args)}",
    "spectrogram_stem": lambda args: (
        f"stem: convolution, {args.get('filters')} filters, window of {args.get('frames')} frames × "
        f"{args.get('bands')} bands, stride {args.get('stride')}"
    ),
    "series": lambda args: "reads time step by step",
    "flat": lambda args: "all values side by side",
    "head": lambda args: f"head: global average pooling and {_head(args)}",
    "series_head": _series_head,
    "reconstruction": lambda args: "head: a dense layer that gives the input again",
}
"""How a network begins and ends."""


def _settings(args: Mapping[str, Value], *, first: bool = False, over_time: bool = False) -> str:
    words = []
    for key, value in args.items():
        if key == "filters":
            words.append(f"{value} filters")
        elif key == "kernel":
            words.append(f"kernel {value}" if over_time else f"kernel {value}×{value}")
        elif key == "stride":
            words.append(f"{'first with ' if first else ''}stride {value}" if value != 1 else "")
        elif key == "skip":
            words.append("skip connections where shapes agree" if value else "no skip connections")
        elif isinstance(value, bool):
            words.append(key.replace("_", " ") if value else "")
        elif key == "activation" or (key == "dilation" and value == 1):
            words.append("" if key == "dilation" or value == "relu6" else str(value))
        else:
            words.append(f"{key} {value}")
    return ", ".join(word for word in words if word)
