"""Everything that is needed to repeat a run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from edgenas.report.data import data_facts
from edgenas.report.markup import UNKNOWN, duration, paragraph, text
from edgenas.report.run import Run, Winner


def repeat(run: Run) -> str:
    """Command, data, time and seed, versions, machine."""
    config = run.document("config")
    if config:
        note = "With the same data and the versions below, this command repeats the run by the same seed"
        if config.get("minutes"):
            note += ", though in the same time it may train more or fewer networks"
        how = paragraph(f"{note}:") + f"<pre><code>{text(command(config))}</code></pre>"
    else:
        how = paragraph("This search was started from Python; run the same program with the versions below.")
    facts = f"{_data(run)}{_time(run)}{_versions(run)}{_machine(run)}"
    return f'{how}<div class="columns">{facts}</div>'


def command(config: Mapping[str, Any]) -> str:
    """The command line that gives this configuration."""
    words = ["edgenas", "search"]
    for name, value in config.items():
        if value is None or value is False or name == "out":
            continue
        if value is True:
            words.append(f"--{name.replace('_', '-')}")
            continue
        shown = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        words += [f"--{name.replace('_', '-')}", shlex.quote(shown)]
    return " ".join(words)


def _facts(title: str, facts: Mapping[str, str]) -> str:
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return f'<div><h3>{title}</h3><dl class="facts">{rows}</dl></div>'


def _data(run: Run) -> str:
    data = run.document("data")
    return _facts(f"Data {text(data.get('name', ''))}", data_facts(data))


def _time(run: Run) -> str:
    search = run.document("search")
    trained = sum(trial.seconds or 0.0 for trial in run.trials)
    final = sum(_final_seconds(winner) for winner in run.shortlist)
    facts = {
        "whole run": duration(run.meta["elapsed_seconds"]),
        **_beside(run),
        f"{'scoring' if run.meta['supernet'] else 'training'} candidates": duration(trained),
        "training winners": duration(final),
        "search method itself": duration(search.get("own_seconds")),
        "the search ended because": text(search["stop_reason"]) if search.get("stop_reason") else UNKNOWN,
        "seed": UNKNOWN if run.meta["seed"] is None else text(run.meta["seed"]),
    }
    return _facts("Time and seed", facts)


def _beside(run: Run) -> dict[str, str]:
    """How long what is neither a candidate nor a winner was trained, where there is any."""
    supernet, trust, gradient = (run.document(name) for name in ("supernet", "trust", "gradient"))
    spent = {
        "training the supernet": [] if supernet.get("run") else [supernet.get("result", {}).get("seconds")],
        "training networks alone, for scores": (
            []
            if supernet.get("run") and "asked" not in supernet
            else [pair.get("seconds") for pair in trust.get("pairs", [])]
        ),
        "training the network with gates": [entry["seconds"] for entry in gradient.get("targets", [])],
    }
    known = {name: [seconds for seconds in each if seconds] for name, each in spent.items()}
    return {name: duration(sum(each)) for name, each in known.items() if each}


def _final_seconds(winner: Winner) -> float:
    """Seconds of the final trainings of a winner, all seeds together."""
    runs = winner.seeds or [winner.note.result or {}]
    return sum(float(run.get("seconds") or 0.0) for run in runs)


def _versions(run: Run) -> str:
    versions = run.document("versions")
    shown = {text(name): text(version or "not installed") for name, version in versions.items()}
    return _facts("Versions", shown)


def _machine(run: Run) -> str:
    machine, device = run.document("machine"), run.document("device")
    facts = {text(key.replace("_gib", " (GiB)")): text(value) for key, value in machine.items()}
    facts |= {f"device {text(key)}": text(value) for key, value in device.items() if key != "note"}
    return _facts("Machine and device", facts)
