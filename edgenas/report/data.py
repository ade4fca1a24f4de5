"""The data of a run: what they are, and what was done to them before a network saw them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgenas.data.kinds import KINDS
from edgenas.report.markup import text

MOST_SHOWN = 20
"""Most classes or files that are listed."""


def examples_word(data: Mapping[str, Any]) -> str:
    """What the examples of a run are called; images where an older run does not say."""
    kind = data.get("kind") or "image"
    return KINDS.get(kind).many if kind in KINDS.names() else "examples"


def data_facts(data: Mapping[str, Any]) -> dict[str, str]:
    """Facts about the data as escaped HTML by their names; what an older run does not know is left out."""
    facts: dict[str, str] = {}
    if data.get("kind"):
        facts["kind"] = text(data["kind"])
    for part in ("train", "validation", "test"):
        if data.get(part) is not None:
            facts[part] = text(f"{data[part]:,}")
    names = [str(name) for name in data.get("class_names") or []]
    if names:
        facts["classes"] = text(", ".join(names))
    facts |= _classes(names, data)
    facts |= _treatment(data)
    if data.get("skipped"):
        skipped = data["skipped"]
        more = f" and {len(skipped) - MOST_SHOWN} more" if len(skipped) > MOST_SHOWN else ""
        facts["left out, unreadable"] = text(", ".join(skipped[:MOST_SHOWN]) + more)
    if data.get("fingerprint"):
        facts["fingerprint"] = f"<code>{text(data['fingerprint'])}</code>"
    return facts


def _classes(names: list[str], data: Mapping[str, Any]) -> dict[str, str]:
    """How many training examples each class has, and what each weighs."""
    counts = (data.get("class_counts") or {}).get("train") or []
    facts = {}
    if counts and len(counts) == len(names) <= MOST_SHOWN:
        facts["training examples by class"] = text(_paired(names, [f"{count:,}" for count in counts]))
    weights = data.get("class_weights")
    if weights and len(weights) == len(names):
        shown = [f"{weight:.3g}" for weight in weights[:MOST_SHOWN]]
        facts["class weights"] = text(_paired(names[: len(shown)], shown))
    return facts


def _treatment(data: Mapping[str, Any]) -> dict[str, str]:
    """Front end, normalization and augmentation."""
    facts = {}
    if front_end := data.get("front_end"):
        facts["front end"] = text(
            f"{front_end['kind']}: {front_end['sample_rate_hz']:,} Hz, "
            f"clips of {front_end['clip_samples']:,} samples, "
            f"windows of {front_end['window_samples']} every {front_end['hop_samples']}, "
            f"{front_end['mel_bands']} bands from {front_end['low_hz']:g} to {front_end['high_hz']:g} Hz"
        )
    if normalization := data.get("normalization"):
        scale, offset = normalization["scale"], normalization["offset"]
        facts["network input"] = text(
            f"value × scale + offset, one of each for {len(scale)} entries, which the manifests list"
            if isinstance(scale, list)
            else f"value × {scale:.6g} {'−' if offset < 0 else '+'} {abs(offset):.6g}"
        )
    if "augment" in data:
        facts["augmentation of final trainings"] = text(", ".join(data["augment"] or []) or "none")
    if data.get("on_disk"):
        facts["memory"] = "read from disk as they are used"
    return facts


def _paired(names: list[str], values: list[str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
