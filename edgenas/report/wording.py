"""The choices behind a network in words."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from edgenas.arch.spec import ArchSpec, Block, Value

_KINDS = {"ds": "depthwise-separable", "mbconv": "inverted-bottleneck (MBConv)"}


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
    args = blocks[0].args
    if blocks[0].kind == "head":
        what = "outputs" if args.get("activation") == "linear" else "classes"
        return f"head: global average pooling and a dense layer for {args.get('classes')} {what}"
    if blocks[0].kind == "stem":
        return f"stem: convolution, {_settings(args)}"
    name = _KINDS.get(blocks[0].kind, blocks[0].kind)
    number = f"{len(blocks)} {name} blocks" if len(blocks) > 1 else f"1 {name} block"
    return f"{number}: {_settings(args, first=len(blocks) > 1)}"


def _settings(args: Mapping[str, Value], *, first: bool = False) -> str:
    words = []
    for key, value in args.items():
        if key == "filters":
            words.append(f"{value} filters")
        elif key == "kernel":
            words.append(f"kernel {value}×{value}")
        elif key == "stride":
            words.append(f"{'first with ' if first else ''}stride {value}" if value != 1 else "")
        elif key == "skip":
            words.append("skip connections where shapes agree" if value else "no skip connections")
        else:
            words.append(f"{key} {value}")
    return ", ".join(word for word in words if word)
