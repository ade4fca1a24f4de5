"""Winners by several seeds: planned once, ranked by mean, told from luck."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgenas.arch import MicroSpace
from edgenas.config import RunConfig
from edgenas.cost.static import StaticSource
from edgenas.data.dataset import Dataset
from edgenas.data.load import load_dataset
from edgenas.database import DATABASE
from edgenas.records import WinnerRecord
from edgenas.report.honest import rank_correlation, seeds_table, within_spread
from edgenas.report.run import read_run
from edgenas.search.problem import Problem
from edgenas.store import Store
from edgenas.task import CLASSIFICATION
from edgenas.train.recipe import Recipe, search_recipe
from edgenas.train.weights import load_weights, save_weights
from edgenas.winners.recipes import SEEDS, FinalRecipes
from edgenas.winners.retrain import final_name, retrain
from edgenas.winners.seeds import keep_best, planned, together, weights_of
from edgenas.winners.shortlist import drop_dominated

SPACE = MicroSpace((8, 8, 1), 10)
SOURCE = StaticSource()
PROBLEM = Problem(SPACE, SOURCE)


class Silent:
    """Listens and counts."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, Any]] = []

    def stage_began(self, *_: Any) -> None: ...
    def trial_began(self, *_: Any) -> None: ...
    def trial_ended(self, *_: Any) -> None: ...

    def epoch_ended(self, entry: Any) -> None:
        self.epochs.append(entry)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Three trials, the cheapest first, on the short list; the search saw 0.80, 0.90 and 0.85."""
    rng = np.random.default_rng(0)
    costed = sorted(((SOURCE.estimate(s.graph()), s) for s in (SPACE.sample(rng) for _ in range(3))),
                    key=lambda pair: pair[0].macs)  # fmt: skip
    with Store.create(tmp_path / "run") as store:
        for number, ((cost, spec), accuracy) in enumerate(zip(costed, (0.80, 0.90, 0.85), strict=True)):
            store.begin_trial(f"{number}", spec, cost)
            store.finish_trial(f"{number}", {}, {"val_accuracy": accuracy, "images_per_second": 100.0})
            store.save_winner(WinnerRecord(f"{number}", "chosen"))
        yield store


def end(store: Store, trial_id: str, accuracies: list[float]) -> None:
    """Seeds of a winner, as real trainings would leave them."""
    rows = planned(final_name(trial_id), store.trial(trial_id), Recipe(3, 100), len(accuracies))
    store.trainings.plan(rows)
    for row, accuracy in zip(rows, accuracies, strict=True):
        save_weights(weights_of(store, row.weights_name), [np.float32([accuracy])])
        result = {
            "val_accuracy": accuracy,
            "val_loss": 1.0,
            "epochs": 3,
            "stopped_early": False,
            "seconds": 1.0,
        }
        store.trainings.end(row, result=result)
    keep_best(store, store.trainings.named(final_name(trial_id)))
    store.update_winner(trial_id, **together(store.trainings.named(final_name(trial_id))))


def reasons(store: Store) -> list[str | None]:
    return [winner.reason for winner in store.winners()]


def test_the_best_seed_is_delivered_and_the_mean_is_told(store: Store) -> None:
    end(store, "0", [0.90, 0.94, 0.92])
    result = store.winners()[0].result or {}
    assert result["val_accuracy"] == 0.94
    assert result["mean_val_accuracy"] == pytest.approx(0.92)
    assert result["std_val_accuracy"] == pytest.approx(0.02)
    assert [seed["delivered"] for seed in result["seeds"]] == [False, True, False]
    assert len({seed["seed"] for seed in result["seeds"]}) == 3
    assert load_weights(store.weights_path("0", final=True))[0] == pytest.approx(0.94)


def test_a_network_whose_best_seed_alone_is_good_is_called_lucky(store: Store) -> None:
    end(store, "0", [0.95, 0.95, 0.95])
    end(store, "1", [0.90, 0.96, 0.91])  # the best seed of all, on a mean that a cheaper one beats
    end(store, "2", [0.93, 0.93, 0.93])
    drop_dominated(store, PROBLEM)
    kept, lucky, beaten = reasons(store)
    assert kept is None
    assert lucky is not None and lucky.startswith("only a lucky seed") and "trial 0" in lucky
    assert beaten is not None and "lucky" not in beaten


def test_a_lead_within_the_spread_of_seeds_is_told(store: Store) -> None:
    end(store, "0", [0.90, 0.91, 0.92])
    end(store, "1", [0.90, 0.92, 0.94])
    end(store, "2", [0.97, 0.98, 0.99])
    drop_dominated(store, PROBLEM)
    run = read_run(store)
    first, second, third = run.kept
    assert within_spread(run, first) is None and within_spread(run, third) is None
    found = within_spread(run, second)
    assert found is not None and found["over"] == "0"
    assert found["lead"] == pytest.approx(0.01) and found["spread"] == pytest.approx(
        (0.01**2 + 0.02**2) ** 0.5
    )
    assert run.best is third
    assert "may be luck" in seeds_table(run)


def test_search_scores_are_ranked_against_final_ones(store: Store) -> None:
    end(store, "0", [0.91])
    end(store, "1", [0.92])
    assert rank_correlation(read_run(store)) is None
    end(store, "2", [0.93])
    found = rank_correlation(read_run(store))
    assert found == {"spearman": pytest.approx(0.5), "networks": 3}
    assert "was trained once" in seeds_table(read_run(store))


def plan(store: Store, **settings: Any) -> tuple[list[Recipe], int]:
    config = RunConfig(data="digits", workers=1, winners=3, **settings)
    data = SimpleNamespace(train=range(1_000), kind="image", task=CLASSIFICATION)
    recipes = FinalRecipes(config, data, search_recipe(1_000), lambda: 0.0)  # type: ignore[arg-type]
    return recipes.plan(store.trials())


def test_seeds_are_as_many_as_asked_for_or_as_fit(store: Store) -> None:
    """A training of 60 epochs takes 600 s here, so three networks take half an hour."""
    assert plan(store)[1] == SEEDS
    assert plan(store, seeds=2)[1] == 2
    assert [plan(store, minutes=minutes)[1] for minutes in (10, 40, 70, 1_000)] == [1, 1, 2, 3]
    once, thrice = plan(store, minutes=40)[0], plan(store, minutes=40, seeds=3)[0]
    assert 2.5 < once[0].epochs / thrice[0].epochs < 3.5


def test_a_cut_off_final_training_goes_on_with_the_recipe_it_was_begun_with(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real trainings: what the interrupted one left is gone on with, and no new plan is asked for."""
    digits: Dataset = load_dataset("digits")
    for trial_id in ("1", "2"):
        store.update_winner(trial_id, reason="not of interest here")
    recipe = Recipe(4, 256, 64, seed=5)
    listener = Silent()

    def interrupt(entry: Any) -> None:
        listener.epochs.append(entry)
        if entry["epoch"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(listener, "epoch_ended", interrupt)
    with pytest.raises(KeyboardInterrupt):
        retrain(store, digits, lambda waiting: ([recipe] * len(waiting), 1), listener)
    monkeypatch.undo()
    listener.epochs.clear()
    retrain(store, digits, lambda waiting: pytest.fail("planned twice"), listener)
    assert listener.epochs[0]["epoch"] >= 3
    winner = store.winners()[0]
    assert winner.result is not None and winner.result["epochs"] == 4
    assert Recipe.from_json(winner.recipe or {}).epochs == 4
    assert store.weights_path("0", final=True).is_file()
    assert not list((store.folder / "weights").glob("*standing*"))


def test_a_run_of_the_second_schema_gets_a_table_of_trainings(store: Store) -> None:
    folder = store.folder
    store.close()
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.execute("DROP TABLE trainings")
        connection.execute("ALTER TABLE trials DROP COLUMN parent")
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with Store.open(folder) as again:
        assert again.trainings.all() == [] and len(again.trials()) == 3
        end(again, "0", [0.9])
        assert [one.name for one in again.trainings.all()] == ["0.final"]
