"""What do compression schemes lose and gain?

Random networks of space `micro` are trained on Fashion-MNIST (`--data` names other data, for example
`cifar10:/path`), tried under all schemes that keep their promises on paper, and run on the test set.
Goals, and what is printed of each:

    a  int8 after the best scheme loses 0.3 points or less against float, on the test set
    b  networks under 16 kB: qat is better than full-int8 or level on validation, and never adopted when worse
    c  channel pruning: predicted latency 25 % lower at 0.5 points lost or less (against the float network)
    d  2:4 pruning: share of zeros and size after deflate; no latency is claimed, no runtime here gains
    e  int8 in ONNX Runtime and in LiteRT, one thread: accuracy within 0.3 points, CPU time side by side
    f  exported ONNX graphs: no Transpose pairs, no BatchNormalization, not slower than tf2onnx's plain output
    g  CPU seconds of an export with its four files and all proof (processes it starts left out)

Each network is a file in `--work`, so a stopped run goes on; `--networks 20` after 10 adds ten. Part c
asks the predictor of a device, as the host's table does not hold every number of channels. Part b is about
networks under 16 kB; `--bytes 32000 65536` takes larger ones for the others.

    python benchmarks/schemes.py [--data D] [--networks N] [--epochs E] [--images I] [--work DIR] [--json OUT]
        [--bytes LEAST MOST] [--predicted-on DEVICE]
"""

from __future__ import annotations

import argparse
import json
import os
import time
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
from edgenas.export.bundle import export_bundle
from edgenas.export.manifest import Manifest
from edgenas.export.schemes import SchemePlan
from edgenas.profile.device import load_device
from edgenas.profile.scheme_latency import scheme_latency
from edgenas.profile.sources import cost_source
from edgenas.train.job import Job, run_job
from edgenas.train.recipe import Recipe
from edgenas.train.weights import load_weights
from edgenas.whole import write_whole

SEED = 41_000
SMALL_BYTES = 16_000
MOST_MACS = 2_000_000
SCHEMES = ("qat", "channel-pruning", "pruning-2x4")
CALIBRATION_IMAGES, HELD_BACK_IMAGES = 200, 5_000
INT8_LOSES, PRUNED_LOSES, RUNTIMES_DIFFER = 0.003, 0.005, 0.003
PRUNED_LATENCY, EXPORT_SECONDS = 0.75, 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=6, help="of each network's own training")
    parser.add_argument("--images", type=int, default=120_000, help="that a scheme's training sees")
    parser.add_argument("--bytes", type=int, nargs=2, default=(0, SMALL_BYTES), metavar=("LEAST", "MOST"))
    parser.add_argument("--predicted-on", default="nucleo-l4r5zi", metavar="DEVICE")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-schemes"))
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    data = load_dataset(args.data)
    sizes = "" if tuple(args.bytes) == (0, SMALL_BYTES) else "-{}-{}".format(*args.bytes)
    work = args.work / f"{data.name}-{args.epochs}-{args.images}{sizes}"
    work.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, spec in enumerate(sampled(data, args.networks, *args.bytes)):
        path = work / f"{number}.json"
        if not path.exists():
            row = measure(data, spec, number, args.epochs, args.images, work, args.predicted_on)
            write_whole(path, json.dumps(row, indent=1) + "\n", "benchmark row")
        rows.append(json.loads(path.read_text(encoding="utf-8")))
        show(rows[-1])
    document = {
        "benchmark": "schemes",
        "date": date.today().isoformat(),
        "seed": SEED,
        "data": data.name,
        "epochs": args.epochs,
        "images": args.images,
        "bytes": list(args.bytes),
        "predicted_on": args.predicted_on,
        "networks": len(rows),
        "figures": figures(
            rows, [shares(work / f"{row['network']}-schemes", args.predicted_on) for row in rows]
        ),
        "machine": {**machine(), "load_1_min": os.getloadavg()[0]},
        "versions": versions(),
        "rows": rows,
    }
    for name, value in document["figures"].items():
        print(f"{name}: {value}")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def sampled(data: Dataset, count: int, least: int, most: int) -> list[ArchSpec]:
    """The first specs of a seeded sequence with an int8 file of such a size that are not slow to train."""
    space, static = MicroSpace(data.input_shape, data.classes), StaticSource()
    found: list[ArchSpec] = []
    number = 0
    while len(found) < count:
        spec = space.sample(np.random.default_rng((SEED, number)))
        number += 1
        if spec.graph().macs <= MOST_MACS and least <= static.estimate(spec.graph()).flash_bytes <= most:
            found.append(spec)
    return found


def measure(
    data: Dataset, spec: ArchSpec, number: int, epochs: int, images: int, work: Path, device: str
) -> dict[str, Any]:
    """Train a network, export it plainly, then under the schemes."""

    def prepared(split: Split, count: int) -> tuple[np.ndarray, np.ndarray]:
        return prepare(split.x[:count], data.normalization, spec.input_shape), split.y[:count]

    weights = work / f"{number}.npz"
    train, validation = prepared(data.train, len(data.train)), prepared(data.validation, HELD_BACK_IMAGES)
    if not weights.exists():
        recipe = Recipe(epochs, len(data.train), 128 if len(data.train) > 5_000 else 64, seed=SEED + number)
        run_job(Job(spec, recipe, weights), lambda shape: (train, validation), lambda entry: None)
    given: dict[str, Any] = {
        "input_shape": spec.input_shape,
        "calibration": train[0][:CALIBRATION_IMAGES],
        "held_back": validation,
        "test": prepared(data.test, len(data.test)),
        "graph": spec.graph(),
        "train": train,
    }
    started = time.process_time()
    export_bundle(twin(spec, load_weights(weights)), out_dir=work / f"{number}-plain", **given)
    seconds = time.process_time() - started
    plan = SchemePlan(
        SCHEMES, latency=scheme_latency(load_device(device)), images=images, seed=number, keep_all=True
    )
    folder = work / f"{number}-schemes"
    manifest = export_bundle(twin(spec, load_weights(weights)), out_dir=folder, plan=plan, **given)
    return {
        "network": number,
        "arch_id": spec.arch_id,
        "input": list(spec.input_shape),
        "macs": spec.graph().macs,
        "export_cpu_seconds": round(seconds, 1),
        "adopted": manifest.scheme,
        "float_test": manifest.artifact("model.float32.tflite").accuracy["test"],
        "int8_test": manifest.artifact("model.int8.tflite").accuracy["test"],
        "int8_onnx_test": manifest.artifact("model.int8.onnx").accuracy["test"],
        "schemes": schemes(manifest),
        **latencies(folder, spec, weights),
        "onnx_graph": onnx_graph(folder / "model.float32.onnx"),
    }


def schemes(manifest: Manifest) -> dict[str, Any]:
    """Figures of each scheme, with the test accuracy of its file."""
    found = {}
    for one in manifest.schemes:
        entry = one.to_json()
        test = manifest.artifact(one.files[0]).accuracy["test"] if one.files else None
        kept = ("accuracy", "flash_bytes", "compressed_bytes", "peak_ram_bytes", "latency_ms", "reason")
        found[one.scheme] = {**{name: entry[name] for name in kept}, "test": test}
        found[one.scheme]["facts"] = {k: v for k, v in one.facts.items() if k != "layers"}
    return found


def latencies(folder: Path, spec: ArchSpec, weights: Path) -> dict[str, float]:
    """CPU milliseconds here, one thread: int8 in both runtimes, and float ONNX of two exporters.

    CPU time, as other programs that run beside lengthen any other.
    """
    import tf2onnx

    from edgenas.captured import captured
    from edgenas.export.running import load_onnx, load_tflite

    with captured():
        plain, _ = tf2onnx.convert.from_keras(twin(spec, load_weights(weights)), opset=17)
    runs = {
        "litert_int8_ms": load_tflite((folder / "model.int8.tflite").read_bytes()).run_raw,
        "onnxruntime_int8_ms": load_onnx((folder / "model.int8.onnx").read_bytes()).run_raw,
        "onnxruntime_float_ms": load_onnx((folder / "model.float32.onnx").read_bytes()).run_raw,
        "tf2onnx_float_ms": load_onnx(plain.SerializeToString()).run_raw,
    }
    images = {
        name: np.zeros((20, *spec.input_shape), np.int8 if name.startswith("litert") else np.float32)
        for name in runs
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(60):  # in turns, so that all see the same load
        for name, run in runs.items():
            started = time.process_time()
            run(images[name])
            times[name].append((time.process_time() - started) / 20 * 1e3)
    return {name: float(np.quantile(values[5:], 0.1)) for name, values in times.items()}


def onnx_graph(path: Path) -> dict[str, int]:
    """What should not be in an exported graph: batch normalizations, and two transpositions in a row."""
    import onnx

    graph = onnx.load(path).graph
    made_by = {name: node for node in graph.node for name in node.output}
    pairs = [
        node
        for node in graph.node
        if node.op_type == "Transpose" and getattr(made_by.get(node.input[0]), "op_type", "") == "Transpose"
    ]
    kinds = [node.op_type for node in graph.node]
    return {
        "batch_normalizations": kinds.count("BatchNormalization"),
        "transpose_pairs": len(pairs),
        "transposes": kinds.count("Transpose"),
        "nodes": len(kinds),
    }


def shares(folder: Path, device: str) -> float | None:
    """Predicted latency of the file with fewer channels as a share of the plain int8 file's, or None."""
    from edgenas.cli.estimate import read_model

    paths = [folder / f"model.{scheme}.tflite" for scheme in ("channel-pruning", "full-int8")]
    if not all(path.exists() for path in paths):
        return None
    source = cost_source(load_device(device))
    fewer, whole = (float(source.estimate(read_model(path).graph).latency_ms or 0.0) for path in paths)
    return fewer / whole


def figures(rows: list[dict[str, Any]], latencies: list[float | None]) -> dict[str, Any]:
    """The parts a to g over all networks, each with whether its goal is met."""
    lost = [row["float_test"] - row["int8_test"] for row in rows]
    tuned = [row["schemes"] for row in rows if row["schemes"]["qat"]["accuracy"] is not None]
    gains = [one["qat"]["accuracy"] - one["full-int8"]["accuracy"] for one in tuned]
    wrong = [
        row["network"]
        for row in rows
        if row["adopted"] == "qat"
        and row["schemes"]["qat"]["accuracy"] <= row["schemes"]["full-int8"]["accuracy"]
    ]
    cut = [row for row in rows if row["schemes"]["channel-pruning"]["test"] is not None]
    predicted = [share for share in latencies if share is not None]
    cut_lost = [row["float_test"] - row["schemes"]["channel-pruning"]["test"] for row in cut]
    runtimes = [row["int8_test"] - row["int8_onnx_test"] for row in rows]
    blocks = [row["schemes"] for row in rows if row["schemes"]["pruning-2x4"]["test"] is not None]
    slower = [row["onnxruntime_float_ms"] / row["tf2onnx_float_ms"] for row in rows]
    faults = [
        row["onnx_graph"]["batch_normalizations"] + row["onnx_graph"]["transpose_pairs"] for row in rows
    ]
    return {
        "a_points_lost": points(lost),
        "a_goal_met": max(lost) <= INT8_LOSES,
        "b_qat_minus_full_int8_points": points(gains),
        "b_adopted": [row["adopted"] for row in rows],
        "b_goal_met": not wrong and min(gains) >= 0,
        "c_latency_share": [round(share, 3) for share in predicted],
        "c_points_lost": points(cut_lost),
        "c_goal_met": max(predicted) <= PRUNED_LATENCY and max(cut_lost) <= PRUNED_LOSES,
        "d_sparsity": [round(one["pruning-2x4"]["facts"]["sparsity"], 3) for one in blocks],
        "d_zipped_share": [round(ratio(one, "pruning-2x4", "compressed_bytes"), 3) for one in blocks],
        "d_points_lost_to_full_int8": points(
            [
                one["full-int8"]["test"] - one["pruning-2x4"]["test"]
                for one in blocks
                if one["full-int8"]["test"]
            ]
        ),
        "e_litert_minus_onnxruntime_points": points(runtimes),
        "e_litert_int8_ms": [round(row["litert_int8_ms"], 4) for row in rows],
        "e_onnxruntime_int8_ms": [round(row["onnxruntime_int8_ms"], 4) for row in rows],
        "e_goal_met": max(map(abs, runtimes)) <= RUNTIMES_DIFFER,
        "f_faults": faults,
        "f_latency_against_tf2onnx": [round(ratio, 3) for ratio in slower],
        "g_export_cpu_seconds": [row["export_cpu_seconds"] for row in rows],
        "g_goal_met": max(row["export_cpu_seconds"] for row in rows) <= EXPORT_SECONDS,
    }


def ratio(tried: dict[str, Any], scheme: str, name: str) -> float:
    """A figure of a scheme against that of full int8."""
    return float(tried[scheme][name] / tried["full-int8"][name])


def points(shares: list[float]) -> list[float]:
    """Percentage points."""
    return [round(100 * share, 2) for share in shares]


def show(row: dict[str, Any]) -> None:
    """Print one network."""
    shape = "x".join(map(str, row["input"]))
    print(
        f"network {row['network']}: input {shape}, {row['macs'] / 1e6:.2f} M MACs, exported in "
        f"{row['export_cpu_seconds']} CPU s, test float {row['float_test']:.2%}, int8 {row['int8_test']:.2%} "
        f"({row['adopted']})"
    )
    for name, one in row["schemes"].items():
        if one["accuracy"] is None:
            print(f"  {name:<16} {one['reason']}")
            continue
        print(
            f"  {name:<16} validation {one['accuracy']:.2%}  test {one['test']:.2%}  "
            f"{one['flash_bytes']:>7} B  zipped {one['compressed_bytes']:>6} B"
        )


if __name__ == "__main__":
    main()
