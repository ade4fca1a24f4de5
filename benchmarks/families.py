"""All families of search on one chart: accuracy over predicted latency, and over the CPU time spent.

    python benchmarks/families.py [--data digits] [--only NAME ...] [--work DIR] [--json OUT] [--svg OUT]

Each family does the main job with the same data, budgets, final trainings and number of winners, in a
process of its own. Its cost is the CPU time of that process and all its children until the search ends,
preparation (a supernet, learned probabilities) included; final trainings and export are left out, as they
are the same for all. What counts is the winners' accuracy in float on validation images, after their final
training. A finished family is a file in ``--work``, so a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.environment import machine, versions
from edgenas.report.axes import Frame, Scale, draw_x_axis, draw_y_axis, scale_for

FAMILIES: dict[str, dict[str, Any]] = {
    "random": {"searcher": "random"},
    "evolutionary": {"searcher": "regularized-evolution"},
    "evolutionary, inherited": {"searcher": "regularized-evolution", "inherit": 0.5},
    "reinforcement": {"searcher": "reinforce"},
    "Bayesian (front)": {"searcher": "front"},
    "one-shot": {"searcher": "one-shot", "trials": 100},
    "gradient": {"searcher": "gradient", "trials": None},
}
"""Settings of each; without ``trials`` a family says itself how many candidates it trains."""

COLOURS = ("#6b7280", "#b45309", "#d97706", "#7c3aed", "#0f766e", "#dc2626", "#1d4ed8")
COMMON = {"ram_kib": 32, "flash_kib": 32, "seeds": 1, "winners": 4, "final_epochs": 30, "workers": 2}
STYLE = (
    "text{font:12px sans-serif;fill:#374151}.title{font-weight:600}.axis{stroke:#9ca3af}.grid{stroke:#e5e7eb}"
)


class SearchClock:
    """A listener that notes the CPU time when the search has ended."""

    def __init__(self) -> None:
        self.cpu_seconds: float | None = None

    def stage_began(self, name: str, total: int | None, seconds: float | None) -> None:
        """The first stage is the search; all of its processes have ended when the next one begins."""
        if name != "search" and self.cpu_seconds is None:
            self.cpu_seconds = cpu_seconds()

    def trial_began(self, record: Any) -> None:
        """Nothing."""

    def epoch_ended(self, entry: Mapping[str, Any]) -> None:
        """Nothing."""

    def trial_ended(self, record: Any, refused: int) -> None:
        """Nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="digits")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-families"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measured_here(json.loads(args.measure))))
        return
    args.work.mkdir(parents=True, exist_ok=True)
    rows = [row_of(name, args) for name in args.only]
    for row, share in zip(rows, volumes(rows), strict=True):
        row["hypervolume_share"] = round(share, 4)
        print(
            f"{row['family']:24} {row['search_cpu_seconds']:6.0f} CPU s  {100 * share:5.1f} % of all "
            f"hypervolume, best {100 * max(w['val_accuracy'] for w in row['winners']):.2f} %"
        )
    document = {
        "benchmark": "families", "date": date.today().isoformat(), "data": args.data, "seed": args.seed,
        "trials": args.trials, "families": rows, "machine": machine(), "versions": versions(),
    }  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if args.svg:
        args.svg.write_text(chart(rows, args.data), encoding="utf-8")


def row_of(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """The figures of one family, measured unless they are there."""
    own = f"{name.replace(' ', '-')}-{args.data.split(':')[0]}-{args.trials}-{args.seed}"
    path, folder = args.work / f"{own}.json", args.work / own
    if not path.exists():
        shutil.rmtree(folder, ignore_errors=True)  # half a search, whose CPU time nobody knows
        settings = {
            **COMMON, "trials": args.trials, **FAMILIES[name], "data": args.data, "seed": args.seed,
            "out": str(folder),
        }  # fmt: skip
        command = [sys.executable, __file__, "--measure", json.dumps(settings)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        row = {
            "family": name,
            "settings": settings | {"out": None},
            **json.loads(done.stdout.splitlines()[-1]),
        }
        path.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def measured_here(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Do the main job in this process."""
    from edgenas.config import config_from
    from edgenas.pipeline import start
    from edgenas.report import summarize
    from edgenas.store import Store

    clock = SearchClock()
    with Store.read(start(config_from(settings), clock)) as store:
        run = summarize(store)
    return {
        "trials": run["trials"],
        "search_cpu_seconds": round(clock.cpu_seconds or 0.0, 1),
        "cpu_seconds": round(cpu_seconds(), 1),
        "winners": [
            {
                "trial": winner["trial"], "latency_ms": winner["cost"]["latency_ms"],
                "val_accuracy": winner["float_val_accuracy"],
                "int8_val_accuracy": winner["int8_val_accuracy"],
            }
            for winner in run["winners"]
        ],
        "load_1_min": os.getloadavg()[0],
    }  # fmt: skip


def cpu_seconds() -> float:
    """Processor seconds of this process and of all its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def points_of(row: Mapping[str, Any]) -> np.ndarray:
    """(validation error, log10 of the latency in ms) of each winner, shape (n, 2)."""
    return np.array([(1 - one["val_accuracy"], np.log10(one["latency_ms"])) for one in row["winners"]])


def volumes(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Hypervolume of each family's winners over that of all winners together."""
    from edgenas.search.pareto import hypervolume

    points = [points_of(row) for row in rows]
    together = np.concatenate(points)
    reference = np.array([together[:, 0].max() * 1.1, together[:, 1].max() + 0.05])
    whole = hypervolume(together, reference)
    return [float(hypervolume(own, reference) / whole) for own in points]


def chart(rows: Sequence[Mapping[str, Any]], data: str) -> str:
    """Two drawings side by side as one SVG file."""
    frame = Frame(470, 330, left=60, right=16, top=34, bottom=50)
    width = 2 * frame.width + 170
    legend = "".join(
        f'<circle cx="{2 * frame.width + 8}" cy="{46 + 22 * k}" r="5" fill="{COLOURS[k]}"/>'
        f'<text x="{2 * frame.width + 20}" y="{50 + 22 * k}">{row["family"]}</text>'
        for k, row in enumerate(rows)
    )
    right = f'<g transform="translate({frame.width} 0)">{_costs(rows, frame)}</g>'
    body = f"<g>{_fronts(rows, frame)}</g>{right}{legend}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {frame.height:g}" width="{width:g}" '
        f'height="{frame.height:g}" role="img" aria-label="families of search on {data}">'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="white"/>{body}</svg>\n'
    )


def _fronts(rows: Sequence[Mapping[str, Any]], frame: Frame) -> str:
    """Each family's winners, accuracy over latency, joined from cheap to dear."""
    latencies = [1e3 * one["latency_ms"] for row in rows for one in row["winners"]]
    accuracies = [100 * one["val_accuracy"] for row in rows for one in row["winners"]]
    x = scale_for(latencies, *frame.x_range, log=True)
    y = scale_for(accuracies, *frame.y_range)
    lines = []
    for colour, row in zip(COLOURS, rows, strict=False):
        winners = sorted(row["winners"], key=lambda one: float(one["latency_ms"]))
        places = [(x(1e3 * one["latency_ms"]), y(100 * one["val_accuracy"])) for one in winners]
        lines.append(_line(places, colour))
    return _axes(frame, x, y, "accuracy of the winners", "predicted latency, µs", " %") + "".join(lines)


def _costs(rows: Sequence[Mapping[str, Any]], frame: Frame) -> str:
    """Each family's share of the hypervolume over what its search cost."""
    x = scale_for([row["search_cpu_seconds"] for row in rows], *frame.x_range, log=True)
    y = scale_for([100 * row["hypervolume_share"] for row in rows], *frame.y_range)
    dots = [
        _line([(x(row["search_cpu_seconds"]), y(100 * row["hypervolume_share"]))], colour)
        for colour, row in zip(COLOURS, rows, strict=False)
    ]
    title = "share of the hypervolume of all winners"
    return _axes(frame, x, y, title, "CPU seconds of the search", " %") + "".join(dots)


def _axes(frame: Frame, x: Scale, y: Scale, title: str, below: str, unit: str) -> str:
    heading = f'<text class="title" x="{frame.left:g}" y="18">{title}</text>'
    return heading + draw_y_axis(frame, y, 6, unit) + draw_x_axis(frame, x, below, 6)


def _line(places: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{a:g},{b:g}" for a, b in places)
    dots = "".join(f'<circle cx="{a:g}" cy="{b:g}" r="4.5" fill="{colour}"/>' for a, b in places)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-opacity="0.5"/>{dots}'


if __name__ == "__main__":
    main()
