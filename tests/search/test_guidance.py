"""Searches guided by a proxy, and children that inherit weights: replay, calibration, the switch-off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from edgenas.data.dataset import Dataset
from edgenas.errors import ConfigError, TrialError, UnknownNameError
from edgenas.oneshot.proxies import PROXIES, Probe, Proxy, ProxyJob
from edgenas.records import by_fidelity, comparable
from edgenas.report.guidance import guidance_document, inherited_table, inherited_words, proxy_words
from edgenas.report.run import read_run
from edgenas.search import calibration, inheriting
from edgenas.search import guided as guided_module
from edgenas.search.calibration import FEWEST, Calibration
from edgenas.search.guided import FIRST, JUDGED, ProxyGuided
from edgenas.search.inheriting import PAIR_EVERY, Inheriting
from edgenas.search.ranking import Verdict
from edgenas.search.searcher import SEARCHERS, Observation, Searcher, SpaceExhaustedError
from edgenas.search.searchers import local_search
from edgenas.search.searchers.regularized_evolution import FOUNDERS
from edgenas.search.tuner import EdgeTuner
from edgenas.search.workshop import Workshop
from edgenas.store import Store
from edgenas.testing.searchers import (
    ExactSource,
    SearcherContract,
    TinySpace,
    ToySpace,
    go_on,
    names_of,
    toy_error,
    toy_problem,
)
from edgenas.train.recipe import Recipe
from edgenas.train.weights import save_weights
from tests.search.test_tuner import Silent

EVOLUTION = "regularized-evolution"
HALF = 0.5


class Late(Proxy):
    """What ranks the toy networks right: it knows their errors."""

    needs_model = False

    def score(self, looked_at: Probe) -> float:
        return -toy_error(looked_at.spec)


class Lying(Proxy):
    """Ranks them the wrong way round."""

    needs_model = False

    def score(self, looked_at: Probe) -> float:
        return toy_error(looked_at.spec)


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROXIES._entries, "late", Late())
    monkeypatch.setitem(PROXIES._entries, "lying", Lying())


def workshop(folder: Path) -> Workshop:
    """One that has a store; proxies that need no model ask for nothing else."""
    store = Store.create(folder) if not (folder / "run.db").exists() else Store.open(folder)
    return cast(Workshop, SimpleNamespace(store=store))


def guided(folder: Path | None, proxy: str = "late", searcher: str = "nsga2", seed: int = 0) -> ProxyGuided:
    found = ProxyGuided(SEARCHERS.get(searcher)(toy_problem(), seed), proxy)
    if folder is not None:
        found.prepare(workshop(folder))
    return found


class TestUnpreparedProxyGuided(SearcherContract):
    def make(self, problem: Any, seed: int = 0) -> Searcher:
        return ProxyGuided(SEARCHERS.get("nsga2")(problem, seed), "params")


class TestInheriting(SearcherContract):
    """It asks for some networks a second time, to train them both ways, and so some tests are its own."""

    def make(self, problem: Any, seed: int = 0) -> Searcher:
        return Inheriting(SEARCHERS.get(EVOLUTION)(problem, seed), HALF)

    def test_no_candidate_comes_twice(self) -> None:
        searcher = cast(Inheriting, self.make(toy_problem()))
        names = names_of(go_on(searcher, self.trials))
        twice = sorted(name for name in set(names) if names.count(name) == 2)
        assert twice == sorted(searcher.paired)
        assert len(names) == len(set(names)) + len(twice)

    def test_a_used_up_space_ends_the_search(self) -> None:
        space = TinySpace((16, 16, 1), 4)
        searcher = self.make(toy_problem(space=space))
        found: list[str] = []
        with pytest.raises(SpaceExhaustedError, match="nothing new within the budgets"):
            for _ in range(30):
                found += names_of(go_on(searcher, 1))
        assert set(found) == {spec.arch_id for spec in space.enumerate()}

    @pytest.mark.parametrize("error", [0.0, 1.0])
    def test_equal_errors_are_survived(self, error: float) -> None:
        searcher = self.make(toy_problem())
        assert len(go_on(searcher, self.trials, lambda spec: error)) == self.trials

    def test_replayed_results_lead_to_the_same_candidates(self) -> None:
        whole = self.make(toy_problem())
        first, expected = go_on(whole, 17), go_on(whole, 20)
        resumed = self.make(toy_problem())
        for seen in first:
            resumed.note_asked(seen.candidate.spec, seen.candidate.fidelity)
            resumed.tell(seen)
        again = go_on(resumed, 20)
        assert names_of(again) == names_of(expected)
        assert [one.candidate.fidelity for one in again] == [one.candidate.fidelity for one in expected]


def inherited_error(observation: Observation) -> Observation:
    """What a short training with inherited weights comes to: a third more errors than a fresh one."""
    if observation.candidate.fidelity == 1 or observation.point is None:
        return observation
    return Observation(observation.candidate, (observation.point[0] * 4 / 3, *observation.point[1:]))


def searched(trials: int) -> Inheriting:
    searcher = Inheriting(SEARCHERS.get(EVOLUTION)(toy_problem(), 0), HALF)
    for _ in range(trials):
        candidate = searcher.ask()
        seen = Observation(candidate, searcher.problem.point(candidate, toy_error(candidate.spec)))
        searcher.tell(inherited_error(seen))
    return searcher


def test_founders_are_fresh_and_the_first_children_are_trained_both_ways() -> None:
    searcher = searched(FOUNDERS + 2 * FEWEST + PAIR_EVERY + 3)
    fidelities = [one.candidate.fidelity for one in searcher.observations]
    assert fidelities[:FOUNDERS] == [1.0] * FOUNDERS
    assert fidelities[FOUNDERS : FOUNDERS + 2 * FEWEST] == [HALF, 1.0] * FEWEST
    assert fidelities[FOUNDERS + 2 * FEWEST :].count(1.0) == 1
    assert len(searcher.paired) == FEWEST + 1
    children = [one.candidate for one in searcher.observations if one.candidate.fidelity < 1]
    known = {one.candidate.spec.arch_id for one in searcher.observations}
    assert all(child.parent in known for child in children)


def test_the_inner_searcher_is_told_corrected_scores_only() -> None:
    searcher = searched(FOUNDERS + 2 * FEWEST + 8)
    assert searcher.calibration is not None
    assert searcher.calibration.ratio == pytest.approx(3 / 4, rel=0.02)
    for told in searcher.inner.observations:
        assert told.point is not None
        assert told.point[0] == pytest.approx(toy_error(told.candidate.spec), rel=0.03)


def test_inherited_scores_wait_until_there_is_something_to_correct_them_by() -> None:
    searcher = Inheriting(SEARCHERS.get(EVOLUTION)(toy_problem(), 0), HALF)
    asked = [searcher.ask() for _ in range(3)]
    searcher.tell(Observation(replace(asked[0], fidelity=HALF), (0.5, 1.0)))
    assert searcher.inner.observations == []
    assert searcher.calibration is None


def test_a_calibration_is_monotone_and_says_how_sure_it_is() -> None:
    few = [(0.1, 0.09), (0.2, 0.18), (0.3, 0.26), (0.15, 0.14)]
    assert Calibration.of(few[:-1]) is None
    found = Calibration.of(few)
    assert found is not None and found.low < found.ratio < found.high < 1
    errors = np.linspace(0, 1, 20)
    corrected = [found.corrected(error) for error in errors]
    assert corrected == sorted(corrected) and corrected[0] == 0.0
    surer = Calibration.of(few * 4)
    assert surer is not None and surer.high - surer.low < found.high - found.low


def test_the_first_candidates_are_the_best_of_a_pool(tmp_path: Path) -> None:
    """By the proxy and costs: what beats one of them in both is among them too."""
    searcher = guided(tmp_path)
    pool = {one.spec.arch_id: (toy_error(one.spec), one.cost.macs) for one in searcher._pool()}
    found = names_of(go_on(searcher, FIRST))
    assert len(set(found)) == FIRST
    for chosen in found:
        for name, point in pool.items():
            if point != pool[chosen] and all(
                one <= two for one, two in zip(point, pool[chosen], strict=True)
            ):
                assert name in found
    assert min(pool.values()) in [pool[name] for name in found]


def test_a_proxy_that_ranks_better_than_macs_stays_on(tmp_path: Path) -> None:
    searcher = guided(tmp_path)
    go_on(searcher, JUDGED + 6)
    assert searcher.off_after is None
    assert searcher.verdict is not None and searcher.verdict.kendall["proxy"] == pytest.approx(1.0)


@pytest.mark.parametrize("searcher", ["front", "nsga2", "random"])
def test_a_proxy_that_ranks_no_better_is_switched_off_and_the_search_goes_on(
    searcher: str, tmp_path: Path
) -> None:
    found = guided(tmp_path, "lying", searcher)
    names = names_of(go_on(found, JUDGED + 8))
    assert found.off_after == JUDGED
    assert len(set(names)) == JUDGED + 8
    assert "switched off" in (tmp_path / "training.log").read_text()


def test_a_network_that_cannot_be_scored_ranks_last_and_the_search_goes_on(tmp_path: Path) -> None:
    """Scores of a process that fails whenever one network is among those it is given."""
    store = Store.create(tmp_path)
    searcher = ProxyGuided(SEARCHERS.get("nsga2")(toy_problem(), 0), "synflow")
    victim = searcher._pool()[3].spec.arch_id

    def train(job: ProxyJob) -> None:
        if victim in [spec.arch_id for spec in job.specs]:
            raise TrialError("out of memory")
        assert job.weights_path is not None
        save_weights(job.weights_path, [np.array([[-toy_error(spec)] for spec in job.specs])])

    searcher.prepare(cast(Workshop, SimpleNamespace(
        store=store, train=train, recipe=Recipe(1, 64, 32), dataset=SimpleNamespace(task="classification"),
    )))  # fmt: skip
    assert victim not in names_of(go_on(searcher, FIRST))
    assert searcher.scores[victim] == min(searcher.scores.values()) < -1
    assert (
        f"no synflow of network {victim}, which ranks last: out of memory"
        in (tmp_path / "training.log").read_text()
    )


@pytest.mark.parametrize("proxy", ["late", "lying"])
def test_a_guided_search_goes_on_as_if_it_had_not_stopped(proxy: str, tmp_path: Path) -> None:
    whole = guided(tmp_path, proxy)
    first = go_on(whole, 15)
    kept = workshop_meta(tmp_path)
    expected = names_of(go_on(whole, 8))
    whole._workshop.store.close()  # type: ignore[union-attr]
    resumed = guided(None, proxy)
    for seen in first:
        resumed.note_asked(seen.candidate.spec)
        resumed.tell(seen)
    place = workshop(tmp_path)
    place.store.set_meta(proxy=kept)
    resumed.prepare(place)
    assert names_of(go_on(resumed, 8)) == expected
    assert resumed.off_after == whole.off_after


def workshop_meta(folder: Path) -> Any:
    with Store.read(folder) as store:
        return store.meta("proxy")


def test_a_verdict_needs_results_that_differ() -> None:
    assert not Verdict.of([], {}).beats_macs


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"proxy": "synflo"}, UnknownNameError, "did you mean 'synflow'"),
        ({"proxy": "macs"}, ConfigError, "every proxy has to beat"),
        ({"inherit": HALF, "searcher": "front"}, ConfigError, "regularized-evolution"),
        ({"inherit": 1.5}, ConfigError, "above 0 and below 1"),
        ({"inherit": HALF, "halving": "epochs"}, ConfigError, "--halving"),
        ({"inherit": HALF, "stop_curves": True}, ConfigError, "--stop-curves"),
    ],
)
def test_what_does_not_go_together_is_refused(
    settings: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        EdgeTuner(
            TinySpace((8, 8, 1), 10), cost_source=ExactSource(), directory=tmp_path,
            **{"searcher": EVOLUTION, **settings},
        )  # fmt: skip


def tuner(folder: Path, trials: int) -> EdgeTuner:
    return EdgeTuner(
        ToySpace((8, 8, 1), 10), cost_source=ExactSource(), searcher="local-search", max_trials=trials,
        directory=folder, project_name="run", listener=Silent(), proxy="grad_norm", inherit=HALF,
    )  # fmt: skip


@pytest.fixture(scope="module")
def inherited(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> tuple[Path, list[str]]:
    """A real search on digits, stopped between the two trainings of a pair and gone on with.

    So that it is short, it has 2 founders, 2 pairs and 2 more children.
    """
    folder = tmp_path_factory.mktemp("inherited")
    recipe = Recipe(2, 160, 32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_search, "FOUNDERS", 2)
        patch.setattr(guided_module, "POOL", 4)
        patch.setattr(guided_module, "FIRST", 2)
        for module in (inheriting, calibration):
            patch.setattr(module, "FEWEST", 2)
        tuner(folder, 5).search(digits, recipe=recipe)
        before = [trial.spec.arch_id for trial in tuner(folder, 5).store.trials()]
        tuner(folder, 8).search(digits, recipe=recipe)
    return folder / "run", before


def test_children_of_a_real_search_inherit_and_are_calibrated(inherited: tuple[Path, list[str]]) -> None:
    folder, before = inherited
    with Store.read(folder) as store:
        trials = store.trials()
        run = read_run(store)
    assert [trial.spec.arch_id for trial in trials[: len(before)]] == before
    children = [trial for trial in trials if trial.parent]
    assert len(trials) == 8 and len(children) == 4
    for child in children:
        assert child.result and child.recipe and child.recipe["epochs"] == 1
        assert child.result["inherited"]["share"] > 0.1
        assert int(child.parent or -1) < child.position
    paired = [trial for trial in children if [t.spec.arch_id for t in trials].count(trial.spec.arch_id) == 2]
    assert len(paired) == 2
    assert {trial.rank_fidelity for trial in paired} == {HALF}
    last = [trial for trial in children if trial not in paired]
    found = Calibration(**run.meta["inheritance"])
    for trial in last:
        assert trial.measured_error is not None
        assert trial.val_error == pytest.approx(found.corrected(trial.measured_error))
        assert trial in comparable(trials)
    assert all(trial.parent for trial in by_fidelity(trials)[1])


def test_the_report_says_who_inherited_and_what_the_proxy_was_worth(
    inherited: tuple[Path, list[str]],
) -> None:
    with Store.read(inherited[0]) as store:
        run = read_run(store)
    assert "4 of 8 trainings began with their parents' weights" in inherited_words(run)
    assert "networks trained both ways" in inherited_words(run)
    document = guidance_document(run)
    assert len(document["inheritance"]["trials"]) == 4
    assert document["proxy"]["verdict"]["networks"] == 6  # of a pair the fresh one
    assert "proxy grad_norm" in proxy_words(run).lower() and "MACs" in proxy_words(run)
    assert all(trial["parent"] in inherited_table(run) for trial in document["inheritance"]["trials"])
