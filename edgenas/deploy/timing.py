"""How long a bundle's files take on this machine: a short measurement that says when it is noisy."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from edgenas.captured import captured
from edgenas.cost.types import Cost
from edgenas.deploy.proof import Timed
from edgenas.profile import agent
from edgenas.profile.protocol import Measurement, Program, Protocol, summarized
from edgenas.profile.synthesize import tiny_model

SHORT = Protocol(bursts=6, rounds=60, limit_s=0.5)
"""Fewer bursts than a measurement for a table: half a second a runtime at most."""

ROUGH_RUNS = 15
RUNTIMES = {"tflite": "litert", "onnx": "onnxruntime"}


def time_files(files: Mapping[str, bytes], cost: Cost | None) -> tuple[Timed, ...]:
    """Measure files on one thread of this machine.

    Args:
        files: Content by name in the bundle; the end of the name tells the runtime.
        cost: What was predicted, to stand beside it where it is for this machine.
    """
    found: list[Timed] = []
    for ending, runtime in RUNTIMES.items():
        names = [name for name in files if name.endswith(ending)]
        if not names:
            continue
        with captured(), agent.one_core():
            programs = [agent.load_program(runtime, files[name], 1) for name in names]
            timed = _timed(programs, runtime, ending)
        found += [
            Timed(name, runtime, latency_ms, bool(note), _predicted(cost, name, runtime), note)
            for name, (latency_ms, note) in zip(names, timed, strict=True)
        ]
    return tuple(found)


def _timed(programs: Sequence[Program], runtime: str, ending: str) -> list[tuple[float, str]]:
    """Milliseconds of each program, and why the figure is noisy or nothing."""
    sentinel = agent.Sentinel(agent.load_program(runtime, tiny_model(ending), 1))
    bursts = agent.time_bursts(programs, sentinel, asdict(SHORT))
    told = [summarized(one, SHORT) for one in bursts]
    return [
        (one.latency_ms, "") if isinstance(one, Measurement) else (_rough(program), one)
        for one, program in zip(told, programs, strict=True)
    ]


def _rough(program: Program) -> float:
    """The median of a few runs, in milliseconds."""
    times = []
    for _ in range(ROUGH_RUNS):
        start = time.perf_counter_ns()
        program()
        times.append(time.perf_counter_ns() - start)
    return float(np.median(times)) / 1e6


def _predicted(cost: Cost | None, name: str, runtime: str) -> float | None:
    """What was predicted for this very file on this machine."""
    precision = name.split(".")[1]
    if cost is None or (cost.device, cost.runtime, cost.precision) != ("host", runtime, precision):
        return None
    return cost.latency_ms
