"""How fast the live view is: `edgenas watch` with 100,000 trials, the web page with 10,000.

    python benchmarks/live.py

The runs are made up: real networks with their costs, results drawn at random. The page is loaded by a
real headless Chromium where there is one; its time is the browser's own, from the navigation to the
page filled with the run.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent.parent))

from edgenas.environment import machine, versions
from edgenas.live.following import Follower
from edgenas.live.server import LiveServer
from edgenas.live.standing import standing
from edgenas.live.terminal import READING_SECONDS, frame
from edgenas.store import Store
from tests.live.chromium import BROWSER, Chromium
from tests.live.conftest import serving
from tests.report.made_up import DESCRIPTION, made_up_result, within_budget

WATCHED, SERVED, REFRESHES, LOADS = 100_000, 10_000, 20, 7
OUT = Path(__file__).parent / "results" / "live.json"


def make_run(folder: Path, trials: int) -> Store:
    """A search that goes on, written in one go."""
    rng = np.random.default_rng(0)
    networks = within_budget(rng)
    known = [next(networks) for _ in range(300)]
    store = Store.create(folder)
    store.set_meta(
        status="searching", **{**DESCRIPTION, "config": {**DESCRIPTION["config"], "trials": trials + 99}}
    )
    rows, now = [], time.time()
    for number in range(trials):
        spec, cost = known[number % len(known)]
        result = json.dumps(made_up_result(spec, rng, 6, -0.04))
        document = cost.to_json()
        document["macs"] = int(document["macs"] * rng.uniform(0.7, 1.3))
        names = (number, f"{number:04d}", f"{spec.arch_id}{number}")
        texts = (json.dumps(spec.to_json()), json.dumps(document), "completed", result)
        rows.append((*names, *texts, now + number, now + number + 2, 1.0))
    columns = "position, trial_id, arch_id, spec, cost, status, result, started, finished, fidelity"
    with store._connection as connection:
        connection.executemany(f"INSERT INTO trials ({columns}) VALUES ({', '.join('?' * 10)})", rows)
    return store


def watched(folder: Path) -> dict[str, Any]:
    """Seconds until the first frame and of each refresh, one trial having ended in between."""
    console = Console(file=io.StringIO(), width=140, height=45, force_terminal=True)

    def draw(follower: Follower) -> float:
        started = time.perf_counter()
        follower.refresh(READING_SECONDS)
        console.print(frame(follower, standing(follower), console))
        return time.perf_counter() - started

    with make_run(folder, WATCHED) as store, Follower(folder) as follower:
        first = draw(follower)
        started = time.perf_counter()
        follower.refresh()
        caught_up = time.perf_counter() - started
        trial = store.trial("0000")
        took = []
        for number in range(WATCHED, WATCHED + REFRESHES):
            store.begin_trial(f"{number:04d}", trial.spec, trial.cost)
            store.finish_trial(f"{number:04d}", {}, trial.result or {})
            took.append(draw(follower))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "trials": WATCHED,
        "first_frame_seconds": first,
        "all_read_seconds": caught_up,
        "refresh_median_seconds": float(np.median(took)),
        "refresh_worst_seconds": max(took),
        "memory_with_making_the_run_mib": memory,
    }


def served(folder: Path, profile: Path) -> dict[str, Any] | None:
    """Seconds from navigation until the page shows the run, and what went wrong in the browser."""
    if BROWSER is None:
        return None
    took = []
    with make_run(folder, SERVED):
        for server in serving(LiveServer(folder, "127.0.0.1", 0, None)):
            with Chromium(profile) as browser:
                browser.size(1280, 900)
                for _ in range(LOADS):
                    browser.open("about:blank")
                    browser.open(server.url())
                    browser.until("document.documentElement?.dataset.shown")
                    took.append(float(browser.value("document.documentElement.dataset.shown")) / 1000)
                width = browser.value("document.documentElement.scrollWidth - innerWidth")
                troubles = list(browser.troubles)
    return {
        "trials": SERVED,
        "first_load_seconds": took[0],
        "load_median_seconds": float(np.median(took)),
        "load_worst_seconds": max(took),
        "wider_than_the_window_by": max(0, width),
        "console_errors": len(troubles),
    }


def main() -> None:
    """Print the figures and write them down."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        figures = {
            "watch": watched(Path(place) / "watched"),
            "page": served(Path(place) / "served", Path(place) / "profile"),
        }
    for name, found in figures.items():
        for key, value in (found or {"no Chromium here": ""}).items():
            print(f"{name:>6}  {key:<32} {value if isinstance(value, (int, str)) else f'{value:.3f}'}")
    OUT.write_text(json.dumps({**figures, "machine": machine(), "versions": versions()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
