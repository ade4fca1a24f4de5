"""What people read first in a bundle: README, model card, licences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from edgenas.data.dataset import Factor
from edgenas.deploy import layout
from edgenas.deploy.file_notes import file_table
from edgenas.deploy.outputs import Outputs, Words
from edgenas.deploy.outputs.outputs import INT8
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


def write_documents(folder: Path, manifest: Manifest, samples: RawSamples, outputs: Outputs | None) -> None:
    """Write ``README.md``, ``model_card.md`` and ``LICENSES.md`` of a bundle.

    Args:
        folder: The bundle; all its other files are there.
        manifest: What is known of them.
        samples: How inputs are prepared.
        outputs: What a device makes of the outputs; None for a task without post-processing.

    Raises:
        OSError: They cannot be written.
    """
    known = manifest.description
    begin = BEGIN if (folder / "c").is_dir() else ("- The model files, each in its runtime.",)
    shape = manifest.artifacts[0].input.shape[1:]
    words = _words(manifest, outputs)
    values = {
        "title": f"network {known['trial_id']} on {known['data']}" if "trial_id" in known else "a network",
        "version": metadata.version("edgenas"),
        "summary": _summary(manifest, words, shape),
        "begin": "\n".join(begin),
        "data_name": str(known.get("data", "it was trained on")),
        "data": _data(known, samples, shape),
        "accuracy_table": "\n".join(_accuracies(manifest, words, outputs)),
        "figures_note": words.note,
        "more_figures": _more_figures(manifest),
        "test_note": _test_note(manifest),
        "cost_table": _costs(manifest),
        "found": _found(known),
        "proof": _proof(manifest.proof or Proof()),
        "intended_use": words.use,
        "limits": "\n".join(f"- {line}" for line in words.limits),
        "file_table": file_table(folder, words.postprocess, outputs.linux_note if outputs else ""),
    }
    write_group("bundle", folder, values)


def _factor(factor: Factor) -> str:
    """One number; the exact ones of many stand in the manifest."""
    if isinstance(factor, float | int):
        return str(factor)
    return f"({', '.join(f'{value:.6g}' for value in factor)})"


def _words(manifest: Manifest, outputs: Outputs | None) -> Words:
    """What the documents say of the task."""
    if outputs is not None:
        port = next((one.output for one in manifest.artifacts if one.file == INT8), None)
        return outputs.words(port or manifest.artifacts[0].output)
    name = manifest.task.name
    return Words(
        does=f"serves the task `{name}`",
        agrees="largest difference from Keras",
        note=f"The figure is the {manifest.task.full_label}.",
        use=f"The task `{name}`, for inputs like those of the data it was trained on, on small devices.",
        limits=(f"What its outputs mean is for the author of the task `{name}` to say.",),
        postprocess=("", ""),
    )


def _summary(manifest: Manifest, words: Words, shape: tuple[int, ...]) -> str:
    return (
        f"A network that reads {layout.of_values(shape)}, and {words.does}; quantized to int8 by the scheme "
        f"`{manifest.scheme}`."
    )


def _data(known: Mapping[str, Any], samples: RawSamples, shape: tuple[int, ...]) -> str:
    name = known.get("data")
    first = f"Trained on `{name}`." if name else "What it was trained on was not stated."
    lines = [first, f"The network reads {layout.of_values(shape)}."]
    if columns := known.get("preprocessing", {}).get("features"):
        lines.append(f"The features are, in this order: {', '.join(columns)}.")
    if samples.resized_from:
        before = " x ".join(map(str, samples.resized_from))
        lines.append(f"The data are {before} and are resized by area averaging (`c/resize.h`).")
    if samples.front_end:
        lines.append(
            f"Audio of {samples.front_end.sample_rate_hz} Hz becomes a log-mel spectrogram (`c/log_mel.h`)."
        )
    scale, offset = samples.normalization.scale, samples.normalization.offset
    if anomalous := known.get("data_loading", {}).get("settings", {}).get("anomalous"):
        lines.append(f"Anomalous are the classes {', '.join(anomalous)}; all others are normal.")
    lines.append(f"Normalization: value * {_factor(scale)} + {_factor(offset)}.")
    return " ".join(lines)


def _accuracies(manifest: Manifest, words: Words, outputs: Outputs | None) -> Iterable[str]:
    task = manifest.task
    figure = task.full_label if task != CLASSIFICATION else "accuracy"
    heads = ["file", "precision", "size", f"{figure}, validation", "test", words.agrees]
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for one in manifest.artifacts:
        cells = [f"`{one.file}`", one.precision, f"{one.bytes / 1024:.1f} KiB"]
        cells += [_figure(task, one.figures(split)) for split in ("validation", "test")]
        cells.append(outputs.agreement(one) if outputs else f"{one.parity.max_abs_difference:.2g}")
        yield "| " + " | ".join(cells) + " |"


def _figure(task: Task, figures: Mapping[str, Any]) -> str:
    """The figure that people read first, with its interval where there is one."""
    if task == CLASSIFICATION:
        return f"{figures['accuracy']:.2%}" if figures else "not used"
    if not figures:
        return "not used"
    value = task.format(figures[task.metric])
    if "interval" not in figures:
        return value
    low, high = map(task.format, figures["interval"])
    return f"{value} ({low} to {high})"


def _more_figures(manifest: Manifest) -> str:
    """All figures of the int8 file by name, for tasks that have several."""
    found = next((one.metrics for one in manifest.artifacts if one.file == INT8), {})
    if not found:
        return ""
    splits = [split for split in ("validation", "test") if split in found]
    rows = ["", f"| `{INT8}` | " + " | ".join(splits) + " |", "|" + "---|" * (len(splits) + 1)]
    for name in found[splits[0]]:
        if name != "interval":
            rows.append(f"| {name} | " + " | ".join(f"{found[split][name]:.4g}" for split in splits) + " |")
    if "test" in found:
        rows += ["", "What stands in brackets is a 95 % interval by bootstrap over the test inputs."]
    return "\n".join(rows) + "\n"


def _test_note(manifest: Manifest) -> str:
    if any(one.figures("test") for one in manifest.artifacts):
        return "The test set was used once, after all choices were made."
    return "The test set was not used: this network is no winner; it was judged on the validation set alone."


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
