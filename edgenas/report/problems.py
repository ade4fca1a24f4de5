"""What went wrong in a run: warnings about the data, trainings that failed."""

from __future__ import annotations

from edgenas.report.markup import paragraph, table, text
from edgenas.report.run import Run


def problems(run: Run) -> str:
    """Warnings and failures, or the word that there were none."""
    warnings = run.document("data").get("warnings") or []
    failed = run.of_status("failed")
    if not warnings and not failed:
        return paragraph("None: no warning about the data, no training failed.")
    items = "".join(f"<li>{text(warning)}</li>" for warning in warnings)
    shown = f'<h3>About the data</h3><ul class="warnings">{items}</ul>' if warnings else ""
    if failed:
        rows = [[text(trial.trial_id), text(trial.reason or "no reason was kept")] for trial in failed]
        shown += "<h3>Failed trainings</h3>" + table(
            "These candidates were left out", ["Trial", "Reason"], rows
        )
    return shown
