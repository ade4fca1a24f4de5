"""EdgeTuner on real short trainings: budgets, resuming, failures, kills, and keras-tuner's own methods."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
import pytest

from edgenas.data.dataset import Dataset
from edgenas.data.resize import prepare
from edgenas.errors import BudgetError, ConfigError, EdgenasError, StoreError
from edgenas.records import TrialRecord
from edgenas.search.objective import Constraint
from edgenas.search.tuner import EdgeTuner
from edgenas.store import Store
from edgenas.testing.searchers import ExactSource, TinySpace, ToySpace
from edgenas.train.pool import ATTEMPTS
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import accuracy

SPACE = TinySpace((8, 8, 1), 10)
BUDGET = Constraint("macs", 6_000)


class Silent:
    """A listener that can be told to interrupt the search."""

    def __init__(self, interrupt: str = "") -> None:
        self.interrupt = interrupt
        self.began: list[str] = []

    def trial_began(self, record: TrialRecord) -> None:
        self.began.append(record.trial_id)

    def epoch_ended(self, entry: Mapping[str, Any]) -> None:
        if self.began[-1] == self.interrupt:
            self.interrupt = ""
            raise KeyboardInterrupt

    def trial_ended(self, record: TrialRecord, refused: int) -> None:
        pass


def make_tuner(folder: Path, trials: int, model: Any = SPACE, **changes: Any) -> EdgeTuner:
    settings = {
        "cost_source": ExactSource(), "searcher": "random", "max_trials": trials, "listener": Silent(),
        "directory": folder.parent, "project_name": folder.name,
    }  # fmt: skip
    return EdgeTuner(model, **{**settings, **changes})


def architectures(tuner: EdgeTuner) -> list[str]:
    return [record.spec.arch_id for record in tuner.store.trials()]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, digits: Dataset, moment: Recipe) -> EdgeTuner:
    """Four trials within a budget; tests leave it as it is."""
    tuner = make_tuner(tmp_path_factory.mktemp("tuner") / "run", 4, constraints=[BUDGET])
    tuner.search(digits, recipe=moment)
    return tuner


class TestFinishedSearch:
    def test_every_trial_is_trained_within_the_budget_and_once(self, finished: EdgeTuner) -> None:
        trials = finished.store.trials()
        assert [record.trial_id for record in trials] == ["0000", "0001", "0002", "0003"]
        assert all(record.status == "completed" and record.cost.macs <= BUDGET.limit for record in trials)
        assert len(set(architectures(finished))) == 4
        assert finished.store.refusals()["macs"] > 0
        assert finished.oracle.stop_reason == "all trials are done"
        assert finished.remaining_trials == 0

    def test_the_front_is_what_no_trial_dominates_cheapest_first(self, finished: EdgeTuner) -> None:
        points = {record.trial_id: (record.val_error, record.cost.macs) for record in finished.store.trials()}
        expected = [
            trial_id
            for trial_id, (error, macs) in points.items()
            if not any(e <= error and m <= macs and (e, m) != (error, macs) for e, m in points.values())
        ]
        expected.sort(key=lambda trial_id: points[trial_id][1])
        assert [record.trial_id for record in finished.pareto_front()] == expected

    def test_the_best_models_come_with_their_trained_weights(
        self, finished: EdgeTuner, digits: Dataset
    ) -> None:
        images = prepare(digits.validation.x, digits.normalization, (8, 8, 1))
        errors = sorted(record.val_error for record in finished.store.trials())
        models = finished.get_best_models(2)
        for model, error in zip(models, errors, strict=False):
            assert 1 - accuracy(model, images, digits.validation.y) == pytest.approx(error, abs=2e-3)
        assert len(finished.get_best_models(9)) == 4

    def test_the_best_hyperparameters_rebuild_the_network(self, finished: EdgeTuner) -> None:
        best = finished.oracle.get_best_trials(1)[0]
        spec = finished.store.trial(best.trial_id).spec
        values = finished.get_best_hyperparameters(1)[0].values
        assert values == spec.choices
        assert finished.hypermodel.build(best.hyperparameters).count_params() == spec.graph().params

    def test_the_summary_prints_the_front_first(
        self, finished: EdgeTuner, capsys: pytest.CaptureFixture[str]
    ) -> None:
        finished.results_summary()
        head, *lines = capsys.readouterr().out.splitlines()
        front = [record.trial_id for record in finished.pareto_front()]
        assert head.startswith(f"4 trained, {len(front)} on the front, refused {{'macs': ")
        assert [line.startswith("*") for line in lines] == [True] * len(front) + [False] * (4 - len(front))
        assert "  error " in lines[0] and "macs" in lines[0]

    def test_nothing_but_the_run_is_written(self, finished: EdgeTuner) -> None:
        names = {path.name for path in finished.store.folder.iterdir()} - {"run.db-wal", "run.db-shm"}
        assert names == {"run.db", "run.lock", "training.log", "weights"}


@pytest.fixture
def copy_of_finished(finished: EdgeTuner, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    with Store.open(finished.store.folder):
        shutil.copytree(finished.store.folder, folder, dirs_exist_ok=True)
    return folder


class TestResume:
    def test_a_second_tuner_trains_what_was_cut_off_and_then_more(
        self, copy_of_finished: Path, digits: Dataset, moment: Recipe
    ) -> None:
        """Under the old id, also with a longer limit; the sequence is that of an uninterrupted search."""
        settings = {"constraints": [BUDGET], "searcher": "nsga2"}
        before = make_tuner(copy_of_finished, 4, **settings)
        finished_before = before.store.trials()
        expected = [before.oracle.searcher.ask() for _ in range(2)]
        with Store.open(copy_of_finished) as store:
            store.begin_trial("0004", expected[0].spec, expected[0].cost)
        listener = Silent()
        two_more = {"listener": listener, "seconds_left": lambda: 2.0 - len(listener.began)}
        after = make_tuner(copy_of_finished, 12_345, **two_more, **settings)
        after.search(digits, recipe=moment)
        assert listener.began == ["0004", "0005"]
        trials = after.store.trials()
        assert trials[:4] == finished_before
        assert [record.trial_id for record in trials[4:]] == ["0004", "0005"]
        assert [record.status for record in trials[4:]] == ["completed"] * 2
        assert trials[4].spec == expected[0].spec
        assert len(set(architectures(after))) == 6
        assert after.oracle.stop_reason == "time is up"

    def test_two_tuners_of_one_process_take_turns(self, copy_of_finished: Path) -> None:
        """As in a notebook whose cell is run again: only a search holds the folder."""
        first, second = make_tuner(copy_of_finished, 4), make_tuner(copy_of_finished, 4)
        assert first.store.trials() == second.store.trials()
        with Store.open(copy_of_finished):
            pass

    def test_a_search_going_on_elsewhere_is_not_disturbed(
        self, copy_of_finished: Path, digits: Dataset
    ) -> None:
        tuner = make_tuner(copy_of_finished, 9)
        with Store.open(copy_of_finished), pytest.raises(StoreError, match="in use"):
            tuner.search(digits)
        with Store.open(copy_of_finished), pytest.raises(StoreError, match="in use"):
            make_tuner(copy_of_finished, 9, overwrite=True)
        assert len(tuner.store.trials()) == 4

    def test_other_data_are_refused(self, copy_of_finished: Path, digits: Dataset) -> None:
        with pytest.raises(StoreError, match="was begun with other data or another seed"):
            make_tuner(copy_of_finished, 9).search(digits.train.x, digits.train.y)

    def test_another_space_is_refused(self, copy_of_finished: Path) -> None:
        with pytest.raises(StoreError, match="holds trials of space 'tiny', the search is for 'toy'"):
            make_tuner(copy_of_finished, 9, ToySpace((8, 8, 1), 10))

    def test_overwriting_starts_anew(self, copy_of_finished: Path) -> None:
        assert make_tuner(copy_of_finished, 4, overwrite=True).store.trials() == []
        assert not (copy_of_finished / "weights").exists()

    def test_an_interrupt_leaves_the_trial_to_the_next_search_of_the_same_tuner(
        self, tmp_path: Path, digits: Dataset, moment: Recipe
    ) -> None:
        listener = Silent(interrupt="0001")
        tuner = make_tuner(tmp_path / "run", 2, listener=listener)
        with pytest.raises(KeyboardInterrupt):
            tuner.search(digits, recipe=moment)
        assert [record.status for record in tuner.store.trials()] == ["completed", "running"]
        assert not (tmp_path / "run" / "training_data").exists()
        tuner.search(digits, recipe=moment)
        assert listener.began == ["0000", "0001", "0001"]
        assert [record.status for record in tuner.store.trials()] == ["completed", "completed"]
        assert len(tuner.oracle.searcher.observations) == 2


def own_build(hp: keras_tuner.HyperParameters) -> Any:
    """A user's function; two of three poolings leave nothing of an image of 8 pixels."""
    import keras

    layers = [keras.layers.Input((8, 8, 1))]
    for _ in range(hp.Int("poolings", 1, 6)):
        layers.append(keras.layers.MaxPooling2D(2))
    if hp.Boolean("hidden"):
        layers.append(keras.layers.Conv2D(hp.Int("filters", 4, 32, step=4), 1, activation="relu"))
    layers += [keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential(layers)
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def at_epoch_end(action: Callable[[], None]) -> Any:
    import keras

    class AtEpochEnd(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            action()

    return AtEpochEnd()


class TestOwnBuildFunction:
    def test_it_is_searched_with_costs_and_callbacks_and_survives_a_killed_training(
        self, tmp_path: Path, digits: Dataset, moment: Recipe
    ) -> None:
        def count_and_die_in_the_second() -> None:
            with (tmp_path / "log").open("a") as file:
                file.write(".")
            if 2 <= (tmp_path / "log").stat().st_size <= 1 + ATTEMPTS:  # also when it is trained again
                os.kill(os.getpid(), signal.SIGKILL)

        budget = Constraint("params", 400)
        tuner = make_tuner(tmp_path / "run", 4, own_build, constraints=[budget], searcher="nsga2")
        tuner.search(digits, recipe=moment, callbacks=[at_epoch_end(count_and_die_in_the_second)])
        trials = tuner.store.trials()
        assert [record.status for record in trials] == ["completed", "failed", "completed", "completed"]
        assert "SIGKILL" in str(trials[1].reason)
        assert (tmp_path / "log").read_text() == "." * (3 + ATTEMPTS)
        assert len(set(architectures(tuner))) == 4
        for record in trials:
            assert record.cost.params <= budget.limit
            assert record.spec.choices["poolings"] <= 3
        best = min(tuner.pareto_front(), key=lambda record: record.val_error or 1.0)
        model = tuner.get_best_models(1)[0]
        assert model.count_params() == best.cost.params
        assert float(model.optimizer.learning_rate) == pytest.approx(best.spec.choices["rate"])

    def test_five_failures_in_a_row_end_the_search_with_the_reason_and_it_can_go_on(
        self, tmp_path: Path, digits: Dataset, moment: Recipe
    ) -> None:
        def fail() -> None:
            raise ZeroDivisionError("my callback")

        tuner = make_tuner(tmp_path / "run", 20, own_build)
        with pytest.raises(EdgenasError, match=r"5 trainings in a row failed.*DivisionError: my callback"):
            tuner.search(digits, recipe=moment, callbacks=[at_epoch_end(fail)])
        assert [record.status for record in tuner.store.trials()] == ["failed"] * 5
        mended = make_tuner(tmp_path / "run", 7, own_build)
        mended.search(digits, recipe=moment)
        assert [record.status for record in mended.store.trials()] == ["failed"] * 5 + ["completed"] * 2


class TestBeforeTheFirstTraining:
    def test_an_impossible_budget_is_refused_before_a_folder_is_made(self, tmp_path: Path) -> None:
        with pytest.raises(BudgetError, match="smallest network of space 'tiny' needs"):
            make_tuner(tmp_path / "run", 4, constraints=[Constraint("macs", 10)])
        assert not (tmp_path / "run").exists()

    def test_what_is_no_space_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="a str was given to EdgeTuner; expected a SearchSpace"):
            make_tuner(tmp_path / "run", 4, "micro")

    def test_an_export_needs_the_data_of_a_search(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="before search; it needs the data"):
            make_tuner(tmp_path / "run", 4).export(tmp_path / "out")

    def test_no_time_means_no_training(self, tmp_path: Path, digits: Dataset) -> None:
        tuner = make_tuner(tmp_path / "run", 4, seconds_left=lambda: 0.0)
        tuner.search(digits)
        assert tuner.store.trials() == []
        assert tuner.oracle.stop_reason == "time is up"
        assert tuner.pareto_front() == [] and tuner.get_best_models() == []


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_tuner import *
from edgenas.data.load import load_dataset
class Loud(Silent):
    def trial_began(self, record):
        print(record.trial_id, flush=True)
    epoch_ended = trial_ended = lambda *ignored: None
make_tuner(Path(sys.argv[1]), 50, listener=Loud()).search(
    load_dataset("digits"), recipe=Recipe(epochs=1, images_per_epoch=320, batch_size=32))
"""


def test_a_killed_search_loses_no_finished_trial_and_goes_on(
    tmp_path: Path, digits: Dataset, moment: Recipe
) -> None:
    """SIGKILL in the middle of the third training of a real search."""
    search = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "run"), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
    )
    assert search.stdout is not None
    began = [search.stdout.readline().strip().decode() for _ in range(3)]
    search.kill()
    search.wait()
    search.stdout.close()
    assert began == ["0000", "0001", "0002"]
    tuner = make_tuner(tmp_path / "run", 3)
    assert [record.status for record in tuner.store.trials()] == ["completed", "completed", "running"]
    cut_off = tuner.store.trials()[2]
    tuner.search(digits, recipe=moment)
    assert [record.status for record in tuner.store.trials()] == ["completed"] * 3
    assert tuner.store.trials()[2].spec == cut_off.spec
    fresh = make_tuner(tmp_path / "other", 3)
    assert architectures(tuner) == [fresh.oracle.searcher.ask().spec.arch_id for _ in range(3)]
