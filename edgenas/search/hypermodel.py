"""Bridges between keras-tuner's hyperparameters and edgenas' choosers, both ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, cast

import keras
import keras_tuner
import numpy as np

from edgenas.arch.chooser import Chooser, V
from edgenas.arch.graph import OpGraph, Shape
from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec, Value
from edgenas.build.builder import build_model
from edgenas.build.read_keras import graph_from_keras
from edgenas.errors import ConfigError, UsageError
from edgenas.task import CLASSIFICATION, TASKS

GRID = 10
"""Into how many values a hyperparameter without a step is divided."""

REMEMBERED = 256
"""How many graphs of built models are kept."""

BUILDS = 20
"""How often in a row a build function may raise an error before the search gives up."""


class HpChooser:
    """Asks keras-tuner's HyperParameters for the decisions of a space."""

    def __init__(self, hp: keras_tuner.HyperParameters) -> None:
        self.hp = hp
        self.values: dict[str, Value] = {}

    def choice(self, name: str, options: Sequence[V]) -> V:
        """One of ``options``, registered as a Choice (or Boolean) of that name."""
        if tuple(options) == (False, True):
            answer = self.hp.Boolean(name)
        else:
            answer = self.hp.Choice(name, list(options))
        self.values[name] = answer
        return cast(V, answer)

    def int(self, name: str, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return self.choice(name, range(low, high + 1))

    def flag(self, name: str) -> bool:
        """True or False."""
        return self.choice(name, (False, True))


class SpaceHyperModel(keras_tuner.HyperModel):
    """A search space as a keras-tuner HyperModel, for use with any keras-tuner Tuner."""

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(name=space.name)
        self.space = space

    def build(self, hp: keras_tuner.HyperParameters) -> Any:
        """The compiled Keras 3 model that the hyperparameters describe."""
        model = build_model(self.space.decide(HpChooser(hp)), keras)
        if self.space.head == "softmax":
            model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
        else:
            model.compile("adam", "mean_squared_error", jit_compile=False)
        return model


def options_of(hp: Any) -> tuple[Value, ...]:
    """The values that a keras-tuner hyperparameter may take; without a step, a grid of ten."""
    kind = type(hp).__name__
    if kind == "Fixed":
        return (hp.value,)
    if kind == "Boolean":
        return (False, True)
    if kind == "Choice" or getattr(hp, "step", None) is not None:
        return tuple(hp.values)
    grid = [hp.prob_to_value((position + 0.5) / GRID) for position in range(GRID)]
    return tuple(dict.fromkeys(grid))


class ChooserHyperParameters(keras_tuner.HyperParameters):
    """HyperParameters whose values a chooser decides the moment they are asked for."""

    def __init__(self, chooser: Chooser) -> None:
        super().__init__()
        self._chooser = chooser

    def _register(self, hyperparameter: Any, overwrite: bool = False) -> Any:
        if self.is_active(hyperparameter):
            answer = self._chooser.choice(hyperparameter.name, options_of(hyperparameter))
            self.values[hyperparameter.name] = answer
        return super()._register(hyperparameter, overwrite)


class HyperModelSpace(SearchSpace):
    """A user's own ``build(hp)`` function or HyperModel as a search space, costs included.

    Hyperparameters without a step are divided into ten values. Building the Keras model is the
    only way to know its operations, so a candidate takes some 0.1 s instead of 0.1 ms.

    Args:
        hypermodel: A function ``build(hp) -> keras.Model`` or a keras-tuner HyperModel.
        input_shape: (height, width, channels) of the data.
        classes: Number of classes, or of other outputs.
        head: What the task makes of the outputs; see `SearchSpace`.
    """

    name = "hypermodel"
    heads = ("softmax", "linear", "reconstruction")
    descent_steps = 50
    unshared = "a build function's model has no blocks whose choices edgenas knows"

    def __init__(self, hypermodel: Any, input_shape: Shape, classes: int, head: str = "softmax") -> None:
        super().__init__(input_shape, classes, head)
        self.hypermodel = hypermodel
        self._graphs: dict[str, OpGraph] = {}

    @property
    def build(self) -> Callable[[keras_tuner.HyperParameters], Any]:
        """The function that builds a model."""
        return cast(
            Callable[[keras_tuner.HyperParameters], Any], getattr(self.hypermodel, "build", self.hypermodel)
        )

    def decide(self, chooser: Chooser) -> ArchSpec:
        """Build the model once to see which hyperparameters it asks for.

        Raises:
            UnsupportedError: A layer has no cost.
            ConfigError: The model reads images of another shape than the data have.
        """
        graph = _graph_and_forget(self.build(ChooserHyperParameters(chooser)))
        if graph.input_shape != self.input_shape:
            raise ConfigError(
                f"the build function's model reads {graph.input_shape}, the data have {self.input_shape}; "
                "make its keras.Input that shape"
            )
        spec = ArchSpec(self.name, self.input_shape, self.classes, (), dict(chooser.values))
        self._remember(spec, graph)
        return spec

    def sample(self, rng: np.random.Generator) -> ArchSpec:
        """Random hyperparameters that the build function makes a model of."""
        return self._first_that_builds(super().sample, rng)

    def mutate(self, spec: ArchSpec, rng: np.random.Generator) -> ArchSpec:
        """The spec with one hyperparameter changed so that the build function still makes a model."""
        return self._first_that_builds(super().mutate, spec, rng)

    def crossover(self, first: ArchSpec, second: ArchSpec, rng: np.random.Generator) -> ArchSpec:
        """A child of two specs that the build function makes a model of."""
        return self._first_that_builds(super().crossover, first, second, rng)

    @staticmethod
    def _first_that_builds(draw: Callable[..., ArchSpec], *args: Any) -> ArchSpec:
        """Draw again where the build function raises an error (an image pooled away, for example).

        Raises:
            UsageError: It raised one `BUILDS` times in a row.
        """
        for _ in range(BUILDS):
            try:
                return draw(*args)
            except UsageError:
                raise
            except Exception as error:
                last = error
        raise UsageError(
            f"the build function failed for {BUILDS} choices in a row, the last time with "
            f"{type(last).__name__}: {last}; let it make a model of most choices"
        )

    def graph(self, spec: ArchSpec) -> OpGraph:
        """The operations of a spec; a model is built for one that `decide` has not seen lately."""
        if spec.arch_id not in self._graphs:
            hp = keras_tuner.HyperParameters()
            hp.values = dict(spec.choices)
            self._remember(spec, _graph_and_forget(self.build(hp)))
        return self._graphs[spec.arch_id]

    def _remember(self, spec: ArchSpec, graph: OpGraph) -> None:
        if len(self._graphs) >= REMEMBERED:
            self._graphs.pop(next(iter(self._graphs)))
        self._graphs[spec.arch_id] = graph


def _graph_and_forget(model: Any) -> OpGraph:
    """The operations of a model, and no trace of it in Keras: memory would grow with every model built.

    Python's own collection of garbage frees the model some time later. Asking for one each time, as
    Keras does by default, took four fifths of the time of a candidate.
    """
    graph = graph_from_keras(model)
    keras.backend.clear_session(free_memory=False)
    return graph


def as_space(hypermodel: Any, task: str = CLASSIFICATION.name) -> SearchSpace:
    """A search space as it is; a build function or HyperModel as a space of its own, for a task.

    The build function is called once to learn the input shape and the number of classes.

    Raises:
        UnknownNameError: There is no such task.
        ConfigError: The space's networks end otherwise than the task needs, or it is none.
    """
    head = TASKS.get(task).head
    if isinstance(hypermodel, SearchSpace):
        if hypermodel.head != head:
            raise ConfigError(
                f"a space whose networks end in {hypermodel.head} was given with task '{task}'; "
                "expected one made "
                f"with head='{head}'"
            )
        return hypermodel
    if not callable(hypermodel) and not hasattr(hypermodel, "build"):
        raise ConfigError(
            f"a {type(hypermodel).__name__} was given to EdgeTuner; expected a SearchSpace, a function "
            "build(hp) or a keras-tuner HyperModel"
        )
    build = getattr(hypermodel, "build", hypermodel)
    model = build(keras_tuner.HyperParameters())
    outputs = prod(model.output_shape[1:])
    return HyperModelSpace(hypermodel, tuple(model.input_shape[1:]), outputs, head)
