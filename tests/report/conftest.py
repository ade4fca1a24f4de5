"""A made-up run, written through the real store: what `edgenas search` would leave behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import exp, log10
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.arch import ArchSpec, MicroSpace
from edgenas.cost.types import Cost
from edgenas.store import Store, WinnerRecord

TRIALS = 30
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
    "constraints": [{"metric": "peak_ram_bytes", "limit": 64 * 1024.0}],
    "space": "micro",
    "device": {"id": "arduino-nano-33-ble", "name": "Arduino Nano 33 BLE Sense", "runtime": "tflite-micro"},
    "elapsed_seconds": 1312.4,
    "search": {"own_seconds": 0.8, "stop_reason": "all trials are done"},
}  # fmt: skip


def made_up_cost(spec: ArchSpec) -> Cost:
    graph = spec.graph()
    largest = max(int(np.prod(op.in_shape)) + int(np.prod(op.out_shape)) for op in graph.ops)
    latency_ms = graph.macs / 60_000 + 1.5
    return Cost(
        "arduino-nano-33-ble", "tflite-micro", "int8", "predictor", latency_ms, 0.9 * latency_ms,
        1.1 * latency_ms, largest + 8_000, graph.params + 6_000, graph.macs, graph.params,
    )  # fmt: skip


def made_up_result(spec: ArchSpec, rng: np.random.Generator, epochs: int, gain: float) -> dict[str, Any]:
    skill = min(0.985, 0.55 + 0.075 * log10(spec.graph().macs) + 0.02 * rng.standard_normal() + gain)
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
    gaps = {"validation": 0.0, "test": 0.007}

    def entry(file: str, precision: str, size: int, drop: float) -> dict[str, Any]:
        return {
            "file": file, "sha256": f"{size:064x}", "bytes": size, "format": file.rpartition(".")[2],
            "precision": precision, "parity": {"agreement": 0.996},
            "accuracy": {split: result["val_accuracy"] - drop - gap for split, gap in gaps.items()},
        }  # fmt: skip

    return {
        "artifacts": [
            entry("model.int8.tflite", "int8", cost.flash_bytes, 0.003),
            entry("model.float32.tflite", "float32", 4 * cost.flash_bytes, 0.0),
            entry("model.onnx", "float32", 4 * cost.flash_bytes + 900, 0.0),
        ]
    }


def fill(store: Store, trials: int = TRIALS, seed: int = 0) -> list[str]:
    """Trials of which one fails and the last one still runs; returns the ids of the front by accuracy."""
    rng = np.random.default_rng(seed)
    space = MicroSpace((28, 28, 1), 10)
    done: list[tuple[float, float, str]] = []
    for number in range(trials):
        trial_id, spec = f"{number:04d}", space.sample(rng)
        cost = made_up_cost(spec)
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


@pytest.fixture
def new_run(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Makes a run folder with chosen facts; closes its store at the end."""
    opened: list[Store] = []

    def make(name: str = "run", **facts: Any) -> Store:
        store = Store.create(tmp_path / name)
        opened.append(store)
        if facts:
            store.set_meta(**facts)
        return store

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def finished(new_run: Callable[..., Store]) -> Store:
    """A finished run: 28 completed trials, one failed, one left running, 3 winners, 1 dropped."""
    store = new_run(status="done", **DESCRIPTION)
    choose_winners(store, fill(store))
    return store
