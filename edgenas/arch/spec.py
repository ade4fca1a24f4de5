"""ArchSpec: one architecture as a value that round-trips through JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from edgenas.arch.blocks import BLOCKS
from edgenas.arch.graph import GraphBuilder, OpGraph, Shape
from edgenas.documents import WRONG_FORM, check_fields, reading
from edgenas.errors import ConfigError, EdgenasError, UnknownNameError
from edgenas.registry import unknown_name

SCHEMA_VERSION = 1
MEND = "write it anew, with ArchSpec.to_json"
Value = int | float | str | bool


@dataclass(frozen=True, slots=True)
class Block:
    """One legible building block, for example ``Block("ds", {"filters": 24, "kernel": 3, ...})``."""

    kind: str
    args: Mapping[str, Value]

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(f'{key}={value}' for key, value in self.args.items())})"


@dataclass(frozen=True)
class ArchSpec:
    """An architecture without weights.

    Attributes:
        space: Name of the search space it came from.
        input_shape: What the network reads, (height, width, channels); the data are resized to it.
        classes: Number of classes it tells apart, or of numbers it gives where its head is linear.
        blocks: What it is built of, from input to output.
        choices: The decisions that led to it, by name; empty for a spec written by hand.
    """

    space: str
    input_shape: Shape
    classes: int
    blocks: tuple[Block, ...]
    choices: Mapping[str, Value]

    def __post_init__(self) -> None:
        least = 1 if not self.blocks or self.blocks[-1].args.get("activation") == "linear" else 2
        if self.classes < least:
            raise ConfigError(f"a spec with {self.classes} classes was given; at least {least} are expected")
        if any(size < 1 for size in self.input_shape):
            raise ConfigError(f"input shape {self.input_shape} was given; every size must be 1 or more")
        for block in self.blocks:
            if block.kind not in BLOCKS:
                unknown = unknown_name("block", block.kind, BLOCKS)
                raise UnknownNameError(
                    f"{unknown} One of your own must be registered first: give the command through the "
                    "script that does so."
                )

    def graph(self) -> OpGraph:
        """The operations of this architecture, fused as an int8 runtime runs them.

        Raises:
            ConfigError: A block cannot be built from what it is given.
        """
        builder = GraphBuilder(self.input_shape)
        tensor = 0
        for position, block in enumerate(self.blocks):
            try:
                tensor = BLOCKS[block.kind](builder, tensor, f"b{position}_{block.kind}", **block.args)
            except EdgenasError:
                raise
            except WRONG_FORM as error:
                raise ConfigError(
                    f"block {position} '{block.kind}' of an architecture cannot be built on "
                    f"{builder.shape(tensor)} from {dict(block.args)}: {type(error).__name__}: {error}"
                ) from error
        return builder.finish()

    @cached_property
    def arch_id(self) -> str:
        """Twelve hexadecimal digits that name the architecture; equal networks have equal names."""
        network = [list(self.input_shape), self.classes, [[b.kind, dict(b.args)] for b in self.blocks]]
        if not self.blocks:
            network.append(dict(self.choices))
        text = json.dumps(network, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        """A document of plain lists, dictionaries, numbers and strings."""
        return {
            "schema": SCHEMA_VERSION,
            "space": self.space,
            "input_shape": list(self.input_shape),
            "classes": self.classes,
            "blocks": [{"kind": block.kind, **block.args} for block in self.blocks],
            "choices": dict(self.choices),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ArchSpec:
        """The spec that `to_json` wrote.

        Raises:
            ConfigError: The document lacks a field or was written by a newer version.
        """
        with reading("architecture document", MEND):
            version = document.get("schema")
            if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
                raise ConfigError(
                    f"architecture document of schema {version!r} was given; this version of edgenas reads "
                    f"1 to {SCHEMA_VERSION}: update edgenas or write the document anew"
                )
            blocks = tuple(
                Block(entry["kind"], {key: value for key, value in entry.items() if key != "kind"})
                for entry in document["blocks"]
            )
            spec = cls(
                space=document["space"],
                input_shape=tuple(document["input_shape"]),
                classes=document["classes"],
                blocks=blocks,
                choices=dict(document["choices"]),
            )
            check_fields(spec, "architecture document", MEND)
        return spec
