"""The predictor files that ship, from the rows and from what leaving networks and boards out showed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from microcontrollers_data import Row, drops_constants

from edgenas.cost.fitting import NOISE, HierarchicalFit, Reading, Target
from edgenas.cost.kernel_features import network_features
from edgenas.cost.predictor import PUBLIC, Energy, Predictor
from edgenas.profile.device import device_ids, load_device

FEWEST_NETWORKS = 3
"""Different networks of a core and runtime below which nothing is shipped."""
Judged = tuple[Row, float, float]
"""A row, the error of its prediction and the same in standard deviations."""

PROVENANCE = (
    "MLPerf Tiny v0.5 to v1.3, closed division, github.com/mlcommons/tiny_results_v*, Apache-2.0",
    "github.com/STMicroelectronics/stm32ai-modelzoo, READMEs of releases 1.3.0 and 2.0.0",
    "github.com/mit-han-lab/tinyengine, README, latencies on an STM32H743",
)


def write_files(
    rows: Sequence[Row], network_out: Sequence[Judged], board_out: Sequence[Judged], folder: Path
) -> None:
    """One file for each shipped device and runtime with data, one for each core and runtime."""
    fit = HierarchicalFit(
        [
            Reading(r.network, network_features(r.graph), r.latency_ms * r.clock_mhz * 1e3, r.target)
            for r in rows
        ]
    )
    runtimes = {runtime for device in device_ids() for runtime in load_device(device).runtimes}
    for core, runtime in sorted({(row.target.core, row.target.runtime) for row in rows}):
        inside = [row for row in rows if (row.target.core, row.target.runtime) == (core, runtime)]
        if runtime not in runtimes or len({row.network for row in inside}) < FEWEST_NETWORKS:
            continue
        save(predictor(fit, rows, inside, core, board_out), folder)
        for board in sorted({row.target.board for row in inside} & set(device_ids())):
            if runtime in load_device(board).runtimes:
                mine = [row for row in inside if row.target.board == board]
                save(predictor(fit, rows, mine, board, network_out), folder)


def predictor(
    fit: HierarchicalFit, rows: Sequence[Row], inside: Sequence[Row], name: str, judged: Sequence[Judged]
) -> Predictor:
    """The predictor of a device, or of a core where the name is a core's.

    Args:
        rows: All rows of the fit.
        inside: Those of the device or core with the runtime.
    """
    target = newest(inside).target
    board = name == target.board
    if not board:
        target = Target(target.runtime, target.release, target.core, "unseen")
    networks = len({row.network for row in inside})
    boards = sorted({row.target.board for row in inside})
    others = f"and on {len(rows) - len(inside)} measurements of other boards and runtimes"
    how = f"fitted on {len(inside)} measurements of {networks} networks on {', '.join(boards)} {others}"
    macs = [row.graph.macs for row in rows if row.target.runtime == target.runtime]
    return Predictor(
        name, target.core, target.runtime, target.release, "int8", PUBLIC, how, PROVENANCE,
        newest(inside).clock_mhz if board else None, fit.kernels(target), NOISE,
        interval_of([deviations for _, _, deviations in judged]), drops_constants(target),
        (min(macs), max(macs)),
        validation(inside, judged, "network" if board else "board"),
        power_of(inside) if board else None, tuple(map(described, inside)),
    )  # fmt: skip


def validation(inside: Sequence[Row], judged: Sequence[Judged], what: str) -> dict[str, Any]:
    """How rows of the file were predicted when their network, or board, was left out of the fit."""
    errors = np.abs([error for row, error, _ in judged if any(row is one for one in inside)])
    if not len(errors):
        return {"left_out": f"each {what}, on all boards", "measurements": 0}
    return {
        "left_out": f"each {what}, with all that was measured of it",
        "measurements": len(errors),
        "mean_error": round(float(errors.mean()), 4),
        "within_15_percent": round(float((errors <= 0.15).mean()), 4),
    }


def described(row: Row) -> dict[str, Any]:
    """A measurement as the file keeps it."""
    return {
        "network": row.network, "board": row.target.board, "release": row.target.release,
        "clock_mhz": row.clock_mhz, "latency_ms": row.latency_ms, "energy_mj": row.energy_mj,
        "source": row.source,
    }  # fmt: skip


def newest(rows: Sequence[Row]) -> Row:
    """A row of the newest release."""
    return max(rows, key=lambda row: release_order(row.target.release))


def release_order(release: str) -> tuple[float, ...]:
    """Numbers of a release, to compare releases by."""
    return tuple(float(part) if part.isdigit() else -1.0 for part in release.lstrip("v").split("."))


def power_of(rows: Sequence[Row]) -> Energy | None:
    """Mean power on the newest release with energies, and how well it foretells a network left out."""
    with_energy = [row for row in rows if row.energy_mj]
    if not with_energy:
        return None
    last = release_order(newest(with_energy).target.release)
    powers = np.array([
        row.energy_mj / row.latency_ms * 1e3 for row in with_energy
        if row.energy_mj and release_order(row.target.release) == last
    ])  # fmt: skip
    if len(powers) < FEWEST_NETWORKS:
        return None
    errors = [abs(np.delete(powers, k).mean() / power - 1) for k, power in enumerate(powers)]
    return Energy(float(powers.mean()), float(np.mean(errors)), len(powers))


def interval_of(deviations: Sequence[float]) -> float:
    """Standard deviations that hold nine in ten of what was left out (Weibull's positions)."""
    return float(np.quantile(np.abs(deviations), 0.9, method="weibull"))


def save(predictor: Predictor, folder: Path) -> None:
    """Write a file."""
    predictor.save(folder / predictor.device / f"{predictor.runtime}.json")
