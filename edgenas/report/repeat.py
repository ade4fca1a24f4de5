"""Everything that is needed to repeat a run, and what went wrong in it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from edgenas.report.markup import UNKNOWN, duration, paragraph, table, text
from edgenas.report.run import Run
from edgenas.search.objective import metric_name


def repeat(run: Run) -> str:
    """Command, configuration, data, versions, machine, failures and refusals."""
    return "".join(
        [
            "<h3>Command</h3>",
            f"<pre><code>{text(command(run.document('config')))}</code></pre>",
            f'<div class="columns">{_data(run)}{_time(run)}{_versions(run)}{_machine(run)}</div>',
            "<h3>Configuration</h3>",
            f"<pre><code>{text(_toml(run.document('config')))}</code></pre>",
            _warnings(run),
            _failures(run),
            _refusals(run),
        ]
    )


def command(config: Mapping[str, Any]) -> str:
    """The command line that gives this configuration."""
    words = ["edgenas", "search"]
    for name, value in config.items():
        if value is None or name == "out":
            continue
        shown = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        words += [f"--{name.replace('_', '-')}", shlex.quote(shown)]
    return " ".join(words)


def _toml(config: Mapping[str, Any]) -> str:
    lines = [f"{name} = {json.dumps(value)}" for name, value in config.items() if value is not None]
    return "\n".join(lines) or "# not written down yet"


def _facts(title: str, facts: Mapping[str, str]) -> str:
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return f'<div><h3>{title}</h3><dl class="facts">{rows or "<p>not written down yet</p>"}</dl></div>'


def _data(run: Run) -> str:
    data = run.document("data")
    facts = {
        key: text(f"{data[key]:,}") for key in ("train", "validation", "test") if data.get(key) is not None
    }
    names = data.get("class_names") or []
    if names:
        facts["classes"] = text(", ".join(map(str, names)))
    if data.get("fingerprint"):
        facts["fingerprint"] = f"<code>{text(data['fingerprint'])}</code>"
    return _facts(f"Data {text(data.get('name', ''))}", facts)


def _time(run: Run) -> str:
    search = run.document("search")
    trained = sum(trial.seconds or 0.0 for trial in run.trials)
    final = sum(float((winner.note.result or {}).get("seconds") or 0.0) for winner in run.shortlist)
    facts = {
        "whole run": duration(run.meta["elapsed_seconds"]),
        "training candidates": duration(trained),
        "training winners": duration(final),
        "search method itself": duration(search.get("own_seconds")),
        "the search ended because": text(search["stop_reason"]) if search.get("stop_reason") else UNKNOWN,
        "seed": UNKNOWN if run.meta["seed"] is None else text(run.meta["seed"]),
    }
    return _facts("Time and seed", facts)


def _versions(run: Run) -> str:
    versions = run.document("versions")
    shown = {text(name): text(version or "not installed") for name, version in versions.items()}
    return _facts("Versions", shown)


def _machine(run: Run) -> str:
    machine = {text(key.replace("_", " ")): text(value) for key, value in run.document("machine").items()}
    device = {f"device {text(key)}": text(value) for key, value in run.document("device").items()}
    return _facts("Machine and device", {**machine, **device})


def _warnings(run: Run) -> str:
    warnings = run.document("data").get("warnings") or []
    if not warnings:
        return "<h3>Warnings about the data</h3>" + paragraph("None.")
    items = "".join(f"<li>{text(warning)}</li>" for warning in warnings)
    return f'<h3>Warnings about the data</h3><ul class="warnings">{items}</ul>'


def _failures(run: Run) -> str:
    failed = run.of_status("failed")
    if not failed:
        return "<h3>Failed trials</h3>" + paragraph("None.")
    rows = [[text(trial.trial_id), text(trial.reason or "no reason was kept")] for trial in failed]
    return "<h3>Failed trials</h3>" + table("Trainings that failed", ["Trial", "Reason"], rows)


def _refusals(run: Run) -> str:
    if not run.refusals:
        return "<h3>Refused before training</h3>" + paragraph("None.")
    rows = [[text(metric_name(name)), f"{number:,}"] for name, number in run.refusals.items()]
    shown = table("Candidates over a budget", ["Budget", "Refused"], rows, numeric=(1,))
    return "<h3>Refused before training</h3>" + shown
