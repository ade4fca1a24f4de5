"""What people read first in a bundle: README, model card, licences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from edgenas.deploy.file_notes import file_table
from edgenas.deploy.proof import Proof
from edgenas.deploy.rendering import write_group
from edgenas.deploy.samples import RawSamples
from edgenas.export.manifest import Manifest
from edgenas.task import CLASSIFICATION, Task

BEGIN = (
    (
        "- Firmware: `projects/cmake` runs the test vectors on your computer and on an emulated Cortex-M4; "
        "then take `projects/arduino`, `projects/zephyr` or `projects/esp-idf`, or add `c/` to a project of "
        "your own."
    ),
    "- A Linux board: `samples/linux`.",
    "- An Android app: `samples/android`.",
    "- Another language or runtime: `test_vectors/vectors.json` has inputs and what comes of them.",
)


def write_documents(folder: Path, manifest: Manifest, samples: RawSamples) -> None:
    """Write ``README.md``, ``model_card.md`` and ``LICENSES.md`` of a bundle.

    Args:
        folder: The bundle; all its other files are there.
        manifest: What is known of them.
        samples: For the names of the classes.

    Raises:
        OSError: They cannot be written.
    """
    known = manifest.description
    begin = BEGIN if (folder / "c").is_dir() else ("- The model files, each in its runtime.",)
    shape = manifest.artifacts[0].input.shape[1:]
    values = {
        "title": f"network {known['trial_id']} on {known['data']}" if "trial_id" in known else "a network",
        "version": metadata.version("edgenas"),
        "summary": _summary(manifest, samples, shape),
        "begin": "\n".join(begin),
        "data_name": str(known.get("data", "it was trained on")),
        "data": _data(known, samples, shape),
        "accuracy_table": "\n".join(_accuracies(manifest)),
        "test_note": _test_note(manifest),
        "cost_table": _costs(manifest),
        "found": _found(known),
        "proof": _proof(manifest.proof or Proof()),
        "class_count": str(len(samples.class_names)),
        "classes": ", ".join(samples.class_names),
        "file_table": file_table(folder),
    }
    write_group("bundle", folder, values)


def _summary(manifest: Manifest, samples: RawSamples, shape: tuple[int, ...]) -> str:
    size = " x ".join(map(str, shape))
    return (
        f"A network that reads {size} values and names one of {len(samples.class_names)} classes, quantized "
        f"to int8 by the scheme `{manifest.scheme}`."
    )


def _data(known: Mapping[str, Any], samples: RawSamples, shape: tuple[int, ...]) -> str:
    name = known.get("data")
    first = f"Trained on `{name}`." if name else "What it was trained on was not stated."
    lines = [first, f"The network reads values of shape {shape}, channels last."]
    if samples.resized_from:
        before = " x ".join(map(str, samples.resized_from))
        lines.append(f"The data are {before} and are resized by area averaging (`c/resize.h`).")
    if samples.front_end:
        lines.append(
            f"Audio of {samples.front_end.sample_rate_hz} Hz becomes a log-mel spectrogram (`c/log_mel.h`)."
        )
    scale, offset = samples.normalization.scale, samples.normalization.offset
    lines.append(f"Normalization: value * {scale} + {offset}.")
    return " ".join(lines)


def _accuracies(manifest: Manifest) -> Iterable[str]:
    for one in manifest.artifacts:
        cells = [f"`{one.file}`", one.precision, f"{one.bytes / 1024:.1f} KiB"]
        found = [one.figures(split).get(manifest.task.metric) for split in ("validation", "test")]
        cells += ["not used" if value is None else _figure(value, manifest.task) for value in found]
        agreement = one.parity.agreement
        agrees = (
            f"{agreement:.2%}" if agreement is not None else f"within {one.parity.max_abs_difference:.2g}"
        )
        yield "| " + " | ".join([*cells, agrees]) + " |"


def _figure(value: float, task: Task) -> str:
    return f"{value:.2%}" if task == CLASSIFICATION else task.format(value)


def _test_note(manifest: Manifest) -> str:
    if any(one.figures("test") for one in manifest.artifacts):
        return "The test set was used once, after all choices were made."
    return "The test set was not used: this network is no winner, its accuracy was used to choose."


def _costs(manifest: Manifest) -> str:
    rows = ["| what | figure | source |", "|---|---|---|"]
    cost, micro = manifest.cost, manifest.tflite_micro
    if cost:
        where = f"predicted before training ({cost['source']}) for {cost['device']}, {cost['runtime']}"
        if cost.get("latency_ms") is not None:
            rows.append(f"| latency | {cost['latency_ms']:.4g} ms | {where} |")
        rows.append(f"| peak RAM | {cost['peak_ram_bytes']} bytes | {where} |")
        rows.append(f"| flash | {cost['flash_bytes']} bytes | {where} |")
        rows.append(f"| multiply-accumulates | {cost['macs']} | counted |")
    if micro:
        rows.append(
            f"| TFLite-Micro's arena | {micro.arena_bytes} bytes | its interpreter, on a 64-bit host |"
        )
    for one in (manifest.proof or Proof()).latency:
        how = "measured on the exporting machine, one thread" + (", noisy" if one.is_noisy else "")
        rows.append(f"| latency of `{one.file}`, {one.runtime} | {one.latency_ms:.4g} ms | {how} |")
    return "\n".join(rows)


def _found(known: Mapping[str, Any]) -> str:
    if "spec" not in known:
        return "The network was not made by a search of edgenas, or its origin was not stated."
    spec = known["spec"]
    blocks = ", ".join(str(block.get("kind", "?")) for block in spec.get("blocks", []))
    return (
        f"A search of edgenas over the space `{spec.get('space')}`, seed {known.get('seed')}, trial "
        f"{known.get('trial_id')}; weights of the {known.get('weights')}. Blocks: {blocks}. The whole "
        "specification and the versions of all packages stand in `manifest.json`."
    )


def _proof(proof: Proof) -> str:
    lines = [f"- {proof.note}"] if proof.note else []
    lines += [
        f"- C sources for {one.target}: {_word(one.passed)}"
        + (
            f", {one.text_bytes} bytes of code and constants, {one.model_bytes} of them the network"
            if one.text_bytes
            else ""
        )
        + (f" ({one.note})" if one.note else "")
        for one in proof.compiled
    ]
    lines += [f"- test vectors on {one.place}: {_word(one.passed)} ({one.note})" for one in proof.ran]
    if proof.bit_exact:
        lines.append(
            f"- LiteRT's reference kernels against TFLite-Micro on {proof.bit_exact.inputs} inputs: "
            f"{proof.bit_exact.note}"
        )
    if proof.npu:
        lines.append(f"- Ethos-U: {proof.npu['note']}")
    return "\n".join(lines) or "- nothing was tried"


def _word(passed: bool | None) -> str:
    return "not tried" if passed is None else "passed" if passed else "FAILED"
