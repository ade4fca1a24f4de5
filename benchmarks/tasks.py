"""Each task: the network that a search chose, int8 and float, beside scikit-learn on the same splits.

    python benchmarks/tasks.py [--trials 12] [--tasks regression,anomaly] [--runs DIR] [--json OUT]

Networks come from space `dense` for NUCLEO-L4R5ZI (MACs and flash on the front), and are chosen on validation
data; baselines have scikit-learn's defaults. Both learn the same training split and meet the test split once.
A run that was cut off goes on when the same command is given again with --runs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, roc_auc_score, root_mean_squared_error
from sklearn.preprocessing import StandardScaler

from edgenas.data import Dataset, load_dataset
from edgenas.environment import machine, versions

MIDDLE = 8
"""Components that the PCA keeps: as many as the narrowest part of MLPerf Tiny's autoencoder."""

JOBS: dict[str, list[str]] = {
    "classification": ["--data", "digits"],
    "regression": ["--data", "diabetes"],
    "anomaly": ["--data", "digits", "--task", "anomaly", "--anomalous", "9"],
}


def flat(split: Any) -> np.ndarray:
    return np.asarray(split.x, np.float64).reshape(len(split), -1)


def by_classes(data: Dataset, seed: int) -> dict[str, float]:
    models = {
        "logistic regression": LogisticRegression(max_iter=2000),
        "random forest": RandomForestClassifier(random_state=seed),
    }
    scaler = StandardScaler().fit(flat(data.train))
    x, test = scaler.transform(flat(data.train)), scaler.transform(flat(data.test))
    return {
        name: float(accuracy_score(data.test.y, model.fit(x, data.train.y).predict(test)))
        for name, model in models.items()
    }


def by_targets(data: Dataset, seed: int) -> dict[str, float]:
    models = {
        "ridge regression": RidgeCV(np.logspace(-3, 3, 13)),
        "random forest": RandomForestRegressor(random_state=seed),
    }
    x, y, test = flat(data.train), data.train.y[:, 0], flat(data.test)
    found = {
        name: float(root_mean_squared_error(data.test.y[:, 0], model.fit(x, y).predict(test)))
        for name, model in models.items()
    }
    mean = np.full(len(data.test), y.mean())
    return {"always the mean": float(root_mean_squared_error(data.test.y[:, 0], mean)), **found}


def by_normal(data: Dataset, seed: int) -> dict[str, float]:
    x, test = flat(data.train), flat(data.test)
    forest = IsolationForest(random_state=seed).fit(x)
    pca = PCA(MIDDLE).fit(x)
    lost = np.mean((test - pca.inverse_transform(pca.transform(test))) ** 2, axis=1)
    return {
        "isolation forest": float(roc_auc_score(data.test.y, -forest.score_samples(test))),
        f"PCA reconstruction, {MIDDLE} components": float(roc_auc_score(data.test.y, lost)),
    }


BASELINES: dict[str, Callable[[Dataset, int], dict[str, float]]] = {
    "classification": by_classes,
    "regression": by_targets,
    "anomaly": by_normal,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default=",".join(JOBS))
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--more", default="", help="further options of 'edgenas search'")
    parser.add_argument("--runs", type=Path, help="folder that keeps the runs (default: a temporary one)")
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    root = args.runs or Path(tempfile.mkdtemp())
    rows = [row_of(task, root, args) for task in args.tasks.split(",")]
    for row in rows:
        print(f"{row['task']} ({row['metric']} on test): {row['command']}")
        for name, value in {**row["network"], **row["baselines"]}.items():
            print(f"  {name:36} {value if isinstance(value, str) else f'{value:.4g}'}")
    if args.json:
        document = {"benchmark": "tasks", "date": date.today().isoformat(), "seed": args.seed, "rows": rows,
                    "machine": machine(), "versions": versions()}  # fmt: skip
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def row_of(task: str, root: Path, args: argparse.Namespace) -> dict[str, Any]:
    """A search and the baselines of one task."""
    folder = root / f"{task}-{args.seed}"
    words = ["search", *JOBS[task], "--space", "dense", "--device", "nucleo-l4r5zi", "--seeds", "1"]
    words += ["--trials", str(args.trials), "--seed", str(args.seed), *args.more.split()]
    given = ["resume", str(folder)] if (folder / "run.db").exists() else [*words, "--out", str(folder)]
    command = [sys.executable, "-m", "edgenas", *given, "--json"]
    document = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    best, metric = next(one for one in document["winners"] if one["best"]), document["metric"]
    files = {entry["file"]: entry for entry in best["files"]}
    anomalous = ("9",) if task == "anomaly" else ()
    data = load_dataset(JOBS[task][1], seed=args.seed, anomalous=anomalous)
    floats = files["model.float32.tflite"]
    float_test = floats["accuracy"].get("test", floats.get("metrics", {}).get("test", {}).get(metric))
    low, high = best["int8_test_interval"]
    return {
        "task": task,
        "metric": metric,
        "command": " ".join(["edgenas", *words]),
        "network": {
            "network, int8": best[f"int8_test_{metric}"],
            "95 % interval of that": f"{low:.4g} to {high:.4g}",
            "network, float": float_test,
            "flash_bytes": best["cost"]["flash_bytes"],
            "peak_ram_bytes": best["cost"]["peak_ram_bytes"],
            "macs": best["cost"]["macs"],
        },
        "baselines": BASELINES[task](data, args.seed),
    }


if __name__ == "__main__":
    main()
