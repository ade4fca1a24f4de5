"""Injects faults into one search on a Ray cluster and compares it with an undisturbed one (`make faults`).

A real command line searches digits for 40 short trials on a cluster of three raylets, while 20 worker
processes, 5 times the search itself and 2 raylets are killed with SIGKILL at moments spread over the run.
Killed are in turn: the process that trains, the training process that forked it, and Ray's own worker.
Each killed search goes on with ``edgenas resume``; each lost raylet is replaced by a new one.

    python benchmarks/faults.py [--trials 40] [--out benchmarks/results/faults.json]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from ray.cluster_utils import Cluster

from edgenas.environment import machine, versions
from edgenas.errors import StoreError
from edgenas.records import TrialRecord
from edgenas.store import Store

WORKER_KILLS, SEARCH_KILLS, LOST_RAYLETS = 20, 5, 2
KINDS = ("the process that trains", "its training process", "Ray's worker")
SHORT = ("--epochs", "2", "--images", "640", "--winners", "1", "--final-epochs", "1", "--ram-kib", "48")


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "edgenas", *words]


@dataclass
class Campaign:
    """A cluster, a search on it, and what was done to them."""

    folder: Path
    trials: int
    cluster: Any = None
    search: subprocess.Popen[bytes] | None = None
    done: list[str] = field(default_factory=list)
    finished_at_kill: dict[str, Any] = field(default_factory=dict)

    def begin(self) -> None:
        """Start cluster and search."""
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        for _ in range(2):
            self.cluster.add_node(num_cpus=1)
        self.cluster.wait_for_nodes()
        words = ("search", "--data", "digits", "--trials", str(self.trials), "--workers", "2", *SHORT)
        self._start(*words, "--executor", "ray", "--address", self.cluster.address, "--out", str(self.folder))

    def _start(self, *words: str) -> None:
        log = (self.folder.parent / "search.log").open("ab")
        self.search = subprocess.Popen(command(*words), stdout=log, stderr=log)

    def finished(self) -> dict[str, TrialRecord]:
        """Trials that have ended."""
        try:
            with Store.read(self.folder) as store:
                return {trial.trial_id: trial for trial in store.trials() if trial.status != "running"}
        except StoreError:
            return {}

    def processes(self, kind: str) -> list[psutil.Process]:
        """Processes of a kind on the nodes of the cluster."""
        found = []
        for node in self.cluster.list_all_nodes():
            raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
            for process in raylet.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    words, parent = " ".join(process.cmdline()), " ".join(process.parent().cmdline())
                    is_forked = "edgenas.train.worker" in words and "edgenas.train.worker" in parent
                    is_training = "edgenas.train.worker" in words and not is_forked
                    is_ray = words.startswith("ray::train_here")
                    if {KINDS[0]: is_forked, KINDS[1]: is_training, KINDS[2]: is_ray}[kind]:
                        found.append(process)
        return found

    def kill_worker(self, kind: str) -> None:
        """Kill a process of a kind, waiting until there is one."""
        deadline = time.monotonic() + 120
        while not (victims := self.processes(kind)):
            if time.monotonic() > deadline:
                raise SystemExit(f"there was no process to kill: {kind}")
            time.sleep(0.1)
        time.sleep(random.uniform(0, 1.0))
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
                return
        self.kill_worker(kind)

    def kill_search(self) -> None:
        """Kill the search, note what was finished, and resume it."""
        assert self.search is not None
        self.search.kill()
        self.search.wait()
        for name, trial in self.finished().items():
            if trial.result is not None:
                self.finished_at_kill.setdefault(name, trial.result)
        self._start("resume", str(self.folder))

    def lose_raylet(self) -> None:
        """Kill a node and start another."""
        lost = self.cluster.list_all_nodes()[-1]
        self.cluster.remove_node(lost, allow_graceful=False)
        self.cluster.add_node(num_cpus=1)

    def inject(self, what: str) -> None:
        """Inject one fault and print a line."""
        if what in KINDS:
            self.kill_worker(what)
        elif what == "search":
            self.kill_search()
        else:
            self.lose_raylet()
        self.done.append(what)
        print(f"{len(self.done):3}  after {len(self.finished()):2} trials  killed: {what}", flush=True)

    def run(self, faults: list[str]) -> None:
        """Spread the faults over the trials, then wait for the end."""
        assert self.search is not None
        for number, what in enumerate(faults):
            threshold = (number + 1) * (self.trials - 2) // (len(faults) + 1)
            while len(self.finished()) < threshold:
                if self.search.poll() is not None:
                    raise SystemExit(f"the search ended: {(self.folder.parent / 'search.log').read_text()}")
                time.sleep(0.2)
            self.inject(what)
        while self.search.poll() is None:
            time.sleep(0.5)


def schedule() -> list[str]:
    """All faults in a random but fixed order."""
    faults = [KINDS[number % 3] for number in range(WORKER_KILLS)]
    faults += ["search"] * SEARCH_KILLS + ["raylet"] * LOST_RAYLETS
    random.Random(0).shuffle(faults)
    return faults


def front(trials: dict[str, TrialRecord]) -> list[tuple[str, float, float]]:
    """Trials that no other one beats in error and latency."""
    points = {
        name: (float(trial.val_error or 0.0), float(trial.cost.latency_ms or 0.0))
        for name, trial in trials.items()
        if trial.status == "completed"
    }
    return [
        (name, *point)
        for name, point in sorted(points.items())
        if not any(
            other != point and other[0] <= point[0] and other[1] <= point[1] for other in points.values()
        )
    ]


def undisturbed(folder: Path, trials: int) -> dict[str, TrialRecord]:
    words = ("search", "--data", "digits", "--trials", str(trials), "--workers", "2", *SHORT)
    subprocess.run(command(*words, "--out", str(folder)), check=True, capture_output=True)
    with Store.read(folder) as store:
        return {trial.trial_id: trial for trial in store.trials()}


def compare(campaign: Campaign, whole: dict[str, TrialRecord]) -> dict[str, Any]:
    with Store.read(campaign.folder) as store:
        broken = {trial.trial_id: trial for trial in store.trials()}
    kept = {name: broken[name].result for name in campaign.finished_at_kill}
    same = [
        name
        for name in whole
        if name in broken
        and broken[name].spec.arch_id == whole[name].spec.arch_id
        and broken[name].val_error == whole[name].val_error
    ]
    return {
        "trials": len(broken),
        "failed": sum(trial.status == "failed" for trial in broken.values()),
        "unfinished": sum(trial.status == "running" for trial in broken.values()),
        "finished before a kill of the search": len(kept),
        "of them kept unchanged": sum(kept[name] == campaign.finished_at_kill[name] for name in kept),
        "counted twice": len(broken) - len({trial.spec.arch_id for trial in broken.values()}),
        "same as undisturbed": len(same),
        "same front": front(broken) == front(whole),
        "front": front(broken),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    random.seed(0)
    with tempfile.TemporaryDirectory() as name:
        campaign = Campaign(Path(name) / "broken", options.trials)
        started = time.monotonic()
        campaign.begin()
        try:
            campaign.run(schedule())
        finally:
            if campaign.search is not None:
                campaign.search.kill()
            campaign.cluster.shutdown()
        disturbed_seconds = time.monotonic() - started
        print((Path(name) / "search.log").read_text()[-1500:])
        started = time.monotonic()
        whole = undisturbed(Path(name) / "whole", options.trials)
        result = {
            "workers killed": sum(what in KINDS for what in campaign.done),
            "searches killed": campaign.done.count("search"),
            "raylets lost": campaign.done.count("raylet"),
            **compare(campaign, whole),
            "seconds": round(disturbed_seconds),
            "seconds undisturbed": round(time.monotonic() - started),
        }
    for key, value in result.items():
        print(f"{key:40} {value}")
    document = {**result, "machine": machine(), "versions": versions()}
    if options.out:
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    good = result["same front"] and not result["counted twice"] and not result["unfinished"]
    sys.exit(
        not (good and result["of them kept unchanged"] == result["finished before a kill of the search"])
    )


if __name__ == "__main__":
    main()
