"""Explanations: shares that are known, noise that is called noise, predictions that are called so."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from edgenas.report.explained import Explanation
from edgenas.report.grown import GROWTH, left_out_fit
from edgenas.report.importance import ABSENT, FEWEST, decomposed, importance
from edgenas.report.run import Run, read_run
from edgenas.report.steps import steps
from edgenas.store import Store
from tests.conftest import Command
from tests.report.html_tree import Element
from tests.report.made_up import DESCRIPTION, RAM_BYTES, choose_winners, fill

GRID = [{"a": a, "b": b, "c": c} for a, b, c in product(range(4), range(3), range(2))] * 4


def shares(values: list[float]) -> dict[str, float]:
    found = importance(GRID, values, values)
    return {choice.name: choice.share for choice in found.choices}


def test_shares_of_an_additive_function_are_those_of_its_variance() -> None:
    """Var(a) of 0..3 is 1.25, Var(2 b) of 0, 2, 4 is 8/3; c does nothing."""
    found = shares([row["a"] + 2 * row["b"] for row in GRID])
    assert found["a"] == pytest.approx(1.25 / (1.25 + 8 / 3), abs=0.03)
    assert found["b"] == pytest.approx((8 / 3) / (1.25 + 8 / 3), abs=0.03)
    assert found["c"] == pytest.approx(0, abs=0.005)


def test_what_only_two_choices_explain_together_is_said_to_be_so() -> None:
    values = [float((row["a"] < 2) != (row["c"] < 1)) for row in GRID]
    found = importance(GRID, values, values)
    assert found.together > 0.8
    assert max(choice.share for choice in found.choices) < 0.1


def test_a_tree_is_decomposed_exactly() -> None:
    """One tree that fits a table of two choices has the variances of the table itself."""
    from sklearn.ensemble import RandomForestRegressor

    table = np.array([[1.0, 2.0, 6.0], [3.0, 3.0, 0.0]])
    places = np.array(list(product(range(2), range(3))), dtype=float)
    forest = RandomForestRegressor(1, bootstrap=False, random_state=0).fit(places, table.ravel())
    found, means = decomposed(forest, [2, 3])
    assert means[0] == pytest.approx(table.mean(axis=1)) and means[1] == pytest.approx(table.mean(axis=0))
    expected = [table.mean(axis=1).var() / table.var(), table.mean(axis=0).var() / table.var()]
    assert found == pytest.approx(expected)


def test_the_best_and_worst_option_and_their_difference() -> None:
    values = [0.3 - 0.1 * row["a"] / 3 for row in GRID]
    first = importance(GRID, values, values).choices[0]
    assert (first.name, first.best, first.worst, first.clear) == ("a", "3", "0", True)
    assert first.effect == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_not_explained(seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal(len(GRID))
    found = importance(GRID, values.tolist(), values.tolist())
    assert found.reason and "noise" in found.reason and not found.choices


def test_too_few_trials_are_said_to_be_too_few() -> None:
    found = importance(GRID[: FEWEST - 1], [0.1] * (FEWEST - 1), [1.0] * (FEWEST - 1))
    assert found.reason == f"{FEWEST - 1} trials are too few; {FEWEST} are the least"


def test_a_choice_that_was_not_asked_is_an_option() -> None:
    rows = [row if row["a"] else {"b": row["b"], "c": row["c"]} for row in GRID]
    values = [float(row["a"] == 0) for row in GRID]
    first = importance(rows, values, values).choices[0]
    assert (first.name, first.worst) == ("a", ABSENT)


@pytest.fixture(scope="module")
def explanation(finished_folder: Path) -> Explanation:
    with Store.read(finished_folder) as store:
        return Explanation(read_run(store))


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Enough trials for the surrogate to know something."""
    with Store.create(tmp_path_factory.mktemp("long") / "run") as store:
        store.set_meta(status="searching", **DESCRIPTION)
        fill(store, 120)
        return read_run(store)


def test_steps_between_winners_go_up_in_cost_and_figure(explanation: Explanation) -> None:
    found = explanation.steps
    assert found.final and found.steps
    for step in found.steps:
        before, after = step.costs["macs"]
        assert after > before and step.gain > 0 and step.noise and step.noise > 0
        assert step.clear == (step.gain > 2 * step.noise)


def test_steps_of_a_search_lie_on_its_front(long_run: Run) -> None:
    found = steps(long_run)
    front = {trial.trial_id for trial in long_run.front}
    assert not found.final and {name for step in found.steps for name in (step.low, step.high)} <= front


def test_the_accuracy_of_one_training_has_the_noise_of_its_validation_examples(
    explanation: Explanation,
) -> None:
    step = explanation.steps.steps[0]
    figures = {winner.trial_id: winner.mean("val") or 0.0 for winner in explanation.run.kept}
    variances = [figures[name] * (1 - figures[name]) / 270 for name in (step.low, step.high)]
    assert step.noise == pytest.approx(sum(variances) ** 0.5)


def test_a_larger_budget_offers_networks_that_only_it_admits(long_run: Run) -> None:
    found = Explanation(long_run)
    (offer,) = found.grown.offers
    assert offer.candidates and offer.cost
    assert RAM_BYTES < offer.cost.peak_ram_bytes <= GROWTH * RAM_BYTES
    assert offer.low <= offer.error <= offer.high
    words = " ".join(found.text()["If a budget grew by a tenth"])
    assert "predicted, not measured" in words and "90 % interval" in words


def test_without_budgets_or_a_known_space_nothing_is_offered(tmp_path: Path) -> None:
    for number, (facts, words) in enumerate(
        (({"constraints": []}, "no budget"), ({"space": "my-own"}, "cannot be asked for"),
         ({"device": {"id": "no-such-board"}}, "no-such-board"))
    ):  # fmt: skip
        with Store.create(tmp_path / str(number)) as store:
            store.set_meta(status="searching", **{**DESCRIPTION, **facts})
            fill(store, 40)
            reason = Explanation(read_run(store)).grown.reason
        assert reason and words in reason


def test_left_out_results_are_predicted_as_if_each_were_taken_out() -> None:
    rng = np.random.default_rng(0)
    x, noise = rng.uniform(size=12), 0.1
    values = np.sin(5 * x)
    kernel = np.exp(-8 * (x[:, None] - x) ** 2)
    misses = []
    for row in range(12):
        rest = np.delete(np.arange(12), row)
        inverse = np.linalg.inv(kernel[np.ix_(rest, rest)] + (noise + 1e-6) * np.eye(11))
        misses.append(values[row] - kernel[row, rest] @ inverse @ values[rest])
    expected = 1 - np.sum(np.square(misses)) / np.sum((values - values.mean()) ** 2)
    assert left_out_fit(kernel, noise, values) == pytest.approx(expected)


def test_the_report_explains(page: Element) -> None:
    section = page.section("explained").text
    for words in ("Which choices mattered", "What the next step up costs", "If a budget grew by a tenth",
                  "For a design review", "The best of 3 winners on validation data is trial"):  # fmt: skip
        assert words in section


def test_a_run_that_has_just_begun_explains_nothing(tmp_path: Path) -> None:
    with Store.create(tmp_path / "run") as store:
        found = Explanation(read_run(store))
    assert found.review()[0].startswith("No network has been trained so far")


def test_the_command_prints_text_and_plain_data(finished_folder: Path, edgenas: Command) -> None:
    printed = edgenas("explain", finished_folder)
    assert printed.returncode == 0 and "For a design review" in printed.stdout, printed.stderr
    document = json.loads(edgenas("explain", finished_folder, "--json").stdout)
    assert document["importance"]["method"].startswith("functional ANOVA")
    assert {"low", "high", "gain", "noise", "clear", "costs"} == set(document["steps"]["steps"][0])


def test_winners_of_a_run_with_seeds_use_their_spread(tmp_path: Path) -> None:
    with Store.create(tmp_path / "run") as store:
        store.set_meta(status="done", **DESCRIPTION)
        choose_winners(store, fill(store))
        for winner in store.winners():
            result = dict(winner.result or {})
            more = {"mean_val_accuracy": result["val_accuracy"], "std_val_accuracy": 0.003}
            store.update_winner(winner.trial_id, result={**result, **more})
        found = steps(read_run(store))
    assert "spread over seeds" in found.noise
    assert all(step.noise == pytest.approx(0.003 * 2**0.5) for step in found.steps)
