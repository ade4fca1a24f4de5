"""Short trainings, stopped trainings and warm starts, with real trainings and real stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgenas.arch.spec import ArchSpec
from edgenas.data.dataset import Dataset
from edgenas.errors import ConfigError
from edgenas.records import TrialRecord, comparable
from edgenas.search.curves import FEWEST, Curves
from edgenas.search.problem import Candidate
from edgenas.search.transfer import knowledge_of
from edgenas.search.tuner import EdgeTuner
from edgenas.store import Store
from edgenas.testing.searchers import ExactSource, TinySpace, toy_problem
from edgenas.train.recipe import Recipe
from edgenas.winners.shortlist import shortlist

SPACE = TinySpace((8, 8, 1), 10)
PROBLEM = toy_problem(space=SPACE)
SPECS = list(SPACE.enumerate())
EPOCHS = 4


class Silent:
    def trial_began(self, record: TrialRecord) -> None: ...

    def epoch_ended(self, entry: object) -> None: ...

    def trial_ended(self, record: TrialRecord, refused: int) -> None: ...


def tuner(folder: Path, trials: int, **changes: object) -> EdgeTuner:
    settings = {
        "cost_source": ExactSource(), "searcher": "random", "max_trials": trials, "listener": Silent(),
        "directory": folder.parent, "project_name": folder.name,
    }  # fmt: skip
    return EdgeTuner(SPACE, **{**settings, **changes})  # type: ignore[arg-type]


def trial(number: int, errors: list[float], spec: ArchSpec, fidelity: float = 1.0) -> TrialRecord:
    history = [{"val_accuracy": 1 - error} for error in errors]
    result = {"val_accuracy": 1 - errors[-1], "history": history}
    cost = PROBLEM.cost_of(spec)
    return TrialRecord(f"{number:04d}", number, spec, cost, "completed", result=result, fidelity=fidelity)


def curves_of(number: int, fidelity: float = 1.0) -> list[TrialRecord]:
    """Finished trainings whose errors fell to between a half and a fifth of those of the first epoch."""
    found = []
    for position in range(number):
        last = 0.1 + 0.02 * position
        factor = 0.5 - 0.3 * position / max(1, number - 1)
        found.append(trial(position, [last / factor, last / 0.8, last], SPECS[position], fidelity))
    return found


class TestCurves:
    def test_only_what_could_not_reach_the_front_with_much_luck_is_stopped(self) -> None:
        curves = Curves(curves_of(FEWEST), 1.0)
        dearest = max(SPECS, key=lambda spec: PROBLEM.cost_of(spec).macs)
        first, second = curves.cutoffs(PROBLEM, Candidate(dearest, PROBLEM.cost_of(dearest)))
        assert first == pytest.approx(0.1 / 0.2)  # the best error, by the largest fall
        assert second == pytest.approx(0.1 / 0.8)

    def test_what_is_cheaper_than_all_others_is_never_stopped(self) -> None:
        costs = [PROBLEM.cost_of(spec).macs for spec in SPECS]
        cheapest = SPECS[costs.index(min(costs))]
        dearer = [entry for entry in curves_of(12) if entry.spec != cheapest]
        assert len(dearer) > FEWEST
        assert Curves(dearer, 1.0).cutoffs(PROBLEM, Candidate(cheapest, PROBLEM.cost_of(cheapest))) == ()

    def test_a_few_curves_or_those_of_another_fidelity_stop_nothing(self) -> None:
        candidate = Candidate(SPECS[-1], PROBLEM.cost_of(SPECS[-1]))
        assert Curves(curves_of(FEWEST - 1), 1.0).cutoffs(PROBLEM, candidate) == ()
        assert Curves(curves_of(FEWEST, fidelity=1 / 3), 1.0).cutoffs(PROBLEM, candidate) == ()
        assert Curves([], 1.0).cutoffs(PROBLEM, candidate) == ()

    def test_what_a_stopped_training_would_have_come_to_is_the_median(self) -> None:
        assert Curves(curves_of(FEWEST), 1.0).expected([0.5, 0.4]) == pytest.approx(0.4 * 0.8)


def test_results_of_less_than_the_highest_fidelity_are_not_compared() -> None:
    short, full = trial(0, [0.1], SPECS[0], 1 / 3), trial(1, [0.3], SPECS[1])
    assert comparable([short]) == [short]
    assert comparable([short, full]) == [full]


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> EdgeTuner:
    """Eleven trainings under successive halving by images."""
    made = tuner(tmp_path_factory.mktemp("halved") / "run", 11, halving="images")
    made.search(digits, recipe=Recipe(epochs=2, images_per_epoch=576, batch_size=32))
    return made


def test_a_search_by_halving_trains_short_and_longer_and_its_front_is_of_the_longest(
    halved: EdgeTuner,
) -> None:
    trials = halved.store.trials()
    assert [entry.status for entry in trials] == ["completed"] * 11
    fidelities = [round(entry.fidelity, 2) for entry in trials]
    assert fidelities.count(0.11) >= 7 and fidelities.count(0.33) >= 1
    for entry in trials:
        assert entry.recipe is not None
        assert entry.recipe["images_per_epoch"] == round(576 * entry.fidelity)
        assert entry.recipe["share"] == pytest.approx(entry.fidelity)
    longest = max(entry.fidelity for entry in trials)
    assert {entry.fidelity for entry in halved.pareto_front()} == {longest}


def test_a_search_by_halving_goes_on_where_it_stopped(halved: EdgeTuner, digits: Dataset) -> None:
    again = tuner(halved.store.folder, 13, halving="images")
    again.search(digits, recipe=Recipe(epochs=2, images_per_epoch=576, batch_size=32))
    trials = again.store.trials()
    assert len({(entry.spec.arch_id, entry.fidelity) for entry in trials}) == len(trials) == 13


def test_a_hopeless_training_is_stopped_and_the_search_goes_on(tmp_path: Path, digits: Dataset) -> None:
    """Eight known curves end at an error of 0.1 %, which no network of the space reaches."""
    recipe = Recipe(epochs=EPOCHS, images_per_epoch=320, batch_size=32)
    folder = tmp_path / "run"
    with Store.create(folder) as store:
        for position, spec in enumerate(sorted(SPECS, key=lambda spec: PROBLEM.cost_of(spec).macs)[:FEWEST]):
            trial_id = f"{position:04d}"
            store.begin_trial(trial_id, spec, PROBLEM.cost_of(spec))
            history = [{"val_accuracy": 1 - error} for error in (0.002, 0.002, 0.001, 0.001)]
            store.finish_trial(trial_id, recipe.to_json(), {"val_accuracy": 0.999, "history": history})
    made = tuner(folder, FEWEST + 2, stop_curves=True)
    made.search(digits, recipe=recipe)
    stopped = made.store.trials()[FEWEST:]
    assert [entry.status for entry in stopped] == ["stopped", "stopped"]
    assert all((entry.result or {})["epochs"] == 1 for entry in stopped)
    assert stopped[0].reason and stopped[0].reason.startswith("stopped after 1 of 4 epochs")
    assert stopped[0].told_error == pytest.approx(0.5 * (stopped[0].val_error or 0))
    assert not {entry.trial_id for entry in stopped} & {entry.trial_id for entry in made.pareto_front()}


def test_a_warm_start_is_kept_in_the_run_and_the_earlier_run_may_go(
    tmp_path: Path, digits: Dataset, halved: EdgeTuner
) -> None:
    folder = tmp_path / "warm"
    made = tuner(folder, 3, searcher="front", earlier=_finished_run(tmp_path / "earlier"))
    made.search(digits, recipe=Recipe(epochs=1, images_per_epoch=320, batch_size=32))
    seeds = [spec.arch_id for spec in made.earlier.seeds] if made.earlier else []
    assert [entry.spec.arch_id for entry in made.store.trials()] == seeds[:3]
    assert made.store.meta("gained")["seeds"] == len(seeds[:3])
    resumed = tuner(folder, 4, searcher="front")
    assert resumed.earlier is not None and [spec.arch_id for spec in resumed.earlier.seeds] == seeds


def test_a_run_with_too_little_to_learn_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 trained networks to learn from; expected 5"):
        tuner(tmp_path / "warm", 3, earlier=_finished_run(tmp_path / "earlier", trials=2))


def test_a_build_function_has_one_resolution(tmp_path: Path) -> None:
    from edgenas.search.hypermodel import SpaceHyperModel

    with pytest.raises(ConfigError, match="one input size"):
        EdgeTuner(SpaceHyperModel(SPACE), halving="resolution", directory=tmp_path)


def _finished_run(folder: Path, trials: int = 8) -> Path:
    """A run whose errors fall with the work that networks do."""
    with Store.create(folder) as store:
        for position, spec in enumerate(SPECS[:trials]):
            cost = PROBLEM.cost_of(spec)
            store.begin_trial(f"{position:04d}", spec, cost)
            store.finish_trial(f"{position:04d}", {}, {"val_accuracy": 1 - 100 / (cost.macs + 100)})
    return folder


def test_a_short_list_is_filled_up_with_the_worthy_of_shorter_trainings(halved: EdgeTuner) -> None:
    with Store.open(halved.store.folder) as store:
        trials = store.trials()
        chosen = shortlist(store, halved.problem, 5)
    assert len(chosen) == 5
    by_id = {entry.trial_id: entry for entry in trials}
    fidelities = [by_id[winner.trial_id].fidelity for winner in chosen]
    assert len({by_id[winner.trial_id].spec.arch_id for winner in chosen}) == 5
    longest = max(entry.fidelity for entry in trials)
    front = {entry.trial_id for entry in trials if entry.fidelity == longest}
    assert front <= {winner.trial_id for winner in chosen}
    shorter = [winner for winner, fidelity in zip(chosen, fidelities, strict=True) if fidelity < 1]
    assert all("less than a full training" in winner.why for winner in shorter)
    assert knowledge_of(halved.store.folder)["trials"]
