"""What guided a search: a training-free proxy, and weights that were inherited."""

from __future__ import annotations

from dataclasses import fields
from statistics import mean
from typing import Any

from edgenas.records import TrialRecord
from edgenas.report.markup import UNKNOWN, paragraph, percent, table, text
from edgenas.report.run import Run
from edgenas.search.calibration import Calibration
from edgenas.search.ranking import Verdict


def children(run: Run) -> list[TrialRecord]:
    """The trials that ended after they had begun with the weights of others."""
    ended = run.of_status("completed") + run.of_status("stopped")
    return [trial for trial in ended if trial.parent and (trial.result or {}).get("inherited")]


def calibration_of(run: Run) -> Calibration | None:
    """What inherited scores were corrected by, or None where they were not."""
    document = run.meta.get("inheritance")
    if not document:
        return None
    return Calibration(**{field.name: document[field.name] for field in fields(Calibration)})


def inherited_words(run: Run) -> str:
    """One sentence or two on inherited weights, as plain text; empty where there are none."""
    found = children(run)
    if not found:
        return ""
    shares = [trial.result["inherited"]["share"] for trial in found if trial.result]
    same = sum(trial.result["inherited"]["preserved"] for trial in found if trial.result)
    words = (
        f"{len(found)} of {len(run.of_status('completed'))} trainings began with their parents' weights "
        f"({100 * mean(shares):.0f} % of these on average; {same} computed what their parent did) and "
        f"were shorter. "
    )
    calibration = calibration_of(run)
    if calibration is None and any(trial.rank_fidelity == 1 for trial in found):  # of several runs, merged
        return words + "Their scores were corrected by networks that each run trained both ways."
    if calibration is None:
        return words + (
            "Too few networks were trained both ways, so their scores stand beside no fresh ones and are on "
            "no front."
        )
    return words + (
        f"By {calibration.pairs} networks trained both ways, fresh errors are {calibration.ratio:.2f} times "
        f"inherited ones (95 % interval {calibration.low:.2f} to {calibration.high:.2f}, single networks "
        f"within a factor of {calibration.spread:.2f}); inherited scores are shown with that correction."
    )


def proxy_words(run: Run) -> str:
    """One sentence on the proxy that guided a search, as plain text; empty where none did."""
    document = run.meta.get("proxy")
    if not document:
        return ""
    verdict = Verdict.from_json(document["verdict"])
    words = verdict.words(document["name"], off=document["off_after"] is not None)
    after = f", after {document['off_after']} results" if document["off_after"] is not None else ""
    return f"{words[0].upper()}{words[1:]}{after}."


def guidance_document(run: Run) -> dict[str, Any]:
    """Both as plain data, None where there was none: ``proxy`` without its scores, and ``inheritance``."""
    proxy = run.meta.get("proxy")
    found = children(run)
    calibration = calibration_of(run)
    return {
        "proxy": {name: value for name, value in proxy.items() if name != "scores"} if proxy else None,
        "inheritance": {
            "calibration": calibration.to_json() if calibration else None,
            "trials": [
                {
                    "trial": trial.trial_id,
                    "parent": trial.parent,
                    **(trial.result or {})["inherited"],
                    "measured_val_error": trial.measured_error,
                    "val_error": trial.val_error,
                }
                for trial in found
            ],
        }
        if found
        else None,
    }


def inherited_table(run: Run) -> str:
    """Who inherited from whom and how much, as HTML; empty where nobody did."""
    found = children(run)
    if not found:
        return ""
    rows = [
        [
            text(trial.trial_id),
            text(trial.parent),
            percent((trial.result or {})["inherited"]["share"], 0),
            "yes" if (trial.result or {})["inherited"]["preserved"] else "no",
            _error(trial.measured_error),
            _error(trial.val_error) if trial.rank_fidelity == 1 else UNKNOWN,
        ]
        for trial in found
    ]
    headers = [
        "Trial", "Parent", "Weights<br>inherited", "Computed<br>the same", "Error<br>measured",
        "Error<br>corrected",
    ]  # fmt: skip
    caption = "Trainings that began with the weights of a parent"
    return paragraph(text(inherited_words(run)), "note") + table(caption, headers, rows, numeric=(2, 4, 5))


def _error(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.4f}"
