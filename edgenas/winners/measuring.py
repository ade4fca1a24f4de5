"""Winners measured on their device, one after the other, beside what was predicted for them.

Each measurement is kept in the run as soon as it is there, and so is what still waits for the device: a
command that was cut off goes on where it stopped, and a live view shows the queue.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgenas.errors import StoreError, UnsupportedError
from edgenas.export.manifest import Artifact, Manifest
from edgenas.facts import stored
from edgenas.profile.protocol import Measurement
from edgenas.profile.runner import Runner
from edgenas.records import TrialRecord
from edgenas.store import Store, storage_errors

STAGES = ("searching", "retraining", "exporting")
"""Of a run that `edgenas resume` brings to its winners."""


def measure_winners(
    store: Store,
    runner: Runner,
    *,
    trials: Sequence[str] = (),
    file: str | None = None,
    again: bool = False,
    on_change: Callable[[dict[str, Any]], None] = lambda queue: None,
) -> list[dict[str, Any]]:
    """Measure the files of winners on a device; the same files measured there before are left alone.

    A device is the same if its processor and the version of the runtime are.

    Args:
        store: The run, of which this is the only writer.
        runner: Reaches the device; its runtime says whether TFLite or ONNX files are measured.
        trials: Which winners; all that have files if empty.
        file: Its name in each bundle; None for ``model.int8`` of the format that the runtime reads.
        again: Measure also what was measured before.
        on_change: Told whenever the queue changes; see the fact ``measuring``.

    Returns:
        The run's measurements of these winners' files on this device, runtime and number of threads, in
        the order of the short list, each a document as the fact ``measured`` holds it.

    Raises:
        StoreError: A trial is no winner with files, or a file is not the one that the run made.
        UnsupportedError: There is no such file, or the runtime cannot load one.
        MeasurementError: The device is too busy, cannot be reached or went away; what was measured is kept.
    """
    name = file or f"model.int8.{runner.model_format}"
    files = {trial_id: _file(store, trial_id, runner, name) for trial_id in _chosen(store, trials)}
    known = {_key(one): one for one in store.meta("measured") or []}
    keys = {
        trial_id: (trial_id, name, runner.device.id, runner.runtime, runner.threads) for trial_id in files
    }
    machine = runner.machine()
    waiting = [
        trial_id
        for trial_id, one in files.items()
        if again or not _is_still(known.get(keys[trial_id]), one, machine)
    ]
    ended = len(files) - len(waiting)
    try:
        while waiting:
            trial_id = waiting.pop(0)
            queue = {
                "device": runner.device.name, "runtime": runner.runtime, "at": trial_id,
                "waiting": list(waiting), "measured": ended, "process": os.getpid(),
            }  # fmt: skip
            store.set_meta(measuring=queue)
            on_change(queue)
            content = _content(store, trial_id, files[trial_id])
            found = runner.measure(content)
            record = store.trial(trial_id)
            known[keys[trial_id]] = _document(record, files[trial_id], runner, machine, found)
            store.set_meta(measured=list(known.values()))
            ended += 1
    finally:
        store.set_meta(measuring=None)
    return [known[key] for key in keys.values()]


def _chosen(store: Store, trials: Sequence[str]) -> list[str]:
    """Winners that have files, in the order of the short list."""
    finished = [one.trial_id for one in store.winners() if one.manifest is not None and one.reason is None]
    if not finished:
        goes_on = store.meta("config") and store.meta("status") in STAGES
        mend = (
            f"finish it with 'edgenas resume {store.folder}'"
            if goes_on
            else "measure its files with 'profile'"
        )
        raise StoreError(f"{store.folder} has no winners with files; {mend}")
    if unknown := [trial_id for trial_id in trials if trial_id not in finished]:
        raise StoreError(
            f"trial {unknown[0]} was given, which is no winner with files in {store.folder}; expected one of "
            f"{', '.join(finished)}"
        )
    return [trial_id for trial_id in finished if not trials or trial_id in trials]


def _file(store: Store, trial_id: str, runner: Runner, name: str) -> Artifact:
    """A winner's file, which the runner's runtime must read."""
    notes = {winner.trial_id: winner.manifest for winner in store.winners()}
    with stored(store.folder, "winners", trial_id):
        manifest = Manifest.from_json(notes[trial_id] or {})
    fitting = {file.file: file for file in manifest.artifacts if file.format == runner.model_format}
    if name not in fitting:
        raise UnsupportedError(
            f"file {name} was asked for, which winner {trial_id} does not have for {runner.runtime}; "
            f"expected one of {', '.join(fitting)}"
        )
    return fitting[name]


def _is_still(known: Mapping[str, Any] | None, file: Artifact, machine: Mapping[str, Any]) -> bool:
    """Whether a measurement is of this very file, machine and version."""
    here = (file.sha256, str(machine.get("cpu", "")), str(machine.get("version", "")))
    return known is not None and (known["sha256"], known["cpu"], known["version"]) == here


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


def _document(
    record: TrialRecord, file: Artifact, runner: Runner, machine: Mapping[str, Any], found: Measurement
) -> dict[str, Any]:
    """One measurement as the run keeps it; a prediction only where it was made for the same thing."""
    cost = record.cost
    here = (runner.device.id, runner.runtime, file.precision, runner.threads)
    fits = (cost.device, cost.runtime, cost.precision, cost.threads) == here
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
