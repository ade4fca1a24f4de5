"""How far the winners' validation accuracy, by which the search chose, holds on the test set."""

from __future__ import annotations

from edgenas.report.data import examples_word
from edgenas.report.honest import seeds_table
from edgenas.report.intervals import wilson
from edgenas.report.markup import paragraph, percent, points, table, text
from edgenas.report.run import Run

SMALL_TEST_SET = 2000
"""Images below which the interval of an accuracy is wide."""


def validation_against_test(run: Run) -> str:
    """Both accuracies of each winner, and what their difference says."""
    images = run.document("data").get("test")
    known = [
        (winner.trial_id, winner.val_accuracy, winner.int8_test)
        for winner in run.kept
        if winner.int8_test is not None and winner.val_accuracy is not None
    ]
    if not known or not images:
        words = "The test set has not been touched yet; only exported winners meet it, once."
        return paragraph(words, "muted") + seeds_table(run)
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
