"""Small int8 networks of space `sequence` on time series that come with the package aeon.

    python benchmarks/series.py [--only GunPoint] [--networks 8] [--data FOLDER]

For each data set: networks are drawn from the space by seed, those above the flash budget are left out
unseen, the rest is trained on a part of the training series and judged on the other part. The best is
trained again on all training series with some seeds, exported, and its int8 file is run on the test series:
once for each seed, nothing is chosen by it. Series of unequal length (JapaneseVowels) are read in aeon's own
form of equal length. The package aeon is needed for its data only, and may lie elsewhere (``--data``).

The reference is ROCKET (Dempster et al. 2020), one of aeon's classifiers, with 10,000 kernels: for GunPoint
and ItalyPowerDemand its authors' means of ten runs (github.com/angus924/rocket, results/results_ucr.csv), for
the others means of aeon 1.6's RocketClassifier with seeds 0 to 4 on the same files, measured here.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch import SPACES, ArchSpec
from edgenas.cost.static import StaticSource
from edgenas.environment import versions

RESULTS = Path(__file__).parent / "results" / "series.json"
FLASH_BYTES = 32 * 1024
GOAL_POINTS = 1.0
FILES = {
    "GunPoint": "GunPoint",
    "ItalyPowerDemand": "ItalyPowerDemand",
    "BasicMotions": "BasicMotions",
    "JapaneseVowels": "JapaneseVowels_eq",
}
REFERENCE: dict[str, tuple[float, str]] = {
    "GunPoint": (1.0, "its authors"),
    "ItalyPowerDemand": (0.96958, "its authors"),
    "BasicMotions": (1.0, "aeon 1.6, five seeds"),
    "JapaneseVowels": (0.83243, "aeon 1.6, five seeds"),
}
BATCH = 16

Labelled = tuple[np.ndarray, np.ndarray]


def main() -> None:
    """Run the data sets asked for, print a table and write the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", choices=FILES, action="append", help="one data set (default: all)")
    parser.add_argument("--networks", type=int, default=8, help="networks trained for each (default: 8)")
    parser.add_argument("--steps", type=int, default=600, help="of a short training (default: 600)")
    parser.add_argument("--final-steps", type=int, default=2000, help="of a final training (default: 2000)")
    parser.add_argument("--seeds", type=int, default=3, help="final trainings (default: 3)")
    parser.add_argument("--data", type=Path, help="folder with aeon's data (default: of the package)")
    args = parser.parse_args()
    document = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"rows": {}}
    for name in args.only or FILES:
        document["rows"][name] = run(name, args)
        document["versions"] = versions()
        RESULTS.write_text(json.dumps(document, indent=1) + "\n")
        show(name, document["rows"][name])


def read(name: str, folder: Path | None) -> tuple[Labelled, Labelled]:
    """Train and test series, float32 (n, time, channels), standardized as the training series are."""
    if folder is None:
        package = importlib.util.find_spec("aeon")
        if package is None or package.origin is None:
            raise SystemExit("the package aeon is not installed: pip install aeon, or give --data FOLDER")
        folder = Path(package.origin).parent / "datasets" / "data"
    parts = [read_ts(folder / name / f"{FILES[name]}_{part}.ts") for part in ("TRAIN", "TEST")]
    classes = sorted(set(parts[0][1]))
    mean = parts[0][0].mean(axis=(0, 1))
    spread = parts[0][0].std(axis=(0, 1)) + 1e-9
    train, test = (
        (((x - mean) / spread).astype(np.float32), np.array([classes.index(label) for label in labels]))
        for x, labels in parts
    )
    return train, test


def read_ts(path: Path) -> tuple[np.ndarray, list[str]]:
    """Series (n, time, channels) and labels of a ``.ts`` file: channels and label divided by colons."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] not in "#@"]
    rows, labels = [], []
    for line in lines:
        *channels, label = line.split(":")
        rows.append(np.array([[float(value) for value in channel.split(",")] for channel in channels]).T)
        labels.append(label.strip())
    return np.stack(rows), labels


def run(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Choose, train, export and test one data set's network."""
    start = time.perf_counter()
    train, test = read(name, args.data)
    fit, judge = halves(train)
    tried = []
    for spec in candidates(train[0].shape[1:], int(train[1].max()) + 1, args.networks):
        error, loss = judged(train_one(spec, fit, args.steps, 0), judge)
        tried.append((error, loss, spec))
        print(f"  {spec.choices['form']:>4} {spec.arch_id} validation error {error:.3f}", flush=True)
    _, _, best = min(tried, key=lambda entry: entry[:2])
    finals = [final(best, train, test, args.final_steps, seed) for seed in range(args.seeds)]
    reference, source = REFERENCE.get(name, (None, ""))
    int8 = [entry["int8"] for entry in finals]
    return {
        "form": best.choices["form"],
        "spec": best.to_json(),
        "networks": len(tried),
        "validation_error": min(tried, key=lambda entry: entry[:2])[0],
        "int8_test_accuracy": float(np.mean(int8)),
        "finals": finals,
        "flash_bytes": StaticSource().estimate(best.graph()).flash_bytes,
        "reference": reference,
        "reference_source": source,
        "within_goal": reference is not None and float(np.mean(int8)) >= reference - GOAL_POINTS / 100,
        "seconds": round(time.perf_counter() - start),
    }


def halves(train: Labelled) -> tuple[Labelled, Labelled]:
    """Two thirds of each class to train on, one third to judge by."""
    rng = np.random.default_rng(0)
    judge = np.zeros(len(train[1]), bool)
    for label in np.unique(train[1]):
        places = rng.permutation(np.flatnonzero(train[1] == label))
        judge[places[: max(1, len(places) // 3)]] = True
    return (train[0][~judge], train[1][~judge]), (train[0][judge], train[1][judge])


def candidates(shape: tuple[int, ...], classes: int, count: int) -> list[ArchSpec]:
    """Seeded networks of the space within the flash budget, the forms taking turns."""
    space, source = SPACES.get("sequence")(shape, classes), StaticSource()
    forms = ("conv", "tcn", "lstm", "gru")
    found: list[ArchSpec] = []
    rng = np.random.default_rng(0)
    while len(found) < count:
        spec = space.sample(rng)
        wanted = spec.choices["form"] == forms[len(found) % len(forms)]
        if wanted and source.estimate(spec.graph()).flash_bytes <= FLASH_BYTES:
            found.append(spec)
    return found


def train_one(spec: ArchSpec, data: Labelled, steps: int, seed: int) -> Any:
    """A trained Keras model: Adam with warm-up and cosine, jitter and scaling of series (Um et al. 2017)."""
    import keras
    import tensorflow as tf

    from edgenas.build.builder import build_model

    keras.utils.set_random_seed(seed)
    keras.backend.clear_session()
    model = build_model(spec, keras)
    rate = keras.optimizers.schedules.CosineDecay(1e-4, steps, warmup_target=4e-3, warmup_steps=steps // 10)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.05)
    model.compile(keras.optimizers.Adam(rate), loss)
    rng = np.random.default_rng(seed)

    def batches() -> Any:
        for _ in range(steps):
            rows = rng.choice(len(data[1]), BATCH, replace=len(data[1]) < BATCH)
            x = data[0][rows] * rng.normal(1, 0.1, (BATCH, 1, 1)) + rng.normal(0, 0.05, data[0][rows].shape)
            yield x.astype(np.float32), np.eye(spec.classes, dtype=np.float32)[data[1][rows]]

    shapes = (spec.input_shape, (spec.classes,))
    signature = tuple(tf.TensorSpec((BATCH, *shape), tf.float32) for shape in shapes)
    series = tf.data.Dataset.from_generator(batches, output_signature=signature)
    model.fit(series, epochs=1, verbose=0)
    return model


def judged(model: Any, data: Labelled) -> tuple[float, float]:
    """Share of wrong classes, and the mean cross-entropy, which decides between equals."""
    outputs = np.asarray(model(data[0], training=False))
    right = outputs[np.arange(len(data[1])), data[1]]
    return float(np.mean(outputs.argmax(-1) != data[1])), float(-np.log(right + 1e-7).mean())


def final(spec: ArchSpec, train: Labelled, test: Labelled, steps: int, seed: int) -> dict[str, Any]:
    """Train on all training series, export, and run the files on the test series."""
    from edgenas.build.twin import twin
    from edgenas.export.bundle import export_bundle

    model = train_one(spec, train, steps, seed)
    with tempfile.TemporaryDirectory() as folder:
        manifest = export_bundle(
            twin(spec, model.get_weights()), out_dir=Path(folder, "bundle"), input_shape=spec.input_shape,
            calibration=train[0], held_back=train, test=test,
        )  # fmt: skip
    by_file = {artifact.file: artifact.accuracy["test"] for artifact in manifest.artifacts}
    micro = manifest.tflite_micro
    return {
        "seed": seed,
        "float": by_file["model.float32.tflite"],
        "int8": by_file["model.int8.tflite"],
        "int8_onnx": by_file["model.int8.onnx"],
        "file_bytes": next(a.bytes for a in manifest.artifacts if a.file == "model.int8.tflite"),
        "tflite_micro_agreement": None if micro is None else micro.agreement,
        "arena_bytes": None if micro is None else micro.arena_bytes,
    }


def show(name: str, row: dict[str, Any]) -> None:
    """Print one data set."""
    finals = ", ".join(f"{entry['int8']:.2%} (float {entry['float']:.2%})" for entry in row["finals"])
    print(
        f"{name}: {row['form']}, {row['flash_bytes'] / 1024:.1f} KiB flash, int8 test accuracy "
        f"{row['int8_test_accuracy']:.2%} [{finals}]; ROCKET {row['reference']} ({row['reference_source']}); "
        f"within {GOAL_POINTS} point: {row['within_goal']}; {row['seconds']} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
