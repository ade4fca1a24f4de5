"""Basis: what the latencies of a device with a runtime rest on, without loading a cost source."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgenas.cost.latency_table import table_path
from edgenas.cost.predictor import MINE
from edgenas.profile.device import Device, core_id
from edgenas.profile.sources import filed_places
from edgenas.profile.vela import RUNTIME as ETHOS_U

WORDS = {
    "measured": "operations or networks measured on it by an edgenas sweep",
    "public": "a model fitted to measurements that others published",
    "simulated": "the estimate of the NPU's own compiler",
    "static": "no latency: RAM, flash and MACs only",
}
"""Kinds of basis, and what they mean."""

PRECISIONS = ("", "-float32")
"""Endings of the table files of one runtime."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What latencies rest on.

    Attributes:
        kind: One of `WORDS`.
        note: The same in words, with date and machine, or the sources.
    """

    kind: str
    note: str


def latency_basis(device: Device, runtime: str) -> Basis:
    """What the latencies of a device with one of its runtimes rest on.

    A file that cannot be read counts as none, with what is wrong with it in the note; using it is an
    error of its own.
    """
    if runtime == ETHOS_U and device.vela is not None:
        return Basis(
            "simulated",
            f"Arm's Vela compiler for {device.vela.accelerator}, {device.vela.system_config}, "
            f"{device.vela.memory_mode}; needs edgenas[npu]",
        )
    for path in _places(device, runtime):
        if not path.is_file():
            continue
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            return Basis("static", f"{path} cannot be read: {error}")
        if not isinstance(document, dict):
            return Basis("static", f"{path} is not a JSON object")
        return _of_document(document)
    return Basis("static", "no measurements: RAM, flash and MACs only")


def _places(device: Device, runtime: str) -> list[Path]:
    """Where a table or predictor may lie: the device's own, else of all boards of its core."""
    filed = [table_path(device.id, runtime)] if device.folder is None else filed_places(device, runtime)
    own = [path.with_name(f"{path.stem}{precision}.json") for path in filed for precision in PRECISIONS]
    family = [table_path(core_id(device.core), runtime)] if device.clock_mhz is not None else []
    return own + family


def _of_document(document: dict[str, Any]) -> Basis:
    if "ops_us" in document:
        machine = document.get("machine")
        cpu = machine.get("cpu") if isinstance(machine, dict) else None
        count, day = len(document["ops_us"]), document.get("date")
        return Basis("measured", f"{count} operations swept on {day}, {cpu or 'unknown machine'}")
    if document.get("basis") == MINE:
        return Basis("measured", str(document.get("how")))
    return Basis("public", "; ".join(_lines(document)) or "its file names no source")


def _lines(document: dict[str, Any]) -> list[str]:
    """The sources that a fitted model's file names, each once."""
    found: list[str] = []
    for name in ("provenance", "sources", "source"):
        value = document.get(name, [])
        for entry in value if isinstance(value, list) else [value]:
            line = entry.get("source") if isinstance(entry, dict) else entry
            if isinstance(line, str) and line not in found:
                found.append(line)
    return found
