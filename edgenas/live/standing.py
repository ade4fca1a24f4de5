"""How a run stands: what the terminal and the web page say of it, as plain data."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.config import usual_trials
from edgenas.live.following import Follower
from edgenas.lock import FolderLock
from edgenas.report.judged import judged_by
from edgenas.search.objective import COST_METRICS

RECENT = 20
"""Ended trials that the time left is reckoned from."""

LAST_TRIALS = 20
LOG_LINES = 30
_LOG_BYTES = 16 * 1024
FRONT_ROWS = 40


def standing(follower: Follower) -> dict[str, Any]:
    """The state of a run.

    Args:
        follower: Refreshed before.

    Returns:
        ``run, version, complete, status, process, data, device, space, objectives, budgets, task, metric,
        counts, judged, refusals, elapsed_seconds, left, workers, running, last, front, winners,
        final_trainings, device_queue,
        log``. None or empty where not known. Costs stand by the names of `COST_METRICS`; figures
        (``val``) are those of the task, as they are and in words.
    """
    meta, config = follower.meta, follower.meta["config"] or {}
    counts = {
        name: len(follower.trials.of_status(name)) for name in ("running", "completed", "failed", "stopped")
    }
    planned, ended, failed = follower.final
    return {
        "run": str(follower.folder),
        "version": follower.version,
        "complete": follower.complete,
        "status": meta["status"] or "unknown",
        "process": writer_of(follower.folder),
        "data": (meta["data"] or {}).get("name"),
        "device": (meta["device"] or {}).get("name"),
        "space": meta["space"],
        "objectives": list(follower.objectives),
        "budgets": meta["constraints"] or [],
        "task": follower.task.name,
        "metric": follower.task.metric,
        "label": follower.task.label,
        "counts": {**counts, "trained": len(follower.trained), "refused": sum(follower.refusals.values())},
        "judged": judged_by(meta).verb,
        "refusals": follower.refusals,
        "trial_limit": trial_limit(config),
        "elapsed_seconds": meta["elapsed_seconds"],
        "left": time_left(follower),
        "workers": config.get("workers"),
        "executor": config.get("executor") or "local",
        "running": [trial_entry(follower, int(row)) for row in follower.trials.of_status("running")],
        "last": [trial_entry(follower, row) for row in last_ended(follower, LAST_TRIALS)],
        "front": [trial_entry(follower, int(row)) for row in most_accurate_of_front(follower)],
        "winners": winners(follower),
        "final_trainings": {"planned": planned, "ended": ended, "failed": failed},
        "device_queue": device_queue(follower),
        "log": log_tail(follower.folder),
    }


def trial_limit(config: Mapping[str, Any]) -> int | None:
    """Trials that the search is to train, or None where only time ends it."""
    if not config:
        return None
    usual = usual_trials(config.get("searcher"), config.get("supernet"))
    return config.get("trials") or (None if config.get("minutes") else usual)


def trial_entry(follower: Follower, row: int) -> dict[str, Any]:
    """One trial as plain data."""
    trials, task = follower.trials, follower.task
    value = float(trials.figure[row])
    started, ended = trials.times[row]
    return {
        "trial": trials.ids[row],
        "status": trials.status_of(row),
        "reason": trials.reasons.get(row),
        "val": None if isnan(value) else value,
        "val_words": "" if isnan(value) else task.format(value),
        "fidelity": float(trials.fidelity[row]),
        "row": row,
        "started": float(started),
        "seconds": None if isnan(ended) else float(ended - started),
        **{
            name: None if isnan(cost) else float(cost)
            for name, cost in zip(COST_METRICS, trials.costs[row], strict=True)
        },
    }


def last_ended(follower: Follower, number: int, before: int | None = None) -> list[int]:
    """Rows of the trials that began last, those in training left out, the newest first.

    Args:
        before: Only rows below this one.
    """
    ended = np.flatnonzero(follower.trials.status[:before] != 0)
    return [int(row) for row in ended[::-1][:number]]


def most_accurate_of_front(follower: Follower) -> np.ndarray:
    """The rows of the front, the cheapest first; of a very long one an even choice."""
    front = follower.front()
    if len(front) <= FRONT_ROWS:
        return front
    return np.asarray(front[np.linspace(0, len(front) - 1, FRONT_ROWS).round().astype(int)])


def winners(follower: Follower) -> list[dict[str, Any]]:
    """The short list as plain data."""
    finals, task = follower.finals(), follower.task
    return [
        {
            "trial": winner.trial_id,
            "why": winner.why,
            "dropped": winner.reason,
            "val_words": task.format(finals[winner.trial_id]) if winner.trial_id in finals else "",
            "files": winner.manifest is not None,
        }
        for winner in follower.winners
    ]


def device_queue(follower: Follower) -> dict[str, Any] | None:
    """Which winner is being measured on the device, and which wait for it; None where nothing is.

    Returns:
        ``device``, ``runtime``, ``at`` (the trial that is there), ``waiting`` (those behind it) and
        ``measured``, how many are done.
    """
    queue, folder = follower.meta["measuring"], follower.folder
    if not queue or queue["process"] != writer_of(folder)["id"] or not FolderLock.is_held(folder):
        return None  # what a killed process left behind
    return {name: queue[name] for name in ("device", "runtime", "at", "waiting", "measured")}


def time_left(follower: Follower) -> dict[str, Any]:
    """How long the run will take from here.

    Returns:
        ``seconds`` (None where nobody can say), ``of`` what is meant (``search`` or ``run``), and
        ``basis``, what the figure rests on.
    """
    config, status = follower.meta["config"] or {}, follower.meta["status"]
    elapsed = follower.meta["elapsed_seconds"] or 0.0
    if status == "done":
        return {"seconds": 0.0, "of": "run", "basis": "finished"}
    if config.get("minutes"):
        left = max(0.0, 60 * config["minutes"] - elapsed)
        return {"seconds": left, "of": "run", "basis": f"--minutes {config['minutes']:g}"}
    limit, times = trial_limit(config), follower.trials.times
    if status != "searching" or limit is None:
        return {"seconds": None, "of": "run", "basis": "not known in this stage"}
    recent = last_ended(follower, RECENT)
    spans = [float(times[row, 1] - times[row, 0]) for row in recent if not isnan(times[row, 1])]
    if not spans:
        return {"seconds": None, "of": "search", "basis": "no trial has ended"}
    open_ = max(0, limit - int((follower.trials.status != 0).sum()))
    seconds = open_ * float(np.median(spans)) / max(1, config.get("workers") or 1)
    return {"seconds": seconds, "of": "search", "basis": f"median of the last {len(spans)} trials"}


def writer_of(folder: Path) -> dict[str, Any]:
    """The process that last wrote the run, and whether it is there on this machine."""
    try:
        number = int((folder / "run.lock").read_text(encoding="ascii").strip() or 0)
    except (OSError, ValueError):
        number = 0
    if number <= 0:
        return {"id": None, "alive": False}
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return {"id": number, "alive": False}
    except PermissionError:
        pass
    return {"id": number, "alive": True}


def log_tail(folder: Path, lines: int = LOG_LINES) -> list[str]:
    """The last lines that trainings printed, without what steers a terminal."""
    try:
        with (folder / "training.log").open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _LOG_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    found = [plain(line.rstrip("\r").rsplit("\r", 1)[-1]) for line in text.split("\n")]
    return [line for line in found if line.strip()][-lines:]


def plain(line: str) -> str:
    """A line without control characters and escape sequences, at most 300 characters."""
    without = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]", "", line)
    return "".join(char if char.isprintable() or char == " " else " " for char in without)[:300].rstrip()


def duration_words(seconds: float | None) -> str:
    """Seconds as people say them."""
    if seconds is None or not isfinite(seconds):
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
