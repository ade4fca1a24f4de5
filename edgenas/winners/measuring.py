"""Winners measured on their device, one after the other, beside what was predicted for them.

Each measurement is kept in the run as soon as it is there, and so is what still waits for the device: a
command that was cut off goes on where it stopped, and a live view shows the queue.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from edgenas.errors import StoreError, UnsupportedError
from edgenas.export.manifest import Artifact, Manifest
from edgenas.facts import stored
from edgenas.profile.protocol import Measurement
from edgenas.profile.runner import Runner
from edgenas.records import TrialRecord
from edgenas.store import Store, storage_errors

PRECISIONS = ("int8", "float32", "float16", "int16x8", "dynamic-range", "mixed-int8")
"""Precisions of the files of a bundle."""


def measure_winners(
    store: Store,
    runner: Runner,
    *,
    trials: Sequence[str] = (),
    precision: str = "int8",
    again: bool = False,
    on_change: Callable[[dict[str, Any]], None] = lambda queue: None,
) -> list[dict[str, Any]]:
    """Measure the files of winners on a device; those measured there before are left alone.

    Args:
        store: The run, of which this is the only writer.
        runner: Reaches the device; its runtime says whether TFLite or ONNX files are measured.
        trials: Which winners; all that have files if empty.
        precision: Of the files.
        again: Measure also what was measured before.
        on_change: Told whenever the queue changes; see the fact ``measuring``.

    Returns:
        The run's measurements of these winners' files on this device, runtime and number of threads, in
        the order of the short list, each a document as the fact ``measured`` holds it.

    Raises:
        StoreError: A trial is no winner with files, or a file is not the one that the run made.
        UnsupportedError: No file of the precision was made, or the runtime cannot load one.
        MeasurementError: The device is too busy, cannot be reached or went away; what was measured is kept.
    """
    files = {trial_id: _file(store, trial_id, runner, precision) for trial_id in _chosen(store, trials)}
    known = {_key(one): one for one in store.meta("measured") or []}
    keys = {
        trial_id: (trial_id, file.file, runner.device.id, runner.runtime, runner.threads)
        for trial_id, file in files.items()
    }
    waiting = [trial_id for trial_id in files if again or keys[trial_id] not in known]
    ended = len(files) - len(waiting)
    try:
        while waiting:
            trial_id = waiting.pop(0)
            queue = {
                "device": runner.device.name, "runtime": runner.runtime, "at": trial_id,
                "waiting": list(waiting), "measured": ended,
            }  # fmt: skip
            store.set_meta(measuring=queue)
            on_change(queue)
            content = _content(store, trial_id, files[trial_id])
            found = runner.measure(content)
            known[keys[trial_id]] = _document(store.trial(trial_id), files[trial_id], runner, found)
            store.set_meta(measured=list(known.values()))
            ended += 1
    finally:
        store.set_meta(measuring=None)
    return [known[key] for key in keys.values()]


def _chosen(store: Store, trials: Sequence[str]) -> list[str]:
    """Winners that have files, in the order of the short list."""
    finished = [one.trial_id for one in store.winners() if one.manifest is not None and one.reason is None]
    if not finished:
        raise StoreError(f"{store.folder} has no winners yet; finish it with 'edgenas resume {store.folder}'")
    if unknown := [trial_id for trial_id in trials if trial_id not in finished]:
        raise StoreError(
            f"trial {unknown[0]} was given, which is no winner with files in {store.folder}; expected one of "
            f"{', '.join(finished)}"
        )
    return [trial_id for trial_id in finished if not trials or trial_id in trials]


def _file(store: Store, trial_id: str, runner: Runner, precision: str) -> Artifact:
    """The file of a winner that the runner's runtime reads."""
    notes = {winner.trial_id: winner.manifest for winner in store.winners()}
    with stored(store.folder, "winners", trial_id):
        manifest = Manifest.from_json(notes[trial_id] or {})
    fitting = [file for file in manifest.artifacts if file.format == runner.model_format]
    for file in fitting:
        if file.precision == precision:
            return file
    raise UnsupportedError(
        f"winner {trial_id} has no {precision} file for {runner.runtime}; expected one of "
        f"{', '.join(file.precision for file in fitting) or 'its own files'}"
    )


def _content(store: Store, trial_id: str, file: Artifact) -> bytes:
    """The file's content, which must be what the run wrote."""
    path = store.folder / "winners" / trial_id / file.file
    with storage_errors(store.folder):
        content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise StoreError(f"{path} has changed since it was made; bring the old one back or export it again")
    return content


def _key(document: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(document[name] for name in ("trial", "file", "device", "runtime", "threads"))


def _document(record: TrialRecord, file: Artifact, runner: Runner, found: Measurement) -> dict[str, Any]:
    """One measurement as the run keeps it; a prediction only where it was made for the same thing."""
    cost = record.cost
    here = (runner.device.id, runner.runtime, file.precision, runner.threads)
    fits = (cost.device, cost.runtime, cost.precision, cost.threads) == here
    machine = runner.machine()
    return {
        "trial": record.trial_id,
        "file": file.file,
        "sha256": file.sha256,
        "device": runner.device.id,
        "runtime": runner.runtime,
        "threads": runner.threads,
        "latency_ms": found.latency_ms,
        "low_ms": found.low_ms,
        "high_ms": found.high_ms,
        "median_ms": found.median_ms,
        "p90_ms": found.p90_ms,
        "spread": found.spread,
        "repeats": found.repeats,
        "statistic": found.statistic,
        "governor": runner.governor(),
        "cpu": str(machine.get("cpu", "")),
        "version": str(machine.get("version", "")),
        "seconds_since_1970": round(time.time(), 1),
        "predicted_ms": cost.latency_ms if fits else None,
        "predicted_low_ms": cost.latency_low_ms if fits else None,
        "predicted_high_ms": cost.latency_high_ms if fits else None,
    }
