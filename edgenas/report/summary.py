"""A run as a document of plain data, with field names that stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgenas.records import TrialRecord
from edgenas.report.guidance import guidance_document
from edgenas.report.honest import rank_correlation, within_spread
from edgenas.report.intervals import wilson
from edgenas.report.long_trainings import long_documents
from edgenas.report.run import Run, Winner, read_run
from edgenas.report.savings import savings
from edgenas.store import Store
from edgenas.task import CLASSIFICATION


def summarize(store: Store) -> dict[str, Any]:
    """The facts of a run's report as plain dictionaries, lists, numbers and strings.

    Returns:
        Fields ``run, status, data, space, device, objectives, budgets, trials, front, winners,
        dropped, rank_correlation, judged, trust, trainings, savings, proxy, inheritance, refusals, failures,
        versions, seed, seconds, task, metric``; None or empty where not known yet. Names that end in
        ``accuracy`` end in the figure of another task (``rmse``, ``auc``) instead.
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
        "front": [_front_entry(run, store.trial(trial.trial_id)) for trial in run.front],
        "winners": [_winner_entry(run, winner) for winner in run.kept],
        "dropped": [
            {"trial": winner.trial_id, "why": winner.note.why, "reason": winner.note.reason}
            for winner in run.dropped
        ],
        "rank_correlation": rank_correlation(run),
        "judged": run.judged.verb,
        "trust": run.meta["trust"],
        "trainings": long_documents(run),
        "savings": savings(run),
        **guidance_document(run),
        "refusals": dict(run.refusals),
        "failures": [{"trial": trial.trial_id, "reason": trial.reason} for trial in run.of_status("failed")],
        "versions": run.meta["versions"],
        "seed": run.meta["seed"],
        "seconds": run.meta["elapsed_seconds"],
        "task": run.task.to_json(),
        "metric": run.task.metric,
    }


def _front_entry(run: Run, trial: TrialRecord) -> dict[str, Any]:
    return {
        "trial": trial.trial_id,
        "arch_id": trial.spec.arch_id,
        **_figures(run, {"val": run.val_figure(trial)}),
        "cost": trial.cost.to_json(),
    }


def _winner_entry(run: Run, winner: Winner) -> dict[str, Any]:
    return {
        "trial": winner.trial_id,
        "arch_id": winner.trial.spec.arch_id,
        "best": winner is run.best,
        "why": winner.note.why,
        **_figures(
            run,
            {
                "search_val": run.val_figure(winner.trial),
                "float_val": winner.float_val,
                "int8_val": winner.int8_val,
                "int8_test": winner.int8_test,
                "mean_val": winner.mean("val"),
                "std_val": winner.deviation("val"),
                "mean_test": winner.mean("test"),
                "std_test": winner.deviation("test"),
            },
        ),
        "int8_test_interval": interval_on_test(run, winner),
        "seeds": len(winner.seeds),
        "lead_within_spread": within_spread(run, winner),
        "cost": winner.trial.cost.to_json(),
        "choices": dict(winner.trial.spec.choices),
        "folder": str(run.folder / "winners" / winner.trial_id),
        "measured_arena_bytes": winner.arena_bytes,
        "measured": [dict(one) for one in run.measurements(winner.trial_id)],
        "files": [file.to_json() for file in winner.files],
        "scheme": winner.manifest.scheme if winner.manifest else None,
        "schemes": [one.to_json() for one in winner.manifest.schemes] if winner.manifest else [],
        "sensitivity": _sensitivity(winner),
    }


def _sensitivity(winner: Winner) -> list[dict[str, Any]] | None:
    found = winner.manifest.sensitivity if winner.manifest else None
    return None if found is None else [dict(entry) for entry in found]


def _figures(run: Run, found: Mapping[str, float | None]) -> dict[str, Any]:
    """Figures by names that end in the name of the task's figure."""
    return {f"{name}_{run.task.metric}": value for name, value in found.items()}


def interval_on_test(run: Run, winner: Winner) -> list[float] | None:
    """The 95 % interval of a winner's test figure, or None where size or figure is not known."""
    if run.task != CLASSIFICATION:
        file = winner.tflite("int8")
        found = file.figures("test").get("interval") if file else None
        return None if found is None else list(found)
    images = run.document("data").get("test")
    if winner.int8_test is None or not images:
        return None
    return list(wilson(winner.int8_test, int(images)))
