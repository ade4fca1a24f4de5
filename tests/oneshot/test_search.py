"""`--searcher one-shot` as a real process: killed, resumed, to its files; then other budgets on it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
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
from edgenas.errors import ConfigError, StoreError, UnsupportedError
from edgenas.merging import merge
from edgenas.oneshot.frames import frame_of, is_in
from edgenas.oneshot.supernet import SupernetJob
from edgenas.pipeline import begun_with, check_method
from edgenas.problem_of import check_supernet, make_problem
from edgenas.search.covered import CoveredSpace
from edgenas.search.listener import PrintingListener
from edgenas.search.objective import Constraint
from edgenas.search.problem import Problem
from edgenas.search.searchers import RandomSearcher
from edgenas.search.supernet import OnSupernet, _seconds_for
from edgenas.search.supernet_plan import SupernetPlan, facts_of, weights_path
from edgenas.search.tuner import EdgeTuner
from edgenas.search.workshop import Workshop
from edgenas.store import Store
from edgenas.train.recipe import Recipe
from edgenas.train.weights import load_weights
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
    searcher.covered.frame = facts["frame"]
    specs = tuple(spec for _, spec in searcher._pool())
    job = SupernetJob(specs[-1], Recipe.from_json(facts["recipe"]), space=problem.space, specs=specs)

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
    page = (run / "report.html").read_text()
    assert "scored candidates" in page and "trained candidates" not in page
    assert "Trust in the scores" in page and "was trained once for this run" in page
    with Store.read(run) as store:
        for trial in store.trials():
            assert trial.result is not None and trial.result["scored_by"] == "supernet"
            assert trial.result["epochs"] == 0
            assert is_in(store.meta("supernet")["frame"], trial.spec)
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
        supernet=SupernetPlan(run=str(supernet)), listener=Quiet(), **more,
    )  # fmt: skip


def test_a_second_budget_and_another_searcher_train_nothing(
    run: Path, digits: Dataset, tmp_path: Path
) -> None:
    tuner = tuner_on(run, tmp_path, RAM / 2, searcher="regularized-evolution")
    tuner.search(digits)
    assert tuner.listener.epochs == 0  # type: ignore[attr-defined]
    assert weights_path(tuner.store.folder).read_bytes() == weights_path(run).read_bytes()
    assert tuner.store.meta("supernet")["run"] == str(run)
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
        assert [_seconds_for(workshop) for _ in range(2)] == [40.0, 40.0]


def _build(hp: Any) -> Any:
    import keras

    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    hp.Int("units", 1, 4)
    return keras.Sequential(layers)


def test_a_frame_in_which_no_network_is_found_again_keeps_those_that_are_known() -> None:
    """A budget that no network keeps stands for one that random networks hardly ever keep."""
    space = SPACES.get("micro")((8, 8, 1), 10)
    searcher = OnSupernet(Problem(space, StaticSource(), [Constraint("macs", 1)]), 0, kind=RandomSearcher)
    rng = np.random.default_rng(2)
    specs = [space.sample(rng) for _ in range(30)]
    known = [(spec.graph().macs, spec) for spec in specs]
    frame = frame_of(specs[0])
    expected = [one for one in known if is_in(frame, one[1])]
    assert searcher._pool_of(frame, known) == expected != known
    assert searcher.covered.frame == frame


def test_a_covered_space_keeps_its_frame() -> None:
    space = CoveredSpace(SPACES.get("micro")((8, 8, 1), 10))
    rng = np.random.default_rng(1)
    frame = space.frame = frame_of(space.sample(rng))
    assert {"stages", "stem_stride", "s1_stride"} <= set(frame)
    found = [space.sample(rng) for _ in range(10)]
    found += [space.mutate(spec, rng) for spec in found] + [space.crossover(*found[:2], rng)]
    assert all(is_in(frame, spec) for spec in found)
    assert not all(is_in(frame, space.space.sample(rng)) for _ in range(10))
    assert len({spec.arch_id for spec in found}) > 15


def test_a_covered_space_gives_what_is_covered() -> None:
    space = CoveredSpace(SPACES.get("micro")((8, 8, 1), 10))
    space.covers = lambda spec: spec.choices["stages"] == 2
    rng = np.random.default_rng(0)
    spec = space.sample(rng)
    for _ in range(20):
        spec = space.mutate(space.crossover(spec, space.sample(rng), rng), rng)
        assert spec.choices["stages"] == 2
