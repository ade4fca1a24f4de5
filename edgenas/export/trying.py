"""Every scheme tried on a network: its files made, run on validation images, and judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.build.own_twin import own_network
from edgenas.build.read_keras import graph_from_keras
from edgenas.build.twin import named_weights
from edgenas.errors import ParityError, TrialError, UnsupportedError
from edgenas.export.apart import made_apart
from edgenas.export.making import Made, file_name, make, usual_name
from edgenas.export.micro import measured_arena
from edgenas.export.parity import MOST_IMAGES
from edgenas.export.running import load_tflite
from edgenas.export.schemes import Latency, SchemePlan, SchemeResult, compressed_bytes, judged
from edgenas.export.task_parity import parity_of
from edgenas.quantize import SCHEMES
from edgenas.quantize.mixed import run_litert
from edgenas.quantize.scheme import STANDARD, Material, Network
from edgenas.quantize.sensitivity import Selective, sensitivities
from edgenas.task import CLASSIFICATION, Task

MUCH_LOST = 0.005
"""Validation accuracy that int8 may lose before the layer that loses it is looked for."""

FEWEST_LOST = 3
"""So many images must be lost: fewer are chance."""


@dataclass(frozen=True)
class Tried:
    """What came of the schemes.

    Attributes:
        results: One for each scheme, in the order asked for.
        made: The files, by scheme.
        adopted: The scheme of ``model.int8.*``.
    """

    results: tuple[SchemeResult, ...]
    made: Mapping[str, Made]
    adopted: str

    @property
    def adopted_accuracy(self) -> float:
        """Validation accuracy of ``model.int8.tflite``."""
        return next(one.accuracy or 0.0 for one in self.results if one.scheme == self.adopted)

    def files(self) -> Iterator[tuple[str, bytes, Made]]:
        """Name and content of the files that are kept, and what they come from; not the float32 ones."""
        for result in self.results:
            for name in result.files if result.scheme != "float32" else ():
                made = self.made[result.scheme]
                content = made.tflite if name.endswith(".tflite") else made.onnx
                if content is not None:
                    yield name, content, made


def tried_schemes(
    names: Sequence[str],
    network: Network,
    material: Material,
    float32: bytes,
    plan: SchemePlan,
    task: Task = CLASSIFICATION,
) -> Tried:
    """Try schemes on a network.

    Args:
        names: Names of schemes, `STANDARD` among them.
        network: The trained network; its graph is read from the model where a scheme needs it.
        material: What schemes may use; its validation images judge them.
        float32: The float32 ``.tflite`` file.
        plan: The device's runtime and latencies, and what is kept.
        task: What the network is for; its error judges them.

    Raises:
        ParityError: No int8 file agrees with its Keras model.
        UnsupportedError: The network cannot be converted to int8.
    """
    assert material.validation is not None
    made, reasons = _made(names, network, material, float32, plan.runtime, task)
    results, graph = [], known_graph(network)
    for name in names:
        if name not in made:
            results.append(SchemeResult(name, reason=reasons[name][0]))
            continue
        try:
            results.append(_measured(made[name], graph, material, plan.latency, task))
        except ParityError as error:
            reasons[name] = (str(error), error)
            results.append(SchemeResult(name, reason=str(error), facts=made.pop(name).facts))
    same_cost = [name for name in names if SCHEMES.get(name).same_cost]
    results = judged(results, same_cost)
    adopted = next((one.scheme for one in results if one.adopted), None)
    if adopted is None:
        raise reasons[STANDARD][1] or ParityError(reasons[STANDARD][0])
    kept = tuple(_with_files(one, made, plan.keep_all) for one in results)
    return Tried(kept, made, adopted)


def _made(
    names: Sequence[str],
    network: Network,
    material: Material,
    float32: bytes,
    runtime: str | None,
    task: Task,
) -> tuple[dict[str, Made], dict[str, tuple[str, Exception | None]]]:
    """The files by scheme, and why there are none."""
    assert material.validation is not None
    images = _compared(material, task)
    made: dict[str, Made] = {}
    reasons: dict[str, tuple[str, Exception | None]]
    unfit = {name: SCHEMES.get(name)().task_obstacle(task) for name in names}
    reasons = {name: (why, None) for name, why in unfit.items() if why}
    training = [name for name in names if SCHEMES.get(name).trains and name not in reasons]
    weights: Mapping[str, Any] = {}
    if training:
        network, weights, reason = _trainable(network)
        reasons |= dict.fromkeys(training if reason else (), (reason or "", None))
    for name in names:
        scheme = SCHEMES.get(name)()
        obstacle = None if name == STANDARD else scheme.why_not(network.graph, runtime)
        if obstacle and name not in reasons:
            reasons[name] = (obstacle, None)
        if name in reasons or name in training:
            continue
        try:
            made[name] = make(scheme, network, material, images, float32)
        except (ParityError, UnsupportedError, TrialError) as error:
            reasons[name] = (str(error), error)
    waiting = [name for name in training if name not in reasons]
    if waiting:
        material.splits(waiting[0])
        assert network.graph is not None
        for name, found in _apart(waiting, network.graph, weights, material, images).items():
            if isinstance(found, Made):
                made[name] = found
            else:
                reasons[name] = (found, None)
    return made, reasons


def _compared(material: Material, task: Task) -> np.ndarray:
    """Held-back inputs that files are compared with Keras on; a figure of another task needs all."""
    assert material.validation is not None
    images = material.validation[0]
    return images[:MOST_IMAGES] if task == CLASSIFICATION else images


def _apart(
    names: Sequence[str], graph: OpGraph, weights: Mapping[str, Any], material: Material, images: np.ndarray
) -> Mapping[str, Made | str]:
    """What the schemes that train made; a process that dies fails these schemes only."""
    try:
        return made_apart(names, graph, weights, material, images)
    except TrialError as error:
        return dict.fromkeys(names, str(error))


def known_graph(network: Network) -> OpGraph | None:
    """The operations of a network, or None where one of its layers has no cost."""
    if network.graph is not None:
        return network.graph
    try:
        return graph_from_keras(network.model)
    except UnsupportedError:
        return None


def _trainable(network: Network) -> tuple[Network, Mapping[str, Any], str | None]:
    """The network with its graph and the weights of its tf_keras twin, or why there is none."""
    if network.graph is not None:
        return network, named_weights(network.model), None
    try:
        graph, weights = own_network(network.model)
    except UnsupportedError as error:
        return network, {}, str(error)
    return replace(network, graph=graph), weights, None


def _measured(
    made: Made, known: OpGraph | None, material: Material, latency: Latency, task: Task
) -> SchemeResult:
    """Figures and costs of a scheme.

    Raises:
        ParityError: The file does not agree with the scheme's Keras model.
    """
    assert material.validation is not None
    program = load_tflite(made.tflite)
    outputs, name = program.run(material.validation[0]), usual_name(made.scheme, "tflite")
    parity_of(task, name, made.precision, outputs, made.reference, material.validation, step=program.step)
    figures = task.figures(outputs, *material.validation)
    graph, arena = made.graph or known, measured_arena(made.tflite)
    return SchemeResult(
        scheme=made.scheme,
        accuracy=figures.get("accuracy"),
        metrics={} if task == CLASSIFICATION else figures,
        error=task.error(figures),
        flash_bytes=len(made.tflite),
        compressed_bytes=compressed_bytes(made.tflite),
        peak_ram_bytes=None if arena is None else arena[0],
        latency_ms=None if graph is None else latency(graph, made.precision),
        facts=made.facts,
    )


def _with_files(result: SchemeResult, made: Mapping[str, Made], keep_all: bool) -> SchemeResult:
    """A result with the names of its files: ``model.int8.*`` for what was adopted; float32 always has."""
    wanted = result.adopted or result.on_front or keep_all or result.scheme == "float32"
    if result.scheme not in made or not wanted:
        return result
    endings = ["tflite", *(["onnx"] if made[result.scheme].onnx is not None else [])]
    stem = "int8" if result.adopted else result.scheme
    return replace(result, files=tuple(file_name(stem, ending) for ending in endings))


def sensitivity_of(
    network: Network, material: Material, lost: float, *, asked: bool
) -> tuple[Mapping[str, Any], ...] | None:
    """What each layer costs in int8, where much is lost or it was asked for; else None."""
    assert material.validation is not None
    much = lost > MUCH_LOST and round(lost * len(material.validation[0])) >= FEWEST_LOST
    if not (asked or much):
        return None
    selective = Selective(network, material.calibration)
    found = sensitivities(selective, known_graph(network), material.validation, run_litert)
    return tuple(entry.to_json() for entry, _ in found)
