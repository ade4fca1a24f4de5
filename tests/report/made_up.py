"""A made-up run, written through the real store: what `edgenas search` would leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import exp, log10
from typing import Any

import numpy as np

from edgenas.arch import ArchSpec, MicroSpace
from edgenas.cost.static import StaticSource
from edgenas.cost.types import Cost
from edgenas.export.manifest import Artifact, Manifest
from edgenas.export.micro import MicroRun
from edgenas.export.parity import Parity
from edgenas.export.running import Port
from edgenas.records import WinnerRecord
from edgenas.store import Store

TRIALS = 30
RAM_BYTES = 64 * 1024
DESCRIPTION: dict[str, Any] = {
    "config": {"data": "digits", "space": "micro", "device": "arduino-nano-33-ble", "ram_kib": 64.0,
               "latency_ms": None, "trials": TRIALS, "objectives": ["val_error", "macs", "peak_ram_bytes"],
               "seed": 3, "out": "runs/digits"},
    "versions": {"python": "3.11.9", "edgenas": "0.1.0", "keras": "3.12.0", "tflite-micro": None},
    "machine": {"processor": "Some CPU at 2 GHz", "cores": 2, "memory_gib": 7.8, "system": "Linux x86_64"},
    "seed": 3,
    "data": {"name": "digits", "fingerprint": "sha256:0f3a9c", "train": 1257, "validation": 270, "test": 270,
             "class_names": [str(digit) for digit in range(10)], "input_shape": [28, 28, 1],
             "warnings": ["2 images occur in training and validation"]},
    "objectives": ["val_error", "macs", "peak_ram_bytes"],
    "constraints": [{"metric": "peak_ram_bytes", "limit": RAM_BYTES}],
    "space": "micro",
    "device": {"id": "arduino-nano-33-ble", "name": "Arduino Nano 33 BLE Sense", "runtime": "tflite-micro"},
    "elapsed_seconds": 1312.4,
    "search": {"own_seconds": 0.8, "stop_reason": "all trials are done"},
}  # fmt: skip


def made_up_cost(spec: ArchSpec) -> Cost:
    """Static figures as they are; 60,000 MACs a millisecond."""
    cost = StaticSource("arduino-nano-33-ble", "tflite-micro").estimate(spec.graph(), per_op=True)
    shares = tuple(replace(share, latency_ms=share.macs / 60_000) for share in cost.per_op)
    ms = cost.macs / 60_000 + 0.1
    return replace(
        cost, source="table", latency_ms=ms, latency_low_ms=0.9 * ms, latency_high_ms=1.1 * ms, per_op=shares
    )


def made_up_result(spec: ArchSpec, rng: np.random.Generator, epochs: int, gain: float) -> dict[str, Any]:
    skill = 0.93 - 0.4 * exp(-1.5 * log10(spec.graph().macs / 3e4)) + 0.01 * rng.standard_normal() + gain
    history = [
        {
            "loss": 2.3 * exp(-5 * epoch / epochs) + 0.06,
            "accuracy": skill + 0.012 - 0.7 * exp(-5 * epoch / epochs),
            "val_loss": 2.2 * exp(-5 * epoch / epochs) + 0.12 + 0.01 * float(rng.standard_normal()),
            "val_accuracy": skill - 0.72 * exp(-5 * epoch / epochs) + 0.004 * float(rng.standard_normal()),
        }
        for epoch in range(1, epochs + 1)
    ]
    return {
        "val_accuracy": skill, "val_loss": history[-1]["val_loss"], "train_accuracy": skill + 0.012,
        "epochs": epochs, "stopped_early": epochs > 20, "seconds": 2.0 * epochs, "images_per_second": 5000.0,
        "history": history,
    }  # fmt: skip


def made_up_manifest(result: dict[str, Any], cost: Cost) -> dict[str, Any]:
    """Four files; the int8 ones lose 0.3 points, the test set shows 0.7 points less than validation."""

    def entry(format_: str, precision: str, size: int, drop: float, parity: Parity) -> Artifact:
        validation = result["val_accuracy"] - drop
        return Artifact(
            file=f"model.{precision}.{format_}", format=format_, precision=precision, sha256=f"{size:064x}",
            bytes=size, input=Port("image", (1, 28, 28, 1), precision), output=Port("y", (1, 10), precision),
            parity=parity, accuracy={"validation": validation, "test": validation - 0.007},
            scheme="float32" if precision == "float32" else "full-int8",
        )  # fmt: skip

    alike, close = Parity(270, 1.0, 0, 4e-7, 1e-4), Parity(270, 268 / 270, 1, 0.03, 5)
    return Manifest(
        artifacts=(
            entry("tflite", "float32", 4 * cost.flash_bytes, 0.0, alike),
            entry("tflite", "int8", cost.flash_bytes + 16, 0.003, close),
            entry("onnx", "float32", 4 * cost.flash_bytes + 900, 0.0, alike),
            entry("onnx", "int8", 2 * cost.flash_bytes, 0.003, close),
        ),
        scheme="full-int8", calibration_images=200, keras_accuracy=result["val_accuracy"],
        cost=cost.to_json(), tflite_micro=MicroRun(100, 1.0, 0, cost.peak_ram_bytes + 96, 2048, 1024),
        tflite_micro_note=None, description={},
    ).to_json()  # fmt: skip


def within_budget(rng: np.random.Generator) -> Iterator[tuple[ArchSpec, Cost]]:
    """Networks that meet the budget of `DESCRIPTION`, as a search would train them."""
    space = MicroSpace((28, 28, 1), 10)
    while True:
        spec = space.sample(rng)
        if (cost := made_up_cost(spec)).peak_ram_bytes <= RAM_BYTES:
            yield spec, cost


def fill(store: Store, trials: int = TRIALS, seed: int = 0, *, latency: bool = True) -> list[str]:
    """Trials of which one fails and the last one still runs; returns the ids of the front by accuracy."""
    rng = np.random.default_rng(seed)
    specs = within_budget(rng)
    done: list[tuple[float, float, str]] = []
    for number in range(trials):
        trial_id, (spec, cost) = f"{number:04d}", next(specs)
        if not latency:
            cost = StaticSource(cost.device, cost.runtime).estimate(spec.graph())
        store.begin_trial(trial_id, spec, cost)
        if number == 4:
            store.fail_trial(
                trial_id, "loss became NaN or infinite in epoch 2; a lower learning rate may help"
            )
        elif number < trials - 1:
            result = made_up_result(spec, rng, 6, -0.04 - 0.45 * (number == 9))
            store.finish_trial(trial_id, {"epochs": 6, "seed": number}, result)
            done.append((result["val_accuracy"], cost.macs, trial_id))
    store.set_refusals({"peak_ram_bytes": 143})
    front = [
        entry for entry in done if not any(other[0] > entry[0] and other[1] <= entry[1] for other in done)
    ]
    return [trial_id for *_, trial_id in sorted(front, reverse=True)]


def choose_winners(store: Store, front: list[str], seed: int = 1) -> None:
    """Three delivered winners and a fourth that was dropped after its final training."""
    rng = np.random.default_rng(seed)
    reasons = (
        "most accurate of all candidates in the search",
        "on the front at MACs 1.2 M, where it adds most hypervolume between its neighbours",
        "least MACs on the front (80 k)",
        "close behind the front at MACs 2.1 M; a short training may have misjudged it",
    )
    chosen = [front[0], front[len(front) // 2], front[-1], front[1]]
    for number, (trial_id, why) in enumerate(zip(chosen, reasons, strict=True)):
        trial = store.trial(trial_id)
        result = made_up_result(trial.spec, rng, 30, 0.0)
        dropped = f"after the final training, trial {front[0]} is at least as good in everything"
        store.save_winner(
            WinnerRecord(
                trial_id, why, {"epochs": 30}, result, dropped if number == 3 else None,
                made_up_manifest(result, trial.cost) if number < 3 else None,
            )
        )  # fmt: skip
