"""Thinning: operations whose latency others of their kind already tell need not be measured.

For each kind of kernel a Gaussian process over the logarithms of shapes learns the logarithm of the latency
beyond a linear trend (one predictor a kernel, as nn-Meter has, Zhang et al. 2021, but with its uncertainty).
A share of the measured operations is held out; the process may answer only where its own deviation is
so small that of the held-out operations below it 95 % were within the tolerance.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from edgenas.arch.graph import Op
from edgenas.cost.latency_table import part_of

TOLERANCE = 0.05
SHARE = 0.95
FEWEST = 60
"""Measured operations of a kind before it is learned."""
MOST = 500
"""Measured operations that a process learns from; its work grows with the cube."""


@dataclass(frozen=True, slots=True)
class Thinned:
    """What need not be measured.

    Attributes:
        predicted_us: Microseconds by key.
        errors: Relative errors of held-out operations, of those that would have been predicted.
    """

    predicted_us: Mapping[str, float]
    errors: tuple[float, ...]


def first_share(keys: Sequence[str], share: float) -> list[str]:
    """A share of keys, the same whatever else is among them, so that a resumed sweep goes on with it."""
    return [key for key in keys if zlib.crc32(key.encode()) % 1000 < 1000 * share]


def group(op: Op) -> str:
    """Operations that one process learns: a kind of kernel with one stride and activation."""
    return f"{op.kind}:{part_of(op.kind, op.kernel)}:{op.stride}:{op.activation}"


def thin(ops: Mapping[str, Op], measured_us: Mapping[str, float], copies: Mapping[str, int]) -> Thinned:
    """Predict what is safe to predict of the operations not yet measured.

    Args:
        ops: All operations by key.
        measured_us: Latencies known so far.
        copies: How many copies each operation is measured with: another size of fan, another figure.
    """
    groups: dict[str, list[str]] = {}
    for key, op in ops.items():
        groups.setdefault(group(op), []).append(key)
    predicted: dict[str, float] = {}
    errors: list[float] = []
    for keys in groups.values():
        known = [key for key in keys if key in measured_us][:MOST]
        unknown = [key for key in keys if key not in measured_us]
        if len(known) < FEWEST or not unknown:
            continue
        found, wrong = _learned(ops, known, unknown, measured_us, copies)
        predicted.update(found)
        errors += wrong
    return Thinned(predicted, tuple(errors))


def _learned(
    ops: Mapping[str, Op],
    known: list[str],
    unknown: list[str],
    measured_us: Mapping[str, float],
    copies: Mapping[str, int],
) -> tuple[dict[str, float], list[float]]:
    rows = np.array([_features(ops[key], copies[key]) for key in (*known, *unknown)])
    spread = rows.std(0)
    rows = (rows - rows.mean(0)) / np.where(spread > 0, spread, 1)
    rows, target = rows[:, spread > 0], np.log([measured_us[key] for key in known])
    held = np.arange(len(known)) % 4 == 3
    model = _Process(rows[: len(known)][~held], target[~held])
    mean, deviation = model.predict(rows[: len(known)][held])
    wrong = np.abs(np.exp(mean - target[held]) - 1)
    limit = _safe_deviation(deviation, wrong)
    if limit is None:
        return {}, []
    # The final process keeps the kernel's lengths and learns from the held-out operations too.
    mean, certain = _Process(rows[: len(known)], target, model.kernel).predict(rows[len(known) :])
    found = {
        key: float(np.exp(value))
        for key, value, sigma in zip(unknown, mean, certain, strict=True)
        if sigma <= limit
    }
    return found, [float(error) for error in wrong[deviation <= limit]]


def _safe_deviation(deviation: np.ndarray, wrong: np.ndarray) -> float | None:
    """The largest deviation up to which enough held-out predictions were within the tolerance."""
    order = np.argsort(deviation)
    good = np.cumsum(wrong[order] <= TOLERANCE) / np.arange(1, len(order) + 1)
    fit = np.flatnonzero(good >= SHARE)
    fit = fit[fit >= 9]  # ten held-out operations at least have to speak for it
    return float(deviation[order][fit[-1]]) if len(fit) else None


def _features(op: Op, copies: int) -> list[float]:
    weights = prod(op.weight_shape or (1,))
    out, into = prod(op.out_shape), prod(op.in_shape)
    sizes = [*op.in_shape, *op.out_shape, op.kernel[0], out, into, weights, max(1, op.macs), copies]
    # Kernels work on tiles of channels: what a last tile lacks costs as much as what it holds.
    tiles = [-(-op.in_shape[-1] // 16), -(-op.out_shape[-1] // 16), -(-op.out_shape[-1] // 8)]
    return [float(np.log(size)) for size in (*sizes, *tiles)]


class _Process:
    """Gaussian process on the residual of a linear trend."""

    def __init__(self, rows: np.ndarray, target: np.ndarray, kernel: object | None = None) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
        from sklearn.linear_model import Ridge

        self.trend = Ridge(alpha=1e-2).fit(rows, target)
        start = ConstantKernel(0.05) * Matern([3.0] * rows.shape[1], (0.3, 1e3), nu=2.5) + WhiteKernel(
            2e-4, (1e-5, 1e-2)
        )
        self.process = GaussianProcessRegressor(
            kernel or start, optimizer=None if kernel else _few_steps, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ConvergenceWarning
            )  # a length at its bound: a feature without effect
            self.process.fit(rows, target - self.trend.predict(rows))
        self.kernel: object = self.process.kernel_

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and deviations of the logarithm."""
        mean, deviation = self.process.predict(rows, return_std=True)
        return mean + self.trend.predict(rows), deviation


def _few_steps(objective: object, start: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, float]:
    from scipy.optimize import minimize

    found = minimize(objective, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": 25})
    return found.x, float(found.fun)
