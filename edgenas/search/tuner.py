"""EdgeTuner: keras-tuner's Tuner with devices, budgets and a Pareto front."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine import trial as kt_trial

from edgenas.cost.static import StaticSource
from edgenas.cost.types import CostSource
from edgenas.data.dataset import Dataset
from edgenas.data.load import from_arrays
from edgenas.distribute import Executor
from edgenas.distribute.chief_role import alone
from edgenas.distribute.chief_worker import work
from edgenas.errors import ConfigError, TrialError
from edgenas.records import TrialRecord, comparable
from edgenas.search.apart import executor_for, open_store, results_in, role_of
from edgenas.search.begun import begin, earlier_knowledge
from edgenas.search.curves import Curves, was_cut_off
from edgenas.search.fidelity import Ladder
from edgenas.search.handover import export_trial
from edgenas.search.hypermodel import HyperModelSpace, SpaceHyperModel, as_space
from edgenas.search.listener import PrintingListener, SearchListener
from edgenas.search.objective import VAL_ERROR, Constraint, format_metric
from edgenas.search.oracle import ParetoOracle
from edgenas.search.problem import Candidate, Problem, check_budgets
from edgenas.search.proposer import Guidance
from edgenas.search.results import front_of, trial_point
from edgenas.search.supernet_plan import SupernetPlan
from edgenas.search.transfer import Earlier, gained
from edgenas.search.workshop import Workshop
from edgenas.store import Store
from edgenas.task import CLASSIFICATION, epoch_error, error_words
from edgenas.train.job import Job, fresh_model
from edgenas.train.pool import Place, TrainingPool
from edgenas.train.recipe import Recipe, search_recipe
from edgenas.train.trainer import TrainResult
from edgenas.train.weights import load_weights


class EdgeTuner(keras_tuner.Tuner):
    """Searches for the front of accuracy against device cost; trains in a process of its own.

    The usual Tuner methods work: `search`, `results_summary`, `get_best_models`, callbacks, and a
    second EdgeTuner on the same folder goes on where the first stopped. Added are
    `pareto_front` and `export`.

    Args:
        hypermodel: A `SearchSpace`, or your own ``build(hp)`` function or keras-tuner HyperModel.
        cost_source: Predicts device costs; static costs (RAM, flash, MACs) without one.
        constraints: Budgets, for example ``[Constraint("peak_ram_bytes", 32 * 1024)]``.
        objectives: What is minimized; ``val_error`` and one or more costs.
        searcher: Name of a registered searcher; None takes ``front`` for a `SearchSpace` and
            ``regularized-evolution`` for a build function, whose models are too slow to build by the
            thousand.
        seed: One seed gives one sequence of trials.
        max_trials: Trials to train, or None for no limit.
        seconds_left: Called before each trial; the search stops at zero or less.
        directory: Folder that the run folder is made in.
        project_name: Name of the run folder.
        overwrite: Start anew in a folder that holds a run.
        store: An open store instead of ``directory`` and ``project_name``.
        listener: Told what happens; None prints a line a trial.
        workers: Trainings at the same time, each in a process of its own.
        earlier: Folder of an earlier run of the same space to learn from.
        halving: Successive halving: what short trainings cut, ``epochs``, ``images`` or
            ``resolution`` (`edgenas.search.fidelity`); None trains every candidate in full.
        stop_curves: Whether to stop trainings whose learning curve cannot reach the front any more.
        proxy: Name of a training-free proxy that chooses the first candidates and screens later ones
            (docs/proxies.md), or None.
        inherit: Share of a full training that a child with its parent's weights gets
            (docs/inheritance.md); None trains every candidate from random weights.
        executor: Where trainings run, entered already; None trains on this machine.
        supernet: Where a supernet comes from that scores candidates (`edgenas.search.supernet`), for any
            searcher; None has one for searcher ``one-shot`` only.
        task: ``classification``, ``regression`` or ``anomaly`` (`edgenas.task`): what the outputs are for,
            and so what ``val_error`` is and what a model that is not compiled learns.

    Raises:
        BudgetError: Nothing in the space fits the budgets.
        UnsupportedError: The build function's model has a layer without a cost.
        StoreError: The run folder is in use or cannot be written.
    """

    def __init__(
        self,
        hypermodel: Any,
        *,
        cost_source: CostSource | None = None,
        constraints: Sequence[Constraint] = (),
        objectives: Sequence[str] = (VAL_ERROR, "macs"),
        searcher: str | None = None,
        seed: int = 0,
        max_trials: int | None = 30,
        seconds_left: Callable[[], float] | None = None,
        directory: str | Path = "runs",
        project_name: str = "edge_tuner",
        overwrite: bool = False,
        store: Store | None = None,
        listener: SearchListener | None = None,
        workers: int = 1,
        earlier: str | Path | None = None,
        halving: str | None = None,
        stop_curves: bool = False,
        proxy: str | None = None,
        inherit: float | None = None,
        executor: Executor | None = None,
        supernet: SupernetPlan | None = None,
        task: str = CLASSIFICATION.name,
    ) -> None:
        self.role = role_of(executor, store)
        self.workers = workers
        self.executor = executor or executor_for(self.role)
        self.ladder = Ladder(halving) if halving else None
        self.stop_curves = stop_curves
        self._here, self.seed = threading.local(), seed
        self.space = as_space(hypermodel, task)
        self.problem = Problem(self.space, cost_source or StaticSource(), constraints, objectives, task)
        check_budgets(self.problem, seed)
        self._folder = store.folder if store else Path(directory) / project_name
        self._owns_store = store is None
        self.store = store or open_store(self._folder, overwrite, self.role)
        self.listener: SearchListener = listener or PrintingListener()
        self._own_hypermodel = self.space.hypermodel if isinstance(self.space, HyperModelSpace) else None
        searcher = searcher or ("regularized-evolution" if self._own_hypermodel else "front")
        if self._own_hypermodel and halving == "resolution":
            raise ConfigError("a build function's model has one input size; halve epochs or images instead")
        self._guidance = Guidance(proxy, inherit, supernet)
        self._guidance.check(searcher, halving, stop_curves, self._own_hypermodel, type(self.executor))
        proposer, self.kin = self._guidance.proposer(searcher, self.problem, seed, self.store, self.ladder)
        self._knowledge = earlier_knowledge(self.store, earlier)
        self.earlier = Earlier(self._knowledge, self.problem) if self._knowledge else None
        if self.earlier:
            proposer.learn_from(self.earlier)
        oracle = ParetoOracle(
            proposer,
            self.store,
            max_trials=max_trials,
            seconds_left=seconds_left,
            workers=workers,
        )
        self._pool: TrainingPool | None = None
        self._dataset: Dataset | None = None
        built, place = self._own_hypermodel or SpaceHyperModel(self.space), self.store.folder
        with alone():
            super().__init__(oracle, built, directory=str(place.parent), project_name=place.name)

    def _populate_initial_space(self) -> None:
        """Nothing: a space says what it chooses when a candidate is decided."""

    def search(
        self,
        x: Any,
        y: Any = None,
        *,
        validation_data: Any = None,
        test_data: Any = None,
        epochs: int | None = None,
        recipe: Recipe | None = None,
        callbacks: Sequence[Any] = (),
    ) -> None:
        """Train candidates until the trials, the time or the space are used up.

        Examples are normalized (`edgenas.data.dataset.Normalization`) before a network sees them.

        Args:
            x: A `Dataset` (`edgenas.data.from_arrays` makes one of any kind), or images of shape
                (n, height, width, channels).
            y: int labels of shape (n,), or what the task has instead; not with a Dataset.
            validation_data: (x, y); cut from the data by seed if left out.
            test_data: (x, y), never seen by the search; cut from the data by seed if left out.
            epochs: Epochs per candidate, or None for the default.
            recipe: The whole training recipe instead.
            callbacks: Keras callbacks; copies of them run in the training process.

        Raises:
            DataError: The data cannot be trained on.
            StoreError: Another process searches in this folder, or it was begun with other data.
            ConfigError: Callbacks were given where a supernet scores.
            EdgenasError: Five trainings in a row failed; the message has the last reason.
        """
        dataset = self._data(x, y, validation_data, test_data)
        recipe = recipe or search_recipe(
            len(dataset.train), epochs=epochs, seed=self.seed, task=dataset.task.name
        )
        if self.ladder:
            self.ladder.check(self.space.input_shape, recipe)
        self._guidance.refuse_callbacks(self.oracle.searcher, callbacks)
        self._dataset = dataset
        if self.role and not self.role.is_chief:
            work(self.role, dataset, self._own_hypermodel, tuple(callbacks))
            self.store = self.oracle.store = results_in(self._folder, self.store)
            self.oracle.catch_up()
            return
        with ExitStack() as stack:
            if self._owns_store:
                self.store.acquire()
                stack.callback(self.store.release)
                self.oracle.catch_up()
            fidelity = self._guidance.fidelity(self.oracle.searcher, self.ladder, self.stop_curves)
            begin(self.store, self.problem, dataset, self.seed, fidelity, self._knowledge)
            if self.role:
                stack.enter_context(self.executor)
                stack.enter_context(alone())
            self.oracle.searcher.prepare(self._workshop(dataset, recipe))
            log = self.store.folder / "training.log"
            places = self.executor.places(dataset, log, self.workers)
            self._pool = stack.enter_context(TrainingPool(places))
            self.oracle.baton = self._pool.baton
            self._pool.each(lambda place: self._search_with(place, recipe, tuple(callbacks)))
            if self.earlier:
                self.store.set_meta(gained=gained(self.earlier, self.problem, self.store.outcomes()))

    def _data(self, x: Any, y: Any, validation_data: Any, test_data: Any) -> Dataset:
        task = self.problem.task
        dataset = (
            x
            if isinstance(x, Dataset)
            else from_arrays(x, y, validation_data, test_data, seed=self.seed, task=task)
        )
        if dataset.task.name != task:
            raise ConfigError(
                f"data for {dataset.task.name} were given to a tuner for {task}; expected "
                f"EdgeTuner(..., task='{dataset.task.name}')"
            )
        if dataset.input_shape != self.space.input_shape and self._own_hypermodel:
            raise ConfigError(
                f"{dataset.kind_of.many} of shape {dataset.input_shape} were given, the build function's "
                f"model reads {self.space.input_shape}; make its keras.Input the shape of the data"
            )
        return dataset

    def _workshop(self, dataset: Dataset, recipe: Recipe) -> Workshop:
        left = self.oracle.seconds_left
        return Workshop(self.store, dataset, recipe, self.listener, self.executor, left, self._here_and_now)

    def _here_and_now(self, job: Job) -> TrainResult | None:
        """Do a job in this thread's place while all others wait; None before the search began."""
        place = getattr(self._here, "place", None)
        return None if place is None else place.run(job, lambda entry: None)

    def _search_with(self, place: Place, recipe: Recipe, callbacks: tuple[Any, ...]) -> None:
        """keras-tuner's own loop, in the thread of one place."""
        self._here.place = place
        super().search(recipe, callbacks)

    @property
    def tuner_id(self) -> str:
        """keras-tuner's name of a worker, another one in each thread of a search."""
        place = getattr(self._here, "place", None)
        number = self._pool.places.index(place) if self._pool and place else 0
        return f"{self._tuner_id}-{number}" if number else self._tuner_id

    @tuner_id.setter
    def tuner_id(self, name: str) -> None:
        self._tuner_id = name

    def pre_create_trial(self) -> None:
        """End this thread if another one failed."""
        self.oracle.baton.check()

    def run_trial(self, trial: Any, recipe: Recipe, callbacks: tuple[Any, ...]) -> dict[str, float]:
        """Train one candidate in the training process and write it to the store.

        Raises:
            TrialError: The training failed; it is in the store with its reason.
        """
        assert self._pool is not None and self._dataset is not None
        record = self.store.trial(trial.trial_id)
        own_recipe = replace(recipe, seed=recipe.seed * 100_003 + record.position)
        spec = record.spec
        if self.ladder:
            spec, own_recipe = self.ladder.training(spec, own_recipe, record.fidelity)
        heritage = None
        if self.kin and record.parent:
            record, own_recipe, heritage = self.kin.inherit(record, own_recipe)
        curves = self._curves(record)
        cutoffs = curves.cutoffs(self.problem, Candidate(record.spec, record.cost)) if curves else ()
        weights = self.store.weights_path(record.trial_id)
        job = Job(
            spec, own_recipe, weights, self._own_hypermodel, callbacks, cutoffs,
            limits=self.executor.allotment.limits, task=self._dataset.task,
            heritage=heritage,
        )  # fmt: skip
        self.listener.trial_began(record)
        try:
            evaluation = self.oracle.searcher.evaluation(job)
            self._pool.meanwhile(self.oracle.look_ahead)
            result = self._pool.train(self._here.place, evaluation, self.listener.epoch_ended)
        except TrialError as error:
            self.store.fail_trial(record.trial_id, str(error), own_recipe.to_json())
            raise
        if curves and was_cut_off(result, cutoffs):
            self._stopped(record, own_recipe, result, curves)
        else:
            self.store.finish_trial(record.trial_id, own_recipe.to_json(), asdict(result))
        return {VAL_ERROR: result.error}

    def _curves(self, record: TrialRecord) -> Curves | None:
        """The learning curves that a trial's proposal had seen, if they may stop it."""
        if not self.stop_curves:
            return None
        return Curves(self.store.trials()[: self.oracle.seen_by(record.position)], record.fidelity)

    def _stopped(self, record: TrialRecord, recipe: Recipe, result: TrainResult, curves: Curves) -> None:
        errors = [error for entry in result.history if (error := epoch_error(entry)) is not None]
        reason = (
            f"stopped after {result.epochs} of {recipe.epochs} epochs at validation "
            f"{error_words(asdict(result))}: it could not reach the front any more"
        )
        told = {**asdict(result), "expected_val_error": curves.expected(errors)}
        self.store.stop_trial(record.trial_id, reason, recipe.to_json(), told)

    def _try_run_and_update_trial(self, trial: Any, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Only a TrialError fails a trial; keras-tuner would also swallow a full disk."""
        try:
            self._run_and_update_trial(trial, *fit_args, **fit_kwargs)
            trial.status = kt_trial.TrialStatus.COMPLETED
        except TrialError as error:
            trial.status = kt_trial.TrialStatus.FAILED
            trial.message = str(error)

    def on_trial_end(self, trial: Any) -> None:
        """Tell oracle and listener."""
        started = time.perf_counter()
        self.oracle.end_trial(trial)
        if self.kin:
            self.kin.calibrate()
        refused = sum(self.oracle.searcher.refused.values())
        self.listener.trial_ended(self.store.trial(trial.trial_id), refused)
        self.oracle.own_seconds += time.perf_counter() - started
        self.store.set_meta(own_seconds=self.oracle.own_seconds)

    def save(self) -> None:
        """Nothing: the store has everything already."""

    def reload(self) -> None:
        """Nothing: the oracle has replayed the store."""

    def pareto_front(self) -> list[TrialRecord]:
        """The trained candidates that no other one beats in every objective, cheapest first."""
        return front_of(self.problem, self.store.trials())

    def load_model(self, trial: Any) -> Any:
        """The trained Keras model of a trial (keras-tuner's Trial or a `TrialRecord`)."""
        record = self.store.trial(trial.trial_id)
        model = fresh_model(record.spec, self._own_hypermodel)
        model.set_weights(load_weights(self.store.weights_path(record.trial_id)))
        return model

    def results_summary(self, num_trials: int = 10) -> None:
        """Print the front, then the most accurate trials."""
        front = {record.trial_id for record in self.pareto_front()}
        done = sorted(
            comparable(self.store.trials()),
            key=lambda record: (record.trial_id not in front, record.val_error),
        )
        print(f"{len(done)} trained, {len(front)} on the front, refused {self.store.refusals() or 'none'}")
        for record in done[:num_trials]:
            point = trial_point(self.problem, record)
            figures = ", ".join(
                f"{name} {format_metric(name, value)}"
                for name, value in zip(self.problem.objectives[1:], point[1:], strict=True)
            )
            print(
                f"{'*' if record.trial_id in front else ' '} {record.trial_id}  "
                f"{error_words(record.result or {})}, {figures}"
            )

    def export(self, out_dir: str | Path, trial_id: str | None = None) -> list[Path]:
        """Quantize, export and verify a trial, or the whole front, with the weights of the search.

        Args:
            out_dir: Folder that gets one folder a trial.
            trial_id: One trial, or None for the front.

        Returns:
            The folders written.

        Raises:
            ConfigError: Called before `search`, which brings the data to calibrate and verify with.
            ParityError: An artifact does not agree with its Keras model.
        """
        if self._dataset is None:
            raise ConfigError("export was called before search; it needs the data to calibrate with")
        chosen = [self.store.trial(trial_id)] if trial_id else self.pareto_front()
        folders = []
        for record in chosen:
            folder = Path(out_dir) / record.trial_id
            export_trial(self.store, record, self._dataset, folder, hypermodel=self._own_hypermodel)
            folders.append(folder)
        return folders
