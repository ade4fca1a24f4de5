"""How well do training-free proxies rank networks? Beside MACs, parameters and the published figures.

    python benchmarks/proxies.py --work DIR --table nb201_cifar10.npz --data cifar10[:FOLDER]
        [--networks 150 --batch 32 --seed 0 --json OUT]
    python benchmarks/proxies.py --work DIR --trained FOLDER --data fashion-mnist [--json OUT]

With a table of NAS-Bench-201 (Dong and Yang 2020; columns ``ops``, ``acc``, ``acc_names``), cells are drawn
at random, built as the paper builds them (16 channels, 5 cells a stage), scored by every registered proxy
on one batch, and ranked against the test accuracy after 200 epochs. With ``--trained`` the networks are
those of a folder: a run folder of edgenas, or JSON files with ``spec`` and ``val_accuracy``.

A score that is in ``--work`` already is not made again, so the benchmark can be stopped and resumed.
Seconds are processor seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau, spearmanr

from edgenas.arch.spaces.cell import EDGE_NAMES, CellSpace
from edgenas.arch.spec import ArchSpec
from edgenas.data.load import load_dataset
from edgenas.data.resize import prepare
from edgenas.environment import machine, versions
from edgenas.oneshot.proxies import BATCH, PROXIES, Probe
from edgenas.store import Store

OPERATIONS = ("none", "skip", "conv1x1", "conv3x3", "avgpool")
ACCURACY = "cifar10_test_e200"
RESAMPLED = 1000

PUBLISHED = {
    "what": "NAS-Bench-201, CIFAR-10, all 15,625 cells",
    "spearman": {
        "source": "grad_norm and synflow: Abdelfattah et al. 2021, Zero-Cost Proxies for Lightweight NAS; "
        "macs (FLOPs) and params: Akhauri et al. 2022, EZNAS, which repeats the former",
        "grad_norm": 0.58, "synflow": 0.74, "macs": 0.75, "params": 0.75,
    },
    "kendall": {
        "source": "naswot (Mellor et al. 2021), macs (FLOPs) and params: Akhauri et al. 2022, EZNAS",
        "naswot": 0.57, "macs": 0.56, "params": 0.56,
    },
}  # fmt: skip
"""Figures of the papers; of zen there is none for this space in either."""


@dataclass(frozen=True)
class Trained:
    """A network and what it came to; ``name`` tells it from the others."""

    name: str
    spec: ArchSpec
    accuracy: float


def main() -> None:
    args = parse()
    args.work.mkdir(parents=True, exist_ok=True)
    networks = list(from_table(args) if args.table else from_folder(args.trained))
    scores = score_all(networks, args)
    done = [network for network in networks if network.name in scores]
    document = {
        "benchmark": "proxies",
        "date": date.today().isoformat(),
        "networks": "cells of NAS-Bench-201, 16 channels, 5 cells a stage" if args.table else "trained here",
        "accuracy": f"{ACCURACY} of {args.table.name}" if args.table else "validation, as trained",
        "data": args.data.split(":")[0],
        "count": len(done), "batch": args.batch, "seed": args.seed,
        "proxies": {name: judged(name, done, scores, args.seed) for name in PROXIES.names()},
        **({"published": PUBLISHED} if args.table else {}),
        "machine": machine(),
        "versions": versions(),
    }  # fmt: skip
    show(document)
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="keeps the scores")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--table", type=Path)
    what.add_argument("--trained", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--networks", type=int, default=150)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--begin", type=int, default=0, help="network to begin with, for several processes")
    parser.add_argument("--no-more", action="store_true", help="report what is scored already")
    return parser.parse_args()


def from_table(args: argparse.Namespace) -> Iterator[Trained]:
    """Random cells of the table as networks of the space `cell`; of equal networks the first one."""
    with np.load(args.table) as file:
        cells = file["ops"].astype(int)
        accuracies = file["acc"][:, list(map(str, file["acc_names"])).index(ACCURACY)] / 100
    space, known = CellSpace((32, 32, 3), 10), set()
    for row in np.random.default_rng(args.seed).permutation(len(cells)):
        choices = dict(zip(EDGE_NAMES, (OPERATIONS[code] for code in cells[row]), strict=True))
        spec = space.from_choices({**choices, "channels": 16, "cells": 5})
        if spec.arch_id not in known and len(known) < args.networks:
            known.add(spec.arch_id)
            yield Trained(str(row), spec, float(accuracies[row]))


def from_folder(folder: Path) -> Iterator[Trained]:
    """The networks of a run of edgenas, or of a folder of JSON files."""
    if (folder / "run.db").exists():
        with Store.read(folder) as store:
            for trial in store.outcomes():
                if trial.status == "completed" and trial.fidelity == 1 and trial.val_error is not None:
                    yield Trained(trial.trial_id, trial.spec, 1 - trial.val_error)
        return
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        if "spec" in document and "val_accuracy" in document:
            yield Trained(path.stem, ArchSpec.from_json(document["spec"]), float(document["val_accuracy"]))


def score_all(networks: list[Trained], args: argparse.Namespace) -> dict[str, Any]:
    """Scores and processor seconds of each network by each proxy, those made before included."""
    path = args.work / f"scores-{args.data.split(':')[0]}-{args.batch}-{args.seed}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    scores = {entry["name"]: entry["scores"] for entry in map(json.loads, lines)}
    turned = [] if args.no_more else networks[args.begin :] + networks[: args.begin]
    waiting = [network for network in turned if network.name not in scores]
    if not waiting:
        return scores
    dataset = load_dataset(args.data, seed=args.seed)
    chosen = np.sort(np.random.default_rng(args.seed).permutation(len(dataset.train))[: args.batch])
    with path.open("a", encoding="utf-8") as file:
        for network in waiting:
            images = prepare(dataset.train.x[chosen], dataset.normalization, network.spec.input_shape)
            probe = Probe(network.spec, images, dataset.train.y[chosen], args.seed, dataset.task)
            scores[network.name] = {name: timed(name, probe) for name in PROXIES.names()}
            file.write(json.dumps({"name": network.name, "scores": scores[network.name]}) + "\n")
            file.flush()
    return scores


def timed(name: str, probe: Probe) -> tuple[float, float]:
    """A score, and the processor seconds that it took (the first to need the model builds it)."""
    started = time.process_time()
    score = PROXIES.get(name).score(probe)
    return score, time.process_time() - started


def judged(name: str, networks: list[Trained], scores: dict[str, Any], seed: int) -> dict[str, Any]:
    """Rank correlations of a proxy with accuracy, with 95 % intervals over resampled networks."""
    values = np.array([scores[network.name][name][0] for network in networks])
    accuracies = np.array([network.accuracy for network in networks])
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for what, correlate in (("spearman", spearmanr), ("kendall", kendalltau)):
        drawn = [rng.integers(len(values), size=len(values)) for _ in range(RESAMPLED)]
        again = [correlate(values[rows], accuracies[rows]).statistic for rows in drawn]
        found[what] = round(float(correlate(values, accuracies).statistic), 3)
        found[f"{what}_interval"] = [round(float(q), 3) for q in np.nanquantile(again, (0.025, 0.975))]
    seconds = [scores[network.name][name][1] for network in networks]
    return {**found, "cpu_seconds_median": round(float(np.median(seconds)), 3)}


def show(document: dict[str, Any]) -> None:
    published = document.get("published", {})
    print(f"{document['count']} networks: {document['networks']}, batch of {document['batch']}")
    for name, found in document["proxies"].items():
        low, high = found["spearman_interval"]
        known = [what for what in ("spearman", "kendall") if name in published.get(what, {})]
        print(
            f"{name:10} Spearman {found['spearman']:+.2f} ({low:+.2f} to {high:+.2f})  "
            f"Kendall {found['kendall']:+.2f}  {found['cpu_seconds_median']:.2f} CPU s  "
            + ", ".join(f"published {what} {published[what][name]}" for what in known)
        )


if __name__ == "__main__":
    main()
