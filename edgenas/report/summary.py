"""A run as a document of plain data, with field names that stay."""

from __future__ import annotations

from typing import Any

from edgenas.records import TrialRecord
from edgenas.report.intervals import wilson
from edgenas.report.run import Run, Winner, read_run, val_accuracy
from edgenas.report.savings import savings
from edgenas.store import Store


def summarize(store: Store) -> dict[str, Any]:
    """The facts of a run's report as plain dictionaries, lists, numbers and strings.

    Returns:
        Fields ``run, status, data, space, device, objectives, budgets, trials, front, winners,
        dropped, refusals, failures, versions, seed, seconds``; None or empty where not known yet.
    """
    run = read_run(store)
    return {
        "run": str(run.folder),
        "status": run.status,
        "data": run.meta["data"],
        "space": run.meta["space"],
        "device": run.meta["device"],
        "objectives": list(run.objectives),
        "budgets": [{"metric": metric, "limit": limit} for metric, limit in run.budgets],
        "trials": {
            "completed": len(run.of_status("completed")),
            "full": len(run.trained),
            "stopped": len(run.of_status("stopped")),
            "failed": len(run.of_status("failed")),
            "running": len(run.of_status("running")),
            "refused": sum(run.refusals.values()),
        },
        "front": [_front_entry(trial) for trial in run.front],
        "winners": [_winner_entry(run, winner) for winner in run.kept],
        "dropped": [
            {"trial": winner.trial_id, "why": winner.note.why, "reason": winner.note.reason}
            for winner in run.dropped
        ],
        "savings": savings(run),
        "refusals": dict(run.refusals),
        "failures": [{"trial": trial.trial_id, "reason": trial.reason} for trial in run.of_status("failed")],
        "versions": run.meta["versions"],
        "seed": run.meta["seed"],
        "seconds": run.meta["elapsed_seconds"],
    }


def _front_entry(trial: TrialRecord) -> dict[str, Any]:
    return {
        "trial": trial.trial_id,
        "arch_id": trial.spec.arch_id,
        "val_accuracy": val_accuracy(trial),
        "cost": trial.cost.to_json(),
    }


def _winner_entry(run: Run, winner: Winner) -> dict[str, Any]:
    return {
        "trial": winner.trial_id,
        "arch_id": winner.trial.spec.arch_id,
        "best": winner is run.best,
        "why": winner.note.why,
        "search_val_accuracy": val_accuracy(winner.trial),
        "float_val_accuracy": winner.float_val,
        "int8_val_accuracy": winner.int8_val,
        "int8_test_accuracy": winner.int8_test,
        "int8_test_interval": interval_on_test(run, winner),
        "cost": winner.trial.cost.to_json(),
        "choices": dict(winner.trial.spec.choices),
        "folder": str(run.folder / "winners" / winner.trial_id),
        "measured_arena_bytes": winner.arena_bytes,
        "files": [file.to_json() for file in winner.files],
        "scheme": winner.manifest.scheme if winner.manifest else None,
        "schemes": [one.to_json() for one in winner.manifest.schemes] if winner.manifest else [],
        "sensitivity": _sensitivity(winner),
    }


def _sensitivity(winner: Winner) -> list[dict[str, Any]] | None:
    found = winner.manifest.sensitivity if winner.manifest else None
    return None if found is None else [dict(entry) for entry in found]


def interval_on_test(run: Run, winner: Winner) -> list[float] | None:
    """The 95 % interval of a winner's test accuracy, or None where size or accuracy is not known."""
    images = run.document("data").get("test")
    if winner.int8_test is None or not images:
        return None
    return list(wilson(winner.int8_test, int(images)))
