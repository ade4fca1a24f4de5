"""Do exported files do what their Keras models do?

Random networks of space `micro` are trained briefly on Fashion-MNIST (digits where that is not
installed), exported, and compared with Keras on 1,000 held-back images and with their labels on the
whole test set. Goals: float files within 1e-4 of Keras, int8 TFLite and int8 ONNX files with Keras'
class on 98 % of the images.

    python benchmarks/artifacts.py [--networks N] [--json OUT]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.spaces.micro import MicroSpace
from edgenas.arch.spec import ArchSpec
from edgenas.build.twin import twin
from edgenas.cost.static import StaticSource
from edgenas.data import Dataset, Split, load_dataset, prepare
from edgenas.environment import machine, versions
from edgenas.errors import DataError
from edgenas.export.bundle import export_bundle
from edgenas.export.manifest import Manifest
from edgenas.train.job import Job, run_job
from edgenas.train.recipe import search_recipe
from edgenas.train.weights import load_weights

SEED = 99_000
MOST_MACS = 4_000_000
"""Larger networks only take longer to train; the median of the space has 2.3 million."""

CALIBRATION_IMAGES, HELD_BACK_IMAGES = 200, 1_000
FLOAT_GOAL, INT8_GOAL = 1e-4, 0.98
FILES = ("model.float32.tflite", "model.float32.onnx", "model.int8.tflite", "model.int8.onnx")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    data = load()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, spec in enumerate(sampled(data, args.networks)):
            rows.append(measure(data, spec, number, args.epochs, Path(folder)))
            show(rows[-1])
    document = {
        "benchmark": "artifacts",
        "date": date.today().isoformat(),
        "seed": SEED,
        "data": data.name,
        "epochs": args.epochs,
        "largest_macs": MOST_MACS,
        **summary(rows),
        "machine": {**machine(), "load_1_min": os.getloadavg()[0]},
        "versions": versions(),
        "rows": rows,
    }
    for name in ("float_max_abs_difference", "int8_lowest_agreement", "int8_minus_float", "goals_met"):
        print(f"{name}: {document[name]}")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def load() -> Dataset:
    """Fashion-MNIST where it is installed, else digits."""
    try:
        return load_dataset("fashion-mnist")
    except DataError:
        return load_dataset("digits")


def sampled(data: Dataset, count: int) -> list[ArchSpec]:
    """The first specs of a seeded sequence that are not too large to train here."""
    space, found, number = MicroSpace(data.input_shape, data.classes), [], 0
    while len(found) < count:
        spec = space.sample(np.random.default_rng((SEED, number)))
        number += 1
        if spec.graph().macs <= MOST_MACS:
            found.append(spec)
    return found


def measure(data: Dataset, spec: ArchSpec, number: int, epochs: int, folder: Path) -> dict[str, Any]:
    """Train and export one network."""
    prepared = prepared_for(data, spec)
    weights = folder / f"{number}.npz"
    recipe = search_recipe(len(data.train), epochs=epochs, seed=SEED + number)
    splits = prepared(data.train, len(data.train)), prepared(data.validation, len(data.validation))
    trained = run_job(Job(spec, recipe, weights), lambda shape: splits, lambda entry: None)
    started = time.perf_counter()
    manifest = export_bundle(
        twin(spec, load_weights(weights)),
        out_dir=folder / str(number),
        input_shape=spec.input_shape,
        calibration=prepared(data.train, CALIBRATION_IMAGES)[0],
        held_back=prepared(data.validation, HELD_BACK_IMAGES),
        test=prepared(data.test, len(data.test)),
        cost=StaticSource().estimate(spec.graph()),
        description={"spec": spec.to_json()},
    )
    return {
        "network": number,
        "input": list(spec.input_shape),
        "macs": spec.graph().macs,
        "val_accuracy": round(trained.val_accuracy, 4),
        "export_seconds": round(time.perf_counter() - started, 1),
        "resident_mib": resident_mib(),
        **figures(manifest),
    }


def prepared_for(data: Dataset, spec: ArchSpec) -> Callable[[Split, int], tuple[np.ndarray, np.ndarray]]:
    """Gives the first images of a split as a network reads them, with their labels."""
    return lambda split, count: (
        prepare(split.x[:count], data.normalization, spec.input_shape),
        split.y[:count],
    )


def figures(manifest: Manifest) -> dict[str, Any]:
    """Parity and accuracy of each file."""
    document = manifest.to_json()
    by_file = {artifact.file: artifact for artifact in manifest.artifacts}
    reference = by_file["model.float32.tflite"].accuracy["test"]
    return {
        "files": {
            file: {
                "bytes": by_file[file].bytes,
                **by_file[file].parity.to_json(),
                "test_accuracy": by_file[file].accuracy["test"],
                "test_accuracy_minus_float": round(by_file[file].accuracy["test"] - reference, 4),
            }
            for file in FILES
        },
        "tflite_micro": document["tflite_micro"],
        "predicted_against_real": document["predicted_against_real"],
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The worst figures of all networks, against the goals."""
    floats = [row["files"][file]["max_abs_difference"] for row in rows for file in FILES[:2]]
    agreement = {file: min(row["files"][file]["agreement"] for row in rows) for file in FILES[2:]}
    drops = {file: [row["files"][file]["test_accuracy_minus_float"] for row in rows] for file in FILES[2:]}
    return {
        "networks": len(rows),
        "held_back_images": rows[0]["files"][FILES[0]]["images"],
        "float_max_abs_difference": max(floats),
        "int8_lowest_agreement": agreement,
        "int8_minus_float": drops,
        "goals_met": max(floats) <= FLOAT_GOAL and min(agreement.values()) >= INT8_GOAL,
    }


def resident_mib() -> int | None:
    """Memory of this process that lies in RAM, where the system tells."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return None
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20


def show(row: dict[str, Any]) -> None:
    """Print one network."""
    shape = "x".join(map(str, row["input"]))
    print(
        f"network {row['network']}: input {shape}, {row['macs'] / 1e6:.2f} M MACs, validation "
        f"{row['val_accuracy']:.1%}, exported in {row['export_seconds']} s, {row['resident_mib']} MiB"
    )
    for file, entry in row["files"].items():
        print(
            f"  {file:<21} {entry['bytes']:>8} B  largest difference {entry['max_abs_difference']:.1e}  "
            f"agreement {entry['agreement']:.1%} of {entry['images']}  test {entry['test_accuracy']:.2%} "
            f"({entry['test_accuracy_minus_float']:+.2%})"
        )


if __name__ == "__main__":
    main()
