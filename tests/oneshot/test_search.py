"""`--searcher one-shot` as a real process: killed, resumed, to its files; then other budgets on it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgenas.arch.space import SPACES
from edgenas.arch.spec import ArchSpec
from edgenas.config import RunConfig
from edgenas.cost.static import StaticSource
from edgenas.data.dataset import Dataset
from edgenas.data.load import load_dataset
from edgenas.data.resize import prepare
from edgenas.distribute import LocalExecutor
from edgenas.errors import ConfigError, StoreError, TrialError, UnsupportedError
from edgenas.merging import merge
from edgenas.oneshot.anchors import FEWEST
from edgenas.oneshot.elastic import extents_of
from edgenas.oneshot.frames import Region, frame_of, is_in
from edgenas.oneshot.supernet import SupernetJob
from edgenas.pipeline import begun_with, check_method
from edgenas.problem_of import check_supernet, make_problem
from edgenas.search.covered import FRAME, CoveredSpace
from edgenas.search.framed import sized
from edgenas.search.listener import PrintingListener
from edgenas.search.objective import Constraint
from edgenas.search.problem import Problem
from edgenas.search.searcher import Observation
from edgenas.search.searchers import SEARCHERS, RandomSearcher
from edgenas.search.supernet import OnSupernet
from edgenas.search.supernet_making import seconds_for
from edgenas.search.supernet_plan import (
    SCORE,
    SupernetPlan,
    anchors_of,
    facts_of,
    problem_facts,
    regions_of,
    weights_path,
)
from edgenas.search.tuner import EdgeTuner
from edgenas.search.workshop import Workshop
from edgenas.store import Store
from edgenas.train.recipe import Recipe
from edgenas.train.weights import load_weights, save_weights
from edgenas.winners.retrain import cut_weights
from tests.conftest import command

SMALL = (
    "--data", "digits", "--searcher", "one-shot", "--ram-kib", "8", "--trials", "4", "--supernet-epochs", "3",
    "--trust", "3", "--epochs", "1", "--winners", "1", "--seeds", "1", "--final-epochs", "10",
)  # fmt: skip
RAM = 8 * 1024


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose supernet's training was killed, and that was resumed to its end."""
    folder = tmp_path_factory.mktemp("one-shot") / "run"
    process = subprocess.Popen(
        command("search", *SMALL, "--out", str(folder)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 900
    while not (folder / "supernet" / "standing.npz").exists():
        assert process.poll() is None and time.monotonic() < deadline, "no epoch of the supernet ended"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with Store.read(folder) as store:
        assert store.count() == 0 and store.meta("supernet") is None
    words = command("resume", str(folder), "--json")
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, done.stderr
    (folder / "printed.json").write_text(done.stdout)
    return folder


def test_the_resumed_supernet_is_the_undisturbed_one(run: Path) -> None:
    with Store.read(run) as store:
        config, dataset = begun_with(store)
        facts = store.meta("supernet")
    problem, _ = make_problem(config, dataset)
    searcher = OnSupernet(problem, config.seed, kind=RandomSearcher)
    pools = [tuple(spec for _, spec in pool) for pool in searcher.maker.pools(regions_of(facts), [])]
    job = SupernetJob(
        pools[-1][-1], Recipe.from_json(facts["recipe"]), space=searcher.covered, pools=tuple(pools)
    )

    def data_for(shape: tuple[int, ...]) -> Any:
        splits = (dataset.train, dataset.validation)
        return tuple((prepare(split.x, dataset.normalization, shape), split.y) for split in splits)

    result, arrays = job.perform(data_for, lambda entry: None)
    assert result.history == facts["result"]["history"]
    for mine, kept in zip(arrays, load_weights(weights_path(run)), strict=True):
        np.testing.assert_array_equal(mine, kept)
    assert not (run / "supernet" / "standing.npz").exists()


def test_its_candidates_are_called_scored_and_its_trust_is_told(run: Path) -> None:
    printed = json.loads((run / "printed.json").read_text())
    assert printed["status"] == "done"
    assert printed["judged"] == "scored"
    assert len(printed["winners"][0]["files"]) == 4
    trust = printed["trust"]
    assert len(trust["pairs"]) == 3 and trust["failed"] == 0
    facts = facts_of(run)
    assert [pair["alone"] for pair in trust["pairs"]] == [one.alone for one in anchors_of(facts)]
    page = (run / "report.html").read_text()
    assert "scored candidates" in page and "trained candidates" not in page
    assert "Trust in the scores" in page and "was trained once for this run" in page
    with Store.read(run) as store:
        for trial in store.trials():
            assert trial.result is not None and trial.result["scored_by"] == "supernet"
            assert trial.result["epochs"] == 0
            assert sum(region.has(trial.spec) for region in regions_of(store.meta("supernet"))) == 1
        heritage = cut_weights(store, store.trials()[0], None)
        assert heritage is not None
        heritage.hand_to(_built(heritage.spec), heritage.spec)  # its shapes are those of the network
        trained = replace(store.trials()[0], result={**(trial.result or {}), "scored_by": None})
        assert cut_weights(store, trained, None) is None


def _built(spec: ArchSpec) -> Any:
    import keras

    from edgenas.build.builder import build_model

    return build_model(spec, keras)


class Quiet(PrintingListener):
    """Counts epochs."""

    def __init__(self) -> None:
        self.epochs = 0

    def epoch_ended(self, entry: Mapping[str, Any]) -> None:
        self.epochs += 1


def tuner_on(supernet: Path, folder: Path, ram: float, **more: Any) -> EdgeTuner:
    return EdgeTuner(
        SPACES.get("micro")((8, 8, 1), 10),
        constraints=[Constraint("peak_ram_bytes", ram)], max_trials=4, directory=folder,
        supernet=SupernetPlan(run=str(supernet), trust=0), listener=Quiet(), **more,
    )  # fmt: skip


def test_a_second_budget_and_another_searcher_train_nothing(
    run: Path, digits: Dataset, tmp_path: Path
) -> None:
    tuner = tuner_on(run, tmp_path, RAM / 2, searcher="regularized-evolution")
    tuner.search(digits)
    assert tuner.listener.epochs == 0  # type: ignore[attr-defined]
    assert weights_path(tuner.store.folder).read_bytes() == weights_path(run).read_bytes()
    assert tuner.store.meta("supernet")["run"] == str(run)
    assert anchors_of(tuner.store.meta("supernet")) == anchors_of(facts_of(run))
    assert tuner.store.meta("trust") == Store.read(run).meta("trust")
    trials = tuner.store.trials()
    assert len(trials) == 4
    assert all(trial.cost.peak_ram_bytes <= RAM / 2 for trial in trials)
    assert {(trial.result or {})["scored_by"] for trial in trials} == {"supernet"}


def test_an_earlier_supernet_that_does_not_fit_is_refused(run: Path, digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"weights for .* % of the networks within these"):
        tuner_on(run, tmp_path / "wide", 40 * RAM).search(digits)
    with pytest.raises(ConfigError, match="has fingerprint"):
        tuner_on(run, tmp_path / "other", RAM).search(load_dataset("digits", seed=1))
    micro = Problem(SPACES.get("micro")((8, 8, 1), 10), StaticSource())
    config = RunConfig(data="digits", searcher="one-shot", supernet=str(run))
    check_supernet(config, micro, digits)
    with pytest.raises(ConfigError, match="has fingerprint"):
        check_supernet(config, micro, load_dataset("digits", seed=1))
    with Store.create(tmp_path / "trained") as store:
        store.set_meta(status="done")
    with pytest.raises(ConfigError, match="has no supernet"):
        facts_of(tmp_path / "trained")
    with pytest.raises(StoreError, match="scored by a supernet"):
        merge([run, tmp_path / "trained"], tmp_path / "merged")


def untrained(folder: Path, digits: Dataset, **more: Any) -> Path:
    """A run with a supernet of zeros, for the smaller half of the networks of one frame."""
    whole = SPACES.get("micro")((8, 8, 1), 10)
    space, rng = CoveredSpace(whole), np.random.default_rng(2)
    frame = frame_of(whole.sample(rng))
    space.regions = [Region(frame, 0, 10**9)]
    specs = sorted((space.sample(rng) for _ in range(600)), key=lambda spec: spec.graph().macs)[:300]
    most_macs = specs[-1].graph().macs
    space.regions = [Region(frame, 0, most_macs)]
    extents, _ = extents_of(space, specs)
    with Store.create(folder) as store:
        problem = Problem(whole, StaticSource())
        store.set_meta(supernet={
            **problem_facts(problem, digits.fingerprint), "run": None, "most_macs": most_macs,
            "frames": [asdict(region) for region in space.regions], "recipe": Recipe(1, 1).to_json(),
            "tensors": {name: list(shape) for name, shape in extents.items()}, "networks": len(specs),
            "least_macs": 0, "capped": True, "result": {"epochs": 1, "seconds": 1.0, "stopped_early": False},
            **more,
        })  # fmt: skip
        weights_path(folder).parent.mkdir()
        save_weights(weights_path(folder), [np.zeros(extents[name], np.float32) for name in sorted(extents)])
    return folder


def taken_over(run: Path, folder: Path, digits: Dataset, trust: int | None = None, **budget: int) -> Store:
    """A run that takes over a supernet, up to its first candidate."""
    return prepared(Store.create(folder), run, digits, trust, **budget)


def prepared(store: Store, run: Path, digits: Dataset, trust: int | None = None, **budget: int) -> Store:
    """The same, begun before or not."""
    constraints = [Constraint(name, limit) for name, limit in budget.items()]
    problem = Problem(SPACES.get("micro")((8, 8, 1), 10), StaticSource(), constraints)
    plan = SupernetPlan(run=str(run), trust=trust)
    workshop = Workshop(store, digits, Recipe(1, 64), Quiet(), LocalExecutor())
    OnSupernet(problem, 0, kind=RandomSearcher, plan=plan).prepare(workshop)
    return store


def test_a_supernet_of_smaller_networks_is_refused(digits: Dataset, tmp_path: Path) -> None:
    run = untrained(tmp_path / "small", digits)
    most = facts_of(run)["most_macs"]
    with pytest.raises(UnsupportedError, match=r"weights for .* % of the networks within these"):
        taken_over(run, tmp_path / "larger", digits, macs=10**9)
    assert taken_over(run, tmp_path / "as_small", digits, trust=0, macs=most).meta("trust") is None


def test_enough_anchors_of_the_earlier_run_are_taken_over_and_fewer_are_not(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was cut off among anchors of its own goes on with them, however many it has."""
    monkeypatch.setattr("edgenas.search.supernet_making.ANCHORS", 3)
    anchors = [
        {"arch": str(place), "loss": 1.0, "macs": 9, "params": 9, "alone": 0.5 + 0.01 * place, "seconds": 1.0}
        for place in range(FEWEST)
    ]
    kept: dict[str, Any] = {"scored": SCORE, "failed": 0}
    enough = untrained(tmp_path / "enough", digits, anchors=anchors, asked=6, **kept)
    most = facts_of(enough)["most_macs"]
    facts = taken_over(enough, tmp_path / "a", digits, macs=most).meta("supernet")
    assert facts["anchors"] == anchors and "asked" not in facts
    few = untrained(tmp_path / "few", digits, anchors=anchors[1:], asked=10, **kept)
    store = taken_over(few, tmp_path / "b", digits, macs=most)
    facts = store.meta("supernet")
    assert len(facts["anchors"]) == facts["asked"] == 3 and not facts["failed"]
    assert taken_over(enough, tmp_path / "c", digits, trust=0, macs=most).meta("trust") is not None
    assert [pair["alone"] for pair in store.meta("trust")["pairs"]] == [
        one["alone"] for one in facts["anchors"]
    ]
    cut_off = {**facts, "anchors": facts["anchors"][:2]}
    store.set_meta(supernet=cut_off, trust=None)
    again = prepared(store, few, digits, macs=most).meta("supernet")
    assert again["anchors"][:2] == cut_off["anchors"]
    assert [one["arch"] for one in again["anchors"]] == [one["arch"] for one in facts["anchors"]]
    assert again["anchors"][2]["alone"] == facts["anchors"][2]["alone"]


def test_anchors_with_losses_of_an_earlier_kind_are_of_no_use(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgenas.search.supernet_making.ANCHORS", 3)
    old = {"arch": "a", "loss": 1.0, "macs": 9, "params": 9, "alone": 0.5, "seconds": 1.0}
    run = untrained(tmp_path / "run", digits, anchors=[old] * 8, asked=8, failed=0)
    most = facts_of(run)["most_macs"]
    none = taken_over(run, tmp_path / "none", digits, trust=0, macs=most)
    assert anchors_of(none.meta("supernet")) == [] and none.meta("trust") is None
    facts = taken_over(run, tmp_path / "anew", digits, macs=most).meta("supernet")
    assert len(anchors_of(facts)) == 3 and old not in facts["anchors"]
    begun = Store.create(tmp_path / "begun")  # cut off among its anchors
    begun.set_meta(supernet={**facts_of(run), "anchors": [old], "asked": 8, "failed": 1})
    weights_path(begun.folder).parent.mkdir()
    weights_path(begun.folder).write_bytes(weights_path(run).read_bytes())
    facts = prepared(begun, run, digits, macs=most).meta("supernet")
    assert len(anchors_of(facts)) == 3 and old not in facts["anchors"] and not facts["failed"]


def test_wrong_use_is_refused_before_anything_is_trained(digits: Dataset, tmp_path: Path) -> None:
    config = RunConfig(data="digits", searcher="one-shot")
    cell = Problem(SPACES.get("cell")((8, 8, 1), 10), StaticSource())
    with pytest.raises(UnsupportedError, match="edge_0_1"):
        check_supernet(config, cell, digits)
    regression = Problem(SPACES.get("micro")((8, 8, 1), 1, "linear"), StaticSource(), task="regression")
    with pytest.raises(UnsupportedError, match="expected it for classification"):
        check_supernet(config, regression, digits)
    micro = Problem(SPACES.get("micro")((8, 8, 1), 10), StaticSource())
    with pytest.raises(ConfigError, match="--supernet-epochs was given without a supernet to train"):
        check_supernet(RunConfig(data="digits", supernet_epochs=3), micro, digits)
    with pytest.raises(ConfigError, match="--trust was given without"):
        check_supernet(RunConfig(data="digits", trust=3), micro, digits)
    with pytest.raises(ConfigError, match="--halving was given for a search that a supernet scores"):
        RunConfig(data="digits", searcher="one-shot", halving="epochs")
    with pytest.raises(ConfigError, match="--trust 2 was given; expected 3 to 100"):
        RunConfig(data="digits", searcher="one-shot", trust=2)
    with pytest.raises(ConfigError, match="it is trained already"):
        SupernetPlan(run="there", epochs=3)
    with pytest.raises(ConfigError, match="0 epochs of a supernet were given"):
        SupernetPlan(epochs=0)
    for frames in (0, 9):
        with pytest.raises(ConfigError, match=f"{frames} frames of a supernet were given; expected 1 to 8"):
            SupernetPlan(frames=frames)
    with pytest.raises(ConfigError, match="with epochs, a rate, shrinking or frames"):
        SupernetPlan(run="there", frames=2)
    with pytest.raises(ConfigError, match="--supernet-frames was given without a supernet to train"):
        check_supernet(RunConfig(data="digits", supernet_frames=0), micro, digits)
    for config in (
        RunConfig(data="digits", searcher="gradient", supernet="new"),
        RunConfig(data="digits", searcher="nsga2", inherit=0.5, executor="ray"),
    ):
        with pytest.raises(ConfigError, match=r"leave .*out"):
            check_method(config)
    with pytest.raises(ConfigError, match="trains a network of its own"):
        EdgeTuner(micro.space, searcher="gradient", supernet=SupernetPlan(), directory=tmp_path)
    with pytest.raises(ConfigError, match="callbacks were given for a search that a supernet scores"):
        EdgeTuner(micro.space, searcher="one-shot", directory=tmp_path).search(digits, callbacks=[Quiet()])
    with pytest.raises(UnsupportedError, match="build function"):
        EdgeTuner(_build, searcher="one-shot", directory=tmp_path)
    with pytest.raises(ConfigError, match="its choice 'units'"):
        EdgeTuner(_build, searcher="gradient", directory=tmp_path)


def test_a_resumed_supernet_has_the_time_it_began_with(tmp_path: Path, digits: Dataset) -> None:
    left = iter([80.0, 30.0])
    with Store.create(tmp_path / "run") as store:
        workshop = Workshop(
            store, digits, Recipe(1, 1), PrintingListener(), LocalExecutor(), lambda: next(left)
        )
        assert [seconds_for(workshop, "supernet_seconds", 0.5) for _ in range(2)] == [40.0, 40.0]
        assert seconds_for(workshop, "anchor_seconds", 0.1) == 3.0


def _build(hp: Any) -> Any:
    import keras

    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    hp.Int("units", 1, 4)
    return keras.Sequential(layers)


def test_a_region_in_which_no_network_is_found_again_keeps_those_that_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A budget that no network keeps stands for one that random networks hardly ever keep."""
    monkeypatch.setattr("edgenas.oneshot.pool.TRIES", 1)
    monkeypatch.setattr("edgenas.oneshot.pool.DESCENTS", 1)
    space = SPACES.get("micro")((8, 8, 1), 10)
    searcher = OnSupernet(Problem(space, StaticSource(), [Constraint("macs", 1)]), 0, kind=RandomSearcher)
    rng = np.random.default_rng(2)
    specs = [space.sample(rng) for _ in range(30)]
    known = [(spec.graph().macs, spec) for spec in specs]
    regions = [Region(frame_of(spec), 0, 10**9) for spec in specs[:2]]
    found = searcher.maker.pools(regions, known)
    assert found == [sized(spec for spec in specs if region.has(spec)) for region in regions]
    assert found[0] and found[1] and found[0] != found[1]
    assert searcher.covered.regions == tuple(regions)


def test_a_covered_space_keeps_its_frames() -> None:
    """A region is a decision as any other; the frame it has is none."""
    whole = SPACES.get("micro")((8, 8, 1), 10)
    space, rng = CoveredSpace(whole), np.random.default_rng(1)
    assert "stages" in space.names and FRAME not in space.names
    frames = [frame_of(whole.sample(rng)) for _ in range(2)]
    space.regions = [Region(frame, 0, 10**9) for frame in frames]
    assert space.names[FRAME] == (0, 1) and "stages" not in space.names
    found = [space.sample(rng) for _ in range(20)]
    found += [space.mutate(spec, rng) for spec in found] + [space.crossover(*found[:2], rng)]
    for spec in found:
        assert is_in(frames[int(spec.choices[FRAME])], spec) and space.region_of(spec) is not None
        assert space.from_choices(spec.choices) == spec
    assert {spec.choices[FRAME] for spec in found} == {0, 1}
    assert len({spec.arch_id for spec in found}) > 30
    outside = whole.sample(rng)
    assert space.region_of(outside) is None and space.region_of(space.mutate(outside, rng)) is not None
    with pytest.raises(TrialError, match="none of the supernet's 2 frames"):
        space.sharing(outside)


@pytest.mark.parametrize("name", sorted(set(SEARCHERS.names()) - {"gradient", "gradient-binary", "one-shot"}))
def test_every_searcher_proposes_on_several_regions_and_learns(name: str) -> None:
    """And goes on alike when its results are told again, as in a resumed run."""
    whole = SPACES.get("micro")((8, 8, 1), 10)
    rng = np.random.default_rng(1)
    regions = [Region(frame_of(whole.sample(rng)), 0, 10**9) for _ in range(2)]
    told: list[Observation] = []

    def begun() -> OnSupernet:
        searcher = OnSupernet(Problem(whole, StaticSource()), 3, kind=SEARCHERS.get(name))
        searcher.covered.regions = regions
        for observation in told:
            searcher.note_asked(observation.candidate.spec)
            searcher.tell(observation)
        return searcher

    searcher = begun()
    for number in range(6):
        candidate = searcher.ask()
        assert searcher.covered.region_of(candidate.spec) is not None
        told.append(Observation(candidate, searcher.problem.point(candidate, 0.5 - 0.05 * number)))
        searcher.tell(told[-1])
    assert begun().ask().spec == searcher.ask().spec


def test_networks_of_an_earlier_run_begin_in_their_region() -> None:
    whole = SPACES.get("micro")((8, 8, 1), 10)
    rng = np.random.default_rng(1)
    inside, outside = whole.sample(rng), whole.sample(rng)
    searcher = OnSupernet(Problem(whole, StaticSource()), 0, kind=SEARCHERS.get("reinforce"))
    searcher.covered.regions = [Region({"stages": 99}, 0, 1), Region(frame_of(inside), 0, 10**9)]
    placed = searcher._of_region(inside)
    assert placed.choices[FRAME] == 1 and placed.arch_id == inside.arch_id
    assert searcher._of_region(outside) is outside


def test_regions_share_no_tensor() -> None:
    whole = SPACES.get("micro")((8, 8, 1), 10)
    space, rng = CoveredSpace(whole), np.random.default_rng(1)
    specs = [whole.sample(rng) for _ in range(2)]
    space.regions = [Region(frame_of(spec), 0, 10**9) for spec in specs]
    extents = [set(extents_of(space, [spec])[0]) for spec in specs]
    assert extents[0] and extents[1] and not extents[0] & extents[1]
    space.regions = space.regions[:1]
    assert space.sharing(specs[0]) == whole.sharing(specs[0])  # as in runs of earlier versions


def test_the_supernet_of_an_earlier_version_is_of_one_frame() -> None:
    spec = SPACES.get("micro")((8, 8, 1), 10).sample(np.random.default_rng(0))
    macs = spec.graph().macs
    old = {"stages": spec.choices["stages"], "stem_filters": spec.choices["stem_filters"]}
    (region,) = regions_of({"frame": old, "most_macs": macs})
    assert region.has(spec)
    (other,) = regions_of({"frame": {**old, "stem_filters": 99}, "most_macs": macs})
    assert not other.has(spec)  # a supernet of today has any stem
    (anything,) = regions_of({"most_macs": macs - 1})
    assert not anything.has(spec)


def test_a_covered_space_gives_what_is_covered() -> None:
    space = CoveredSpace(SPACES.get("micro")((8, 8, 1), 10))
    space.covers = lambda spec: spec.choices["stages"] == 2
    rng = np.random.default_rng(0)
    spec = space.sample(rng)
    for _ in range(20):
        spec = space.mutate(space.crossover(spec, space.sample(rng), rng), rng)
        assert spec.choices["stages"] == 2
