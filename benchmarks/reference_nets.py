"""Networks to compare with the field's: a search, a long training of its best, an int8 file, the test set.

    python benchmarks/reference_nets.py JOB [--runs DIR] [--json OUT] [--minutes M] [--epochs N] [--seeds N]

Each job is one command that goes on where it was stopped: the search, the teacher and the training of
the winner keep what they have. The winner is chosen by validation images alone; its test accuracy is that
of the int8 file of the seed that is best on validation, and mean and spread over seeds stand beside it.

| job | budgets | goal, int8 on the test set |
|---|---|---|
| fashion-mnist | 32 KiB RAM, 64 KiB flash | 93.5 % |
| fashion-mnist-tiny | 4 KiB RAM, 8 KiB flash | 89 % |
| cifar10 | 60 kB flash, half of ResNet-8's predicted latency on NUCLEO-L4R5ZI | 87.5 % |
| cifar10-tiny | 24 KiB RAM, 24 KiB flash | 85 % |

`cifar10` takes its files from `--cifar10 FOLDER` where Keras cannot fetch them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from edgenas.arch.graph import GraphBuilder, OpGraph
from edgenas.arch.spec import ArchSpec, Block
from edgenas.environment import machine, versions
from edgenas.profile.device import load_device
from edgenas.profile.sources import cost_source

BOARD = "nucleo-l4r5zi"


@dataclass(frozen=True)
class Job:
    """One comparison.

    Attributes:
        data: Name of the data.
        goal: Accuracy of the int8 file on the test set, 0 to 1.
        search: Options of `edgenas search`.
        train: Options of `edgenas train`.
        half_of_resnet8: Whether half of ResNet-8's predicted latency on the board is a budget.
    """

    data: str
    goal: float
    search: tuple[str, ...]
    train: tuple[str, ...]
    half_of_resnet8: bool = False


_LONG = ("--distill-weight", "0.5", "--temperature", "2", "--weight-decay", "0.0005")
JOBS = {
    "fashion-mnist": Job(
        "fashion-mnist", 0.935, ("--ram-kib", "32", "--flash-kib", "64", "--minutes", "120"),
        ("--epochs", "150", *_LONG),
    ),
    "fashion-mnist-tiny": Job(
        "fashion-mnist", 0.89,
        ("--space", "tiny", "--device", BOARD, "--ram-kib", "4", "--flash-kib", "8", "--minutes", "60",
         "--epochs", "4", "--images", "20000", "--winners", "2", "--seeds", "1",
         "--shift", "0"),  # networks this small underfit
        ("--epochs", "150", "--distill-weight", "0.5", "--temperature", "2", "--shift", "0"),
    ),
    "cifar10": Job(
        "cifar10", 0.875, ("--flash-kib", "58.59", "--minutes", "240", "--device", BOARD),
        ("--epochs", "200", *_LONG), half_of_resnet8=True,
    ),
    "cifar10-tiny": Job(
        "cifar10", 0.85, ("--ram-kib", "24", "--flash-kib", "24", "--minutes", "240"),
        ("--epochs", "300", *_LONG),
    ),
}  # fmt: skip


def resnet8() -> OpGraph:
    """MLPerf Tiny's ResNet-8 for CIFAR-10 (Banbury et al. 2021), 12.5 million MACs."""
    graph, tensor = GraphBuilder((32, 32, 3)), 0

    def conv(tensor: int, filters: int, kernel: int, stride: int, activation: str) -> int:
        return graph.window(
            "conv2d", f"conv{len(graph.ops)}", tensor, filters=filters, kernel=kernel, stride=stride,
            batch_norm=True, activation=activation,
        )  # fmt: skip

    tensor = conv(tensor, 16, 3, 1, "relu")
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        inner = conv(conv(tensor, filters, 3, stride, "relu"), filters, 3, 1, "linear")
        straight = conv(tensor, filters, 1, stride, "linear") if stride > 1 else tensor
        tensor = graph.simple("add", f"add{len(graph.ops)}", straight, inner, activation="relu")
    pooled = graph.simple("global_avg_pool", "pool", tensor, out_shape=(64,))
    graph.simple("softmax", "softmax", graph.dense("dense", pooled, 10))
    return graph.finish()


def resnet8_latency_ms() -> float:
    """What the board's predictor says of it."""
    latency = cost_source(load_device(BOARD)).estimate(resnet8()).latency_ms
    assert latency is not None
    return float(latency)


def teacher_spec(channels: int, side: int) -> ArchSpec:
    """A network of blocks of space `micro`, without a budget."""
    blocks = [Block("stem", {"filters": 24, "kernel": 3, "stride": 1})]
    for filters, stride, depth in ((32, 1, 1), (64, 2, 2), (128, 2, 2)):
        for position in range(depth):
            args = {"filters": filters, "kernel": 3, "stride": stride if position == 0 else 1,
                    "expansion": 3, "skip": True}  # fmt: skip
            blocks.append(Block("mbconv", args))
    blocks.append(Block("head", {"classes": 10}))
    return ArchSpec("by hand", (side, side, channels), 10, tuple(blocks), {})


def edgenas(*words: str) -> dict[str, Any]:
    """Run one command of edgenas and read its document."""
    print("edgenas", *words, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "edgenas", *words, "--json"], stdout=subprocess.PIPE, text=True, check=True
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def searched(job: Job, folder: Path) -> dict[str, Any]:
    """The finished search of a job."""
    if (folder / "run.db").exists():
        return edgenas("resume", str(folder))
    words = [*job.search, "--data", job.data, "--out", str(folder)]
    if job.half_of_resnet8:
        words += ["--latency-ms", f"{resnet8_latency_ms() / 2:.4f}"]
    return edgenas("search", *words)


def teacher_file(job: Job, folder: Path, epochs: int) -> Path:
    """A teacher's ``.keras`` file, trained if it is not there yet."""
    path = folder / "teacher.keras"
    if path.exists():
        return path
    spec = teacher_spec(*((1, 28) if job.data.startswith("fashion") else (3, 32)))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(json.dumps(spec.to_json()))
    words = ["--epochs", str(epochs), "--weight-decay", "0.0005", "--label-smoothing", "0.1"]
    run = folder / "run"
    done = edgenas("train", str(folder / "spec.json"), "--data", job.data, "--out", str(run), *words)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras

    from edgenas.build.builder import build_model
    from edgenas.train.weights import load_weights

    model = build_model(spec, keras)
    model.set_weights(load_weights(run / "weights" / f"{done['name']}.npz"))
    model.save(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where runs are kept")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--minutes", help="time of the search instead of the job's")
    parser.add_argument("--epochs", help="epochs of the winner instead of the job's")
    parser.add_argument("--teacher-epochs", type=int, default=60, help="0: no teacher")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cifar10", help="folder of CIFAR-10's files")
    args = parser.parse_args()
    job = JOBS[args.job]
    if args.cifar10 and job.data == "cifar10":
        job = replace(job, data=f"cifar10:{args.cifar10}")
    if args.minutes:
        job = replace(job, search=(*job.search, "--minutes", args.minutes))
    if args.epochs:
        job = replace(job, train=(*job.train, "--epochs", args.epochs))
    run = searched(job, args.runs / args.job)
    best = next(winner for winner in run["winners"] if winner["best"])
    words = list(job.train)
    if args.teacher_epochs:
        teacher = teacher_file(job, args.runs / f"teacher-{job.data.split(':')[0]}", args.teacher_epochs)
        words += ["--distill", str(teacher)]
    else:
        words = [word for k, word in enumerate(words) if not _teaches(words, k)]
    trained = edgenas("train", run["run"], "--trial", best["trial"], "--seeds", str(args.seeds), *words)
    document = figures(args.job, job, run, best, trained)
    print(json.dumps(document, indent=1))
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _teaches(words: list[str], position: int) -> bool:
    """Whether a word belongs to an option that needs a teacher."""
    options = ("--distill-weight", "--temperature")
    return words[position] in options or (position > 0 and words[position - 1] in options)


def figures(
    name: str, job: Job, run: dict[str, Any], best: dict[str, Any], trained: dict[str, Any]
) -> dict[str, Any]:
    """What came out, with everything that is needed to say so."""
    cost = trained["cost"]
    shown = (
        "mean_val_accuracy", "std_val_accuracy", "mean_test_accuracy", "std_test_accuracy",
        "int8_val_accuracy", "int8_test_accuracy", "recipe", "seeds",
    )  # fmt: skip
    return {
        "benchmark": f"reference_nets {name}",
        "date": date.today().isoformat(),
        "goal": job.goal,
        "reached": trained["int8_test_accuracy"] >= job.goal,
        **{key: trained[key] for key in shown},
        "taught": bool(trained["teachers"]),
        "trial": best["trial"],
        "arch_id": best["arch_id"],
        "choices": best["choices"],
        "search_trials": run["trials"],
        "search_seconds": run["seconds"],
        **{key: cost[key] for key in ("latency_ms", "peak_ram_bytes", "flash_bytes", "macs", "params")},
        "device": cost["device"],
        **({"resnet8_latency_ms": resnet8_latency_ms()} if job.half_of_resnet8 else {}),
        "machine": machine(),
        "versions": versions(),
    }


if __name__ == "__main__":
    main()
