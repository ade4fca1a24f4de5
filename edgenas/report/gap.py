"""How far the winners' validation accuracy, by which the search chose, holds on the test set."""

from __future__ import annotations

from edgenas.report.data import examples_word
from edgenas.report.honest import seeds_table
from edgenas.report.intervals import wilson
from edgenas.report.markup import gained, paragraph, percent, points, shown, table, text
from edgenas.report.run import Run
from edgenas.report.summary import interval_on_test
from edgenas.task import CLASSIFICATION

UNTOUCHED = "The test set has not been touched yet; only exported winners meet it, once."

SMALL_TEST_SET = 2000
"""Images below which the interval of an accuracy is wide."""


def validation_against_test(run: Run) -> str:
    """Both accuracies of each winner, and what their difference says."""
    images = run.document("data").get("test")
    if run.task != CLASSIFICATION:
        return _other_task(run, images)
    known = [
        (winner.trial_id, winner.val_figure, winner.int8_test)
        for winner in run.kept
        if winner.int8_test is not None and winner.val_figure is not None
    ]
    if not known or not images:
        return paragraph(UNTOUCHED, "muted") + seeds_table(run)
    rows, above = [], 0
    for trial_id, validation, test in known:
        low, high = wilson(test, images)
        above += validation > high
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        rows.append([text(trial_id), percent(validation), percent(test), points(test - validation), interval])
    headers = ["Trial", "Validation", "Test", "Test − validation", "95 % interval of test"]
    caption = f"Accuracy in percent of the int8 files; {images:,} test {examples_word(run.document('data'))}"
    compared = table(caption, headers, rows, numeric=range(1, 5))
    return compared + paragraph(_verdict(len(known), above, images)) + seeds_table(run)


def _other_task(run: Run, inputs: int | None) -> str:
    """The same for another task, whose intervals were found by resampling the test split."""
    task, rows, worse = run.task, [], 0
    for winner in run.kept:
        ends = interval_on_test(run, winner)
        if ends is None or winner.val_figure is None or winner.int8_test is None:
            continue
        beyond = winner.val_figure > ends[1] if task.higher_is_better else winner.val_figure < ends[0]
        worse += beyond
        figures = [shown(task, value) for value in (winner.val_figure, winner.int8_test)]
        difference = gained(task, winner.int8_test - winner.val_figure)
        interval = f"{text(task.format(ends[0]))} to {text(task.format(ends[1]))}"
        rows.append([text(winner.trial_id), *figures, difference, interval])
    if not rows:
        return paragraph(UNTOUCHED, "muted") + seeds_table(run)
    headers = ["Trial", "Validation", "Test", "Test − validation", "95 % interval of test"]
    many = examples_word(run.document("data"))
    caption = f"{text(task.full_label)} of the int8 files" + (f"; {inputs:,} test {many}" if inputs else "")
    verdict = (
        f"{worse} of {len(rows)} winners did better on validation than the test’s interval "
        "(bootstrap) allows: "
        "trust the test figures."
    )
    if not worse:
        verdict = (
            "No winner’s validation figure lies beyond the interval (bootstrap) of its test figure. Expect a "
            "small optimism of validation anyway, because the search chose by it."
        )
    return table(caption, headers, rows, numeric=range(1, 5)) + paragraph(verdict) + seeds_table(run)


def _verdict(winners: int, above: int, images: int) -> str:
    if above:
        return (
            f"{above} of {winners} winners did better on validation than the test’s interval allows: a sign "
            "that the search has fitted itself to the validation data, though a small validation set does "
            "the same by chance. Trust the test figures."
        )
    small = (
        "A test set this small has a wide interval, so a small effect would not show. "
        if images < SMALL_TEST_SET
        else ""
    )
    return (
        "No winner’s validation accuracy lies above the interval of its test accuracy: there is no sign that "
        f"the search has fitted itself to the validation data. {small}"
        "Expect a small optimism of validation anyway, because the search chose by it."
    )
