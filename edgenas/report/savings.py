"""What a search saved: by an earlier run, short or stopped trainings, inherited weights, a proxy."""

from __future__ import annotations

from statistics import mean

from edgenas.report.guidance import inherited_words, proxy_words
from edgenas.report.run import Run

CLOSE = 0.7
"""Rank correlation from which errors of two tasks count as alike."""


def savings(run: Run) -> list[str]:
    """One sentence each for what applies to a run, as plain text."""
    found = (_earlier(run), _short(run), _stopped(run), inherited_words(run), proxy_words(run))
    return [sentence for sentence in found if sentence]


def _earlier(run: Run) -> str:
    knowledge, gained = run.document("warm_start"), run.document("gained")
    if not knowledge:
        return ""
    words = f"It learned from {knowledge['run']} ({counted(len(knowledge['trials']), 'trained network')})."
    if gained.get("seeds"):
        words += (
            f" Its first {counted(gained['seeds'], 'training')}, that run's front at this device's costs, "
            f"reached {100 * gained['share']:.1f} % of the hypervolume of this whole search; that run had "
            f"needed {counted(gained['needed'], 'training')} for as much of its own."
        )
    correlation = gained.get("correlation")
    if correlation is not None:
        alike = "alike" if correlation >= CLOSE else "only partly alike" if correlation > 0 else "not alike"
        words += f" Networks trained in both are ranked {alike} (Spearman {correlation:.2f})."
    return words


def _short(run: Run) -> str:
    cut = [trial for trial in run.of_status("completed") if trial.fidelity < 1 and not trial.parent]
    if not cut:
        return ""
    full = [trial.seconds for trial in run.of_status("completed") if trial.fidelity == 1 and trial.seconds]
    ended = run.of_status("completed") + run.of_status("stopped")
    spent = sum(trial.seconds or 0.0 for trial in ended)
    knob = run.document("config").get("halving") or "length"
    words = (
        f"Successive halving in {knob}: {counted(len(cut), 'shorter training')} chose who got a full one. "
        "The front holds trainings of the same length only."
    )
    if full:
        words += f" All trainings together took as long as {spent / mean(full):.0f} full ones."
    return words


def _stopped(run: Run) -> str:
    stopped = run.of_status("stopped")
    if not stopped:
        return ""
    saved = sum(
        (trial.recipe or {}).get("epochs", 0) - (trial.result or {}).get("epochs", 0) for trial in stopped
    )
    return (
        f"{counted(len(stopped), 'training')} whose learning curve could not reach the front any more "
        f"{'was' if len(stopped) == 1 else 'were'} stopped, which saved {counted(saved, 'epoch')}."
    )


def counted(number: int, noun: str) -> str:
    """A number with its noun, in plain text."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
