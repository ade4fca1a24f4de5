"""Calibrating a device from a few measured networks: the nearest known device is adapted to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec
from edgenas.cost.adapting import (
    Measurements,
    adapted,
    errors,
    evidence,
    half_widths,
    left_out,
    measurements_needed,
    planner,
    widened,
)
from edgenas.cost.kernel_features import Floats
from edgenas.cost.kernel_sets import APPLICATION, MICROCONTROLLER, KernelSet
from edgenas.cost.predictor import MINE, Predictor
from edgenas.errors import ConfigError
from edgenas.profile.device import Device, core_id
from edgenas.profile.runtimes import RUNTIMES
from edgenas.profile.sources import read_filed
from edgenas.resources import shipped
from edgenas.whole import write_whole

Network = tuple[str, OpGraph, float]
"""Name, graph and measured milliseconds."""

INT8 = "int8"
WANTED = 0.10
"""Half of the interval that a calibration works towards, as a share of the latency."""
POOL = 200
"""Networks of a space among which the next to measure are chosen."""


@dataclass(frozen=True)
class Calibration:
    """What a few measurements made of the nearest known device.

    Attributes:
        predictor: Of the device.
        nearest: Device or core that was adapted, with its runtime.
        before: Relative error on each measured network as the nearest known device has it.
        after: The same once calibrated, each network predicted from the others.
        half_width: Half of the interval of a typical network of the pool, as a share of its latency.
        needed: How many more measurements bring nine in ten of the pool under `WANTED`; None when 50
            do not.
        measured: How many networks were measured.
    """

    predictor: Predictor
    nearest: str
    before: tuple[float, ...]
    after: tuple[float, ...]
    half_width: float
    needed: int | None
    measured: int


def measurements(networks: Sequence[Network], counted: KernelSet) -> Measurements:
    """From networks to what a calibration learns from.

    Raises:
        ConfigError: There is none, or a latency is not above 0.
    """
    if not networks:
        raise ConfigError("no measurement was given; expected one row for each measured network")
    for name, _, latency_ms in networks:
        if not 0 < latency_ms < float("inf"):
            raise ConfigError(f"network '{name}' has {latency_ms} milliseconds; expected a number above 0")
    graphs = [graph for _, graph, _ in networks]
    return Measurements(
        tuple(name for name, _, _ in networks),
        counted.of_networks(graphs),
        _macs(graphs),
        np.array([latency_ms for _, _, latency_ms in networks]),
    )


def calibrate(
    device: Device, runtime: str, networks: Sequence[Network], pool: Sequence[OpGraph] = ()
) -> Calibration:
    """Adapt the known device that foretells the measurements best.

    Args:
        device: Must state its clock.
        networks: What was measured on it.
        pool: Networks whose latency is wanted; none takes the measured ones.

    Raises:
        ConfigError: The device has no clock, a latency is not above 0, or no predictor is known.
    """
    if device.clock_mhz is None:
        raise ConfigError(f"device '{device.id}' has no clock_mhz; add it to its file, with its source")
    core, found = core_id(device.core), []
    for known in known_predictors(runtime):
        prior = widened(known, device.id, core, runtime, device.clock_mhz)
        measured = measurements(networks, known.counted)
        found.append((evidence(prior, measured), known, prior, measured))
    _, known, prior, measured = max(found, key=lambda entry: entry[0])
    nearest = f"{known.device}/{known.runtime}"
    before = errors(replace(known, clock_mhz=device.clock_mhz), measured)
    after, residuals = left_out(prior, measured)
    predictor = _described(adapted(prior, measured), nearest, measured, after)
    graphs = list(pool) or [graph for _, graph, _ in networks]
    counts = predictor.counted.of_networks(graphs)
    return Calibration(
        predictor,
        nearest,
        tuple(before),
        tuple(after),
        float(np.median(half_widths(predictor, counts, _macs(graphs)))),
        measurements_needed(predictor, residuals, counts, WANTED),
        len(networks),
    )


def known_predictors(runtime: str) -> list[Predictor]:
    """Shipped predictors of int8 networks with the runtime; all of the same kind of core where none has it.

    Raises:
        ConfigError: None of that kind is shipped.
    """
    kind = APPLICATION if RUNTIMES.get(runtime).threaded else MICROCONTROLLER
    found = []
    for path in sorted(shipped("latency_tables").glob("*/*.json")):
        filed = read_filed(path)
        if isinstance(filed, Predictor) and (filed.kernel_set, filed.precision) == (kind, INT8):
            found.append(filed)
    if not found:
        raise ConfigError("no predictor is installed to start from; install edgenas with its latency_tables")
    return [one for one in found if one.runtime == runtime] or found


def drops_constants(runtime: str) -> bool:
    """Whether a runtime leaves out constant channels, as far as a shipped predictor of it says."""
    return any(one.drops_constants for one in known_predictors(runtime) if one.runtime == runtime)


def candidates(space: SearchSpace, seed: int = 0) -> list[ArchSpec]:
    """Different networks of a space to choose measurements from."""
    rng = np.random.default_rng(seed)
    found = {spec.arch_id: spec for spec in (space.sample(rng) for _ in range(POOL))}
    return list(found.values())


def propose(calibration: Calibration, graphs: Sequence[OpGraph], count: int) -> list[int]:
    """Places of the networks whose measurement narrows the others' intervals most, best first."""
    counts = calibration.predictor.counted.of_networks(list(graphs))
    return planner(calibration.predictor, calibration.measured).next_measurements(counts, count)


def write_device(calibration: Calibration, device_file: Path, folder: Path) -> Path:
    """Write a folder with the device file and its predictor, for ``--device FOLDER/ID.toml``.

    Raises:
        ConfigError: The place cannot be written to.
    """
    predictor = calibration.predictor
    target = folder / f"{predictor.device}.toml"
    predictor.save(folder / predictor.device / f"{predictor.runtime}.json")
    try:
        if not (target.exists() and target.samefile(device_file)):
            write_whole(target, device_file.read_text(encoding="utf-8"), "device file")
    except OSError as error:
        raise ConfigError(f"{target} cannot be written ({error.strerror}); give another --out") from None
    return target


def write_specs(specs: Sequence[ArchSpec], folder: Path) -> list[Path]:
    """Write each spec as ``next-1-<id>.json``, for ``edgenas estimate`` and the builder.

    Raises:
        ConfigError: The place cannot be written to.
    """
    paths = [folder / f"next-{place}-{spec.arch_id}.json" for place, spec in enumerate(specs, 1)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, spec in zip(paths, specs, strict=True):
            write_whole(path, json.dumps(spec.to_json(), indent=1) + "\n", "spec")
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to ({error.strerror}); give another --out") from None
    return paths


def _described(
    predictor: Predictor, nearest: str, measured: Measurements, after: Sequence[float]
) -> Predictor:
    count = len(measured.names)
    mean_error = float(np.mean(np.abs(after)))
    return replace(
        predictor,
        basis=MINE,
        how=f"{nearest} adapted to {count} networks measured by the user, {date.today().isoformat()}",
        validation={"left out": "one network of the user's", "networks": count, "mean_error": mean_error},
        measurements=tuple(
            {"network": name, "latency_ms": float(latency_ms), "source": "measured by the user"}
            for name, latency_ms in zip(measured.names, measured.latency_ms, strict=True)
        ),
    )


def _macs(graphs: Sequence[OpGraph]) -> Floats:
    return np.array([graph.macs for graph in graphs], dtype=float)
