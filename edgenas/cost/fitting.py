"""Cycles of kernels learned from whole networks, on all boards and runtimes together.

A network takes ``sum_k exp(theta_k) * count_k`` cycles, with the counts of `edgenas.cost.kernel_features`.
Logarithms keep every kernel's cycles above zero and turn "this core is 1.3 times as slow" into a sum. The
``theta`` of one board with one runtime is a sum too: a prior, and a deviation for the runtime, its release,
the core, core and runtime, the board, board and runtime; each deviation has a part that all kernels share
and a part for each kernel. All are Gaussian, so boards that share a core or a runtime learn from each other,
and a board never seen has an interval (a hierarchical Bayesian regression; Gelman and Hill 2007, chapter 12).
What no feature explains about a network is correlated noise: the same network errs alike on every board.
The fit is the most probable set of deviations, by damped Gauss-Newton steps in the space of measurements;
its covariance there is Laplace's approximation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgenas.cost.kernel_features import Floats, prior

LEVELS = ("runtime", "release", "core", "core and runtime", "board", "board and runtime")

_SPREADS = {
    "runtime": (1.0, 0.2), "release": (0.3, 0.15), "core": (0.5, 0.15), "core and runtime": (0.15, 0.07),
    "board": (0.1, 0.04), "board and runtime": (0.05, 0.03),
}  # fmt: skip
"""Standard deviation, in logarithms, of what all kernels share and of each kernel, by level."""

NETWORK_SPREAD, NETWORK_RUNTIME_SPREAD, READING_SPREAD = 0.08, 0.08, 0.03
"""Of what the features miss of a network everywhere, of it on one runtime, and of a measurement."""

NOISE = float(np.hypot(np.hypot(NETWORK_SPREAD, NETWORK_RUNTIME_SPREAD), READING_SPREAD))
_STEPS, _CONVERGED = 60, 1e-3


@dataclass(frozen=True, slots=True)
class Target:
    """What networks run on.

    Attributes:
        runtime: Runtime id with the precision where it is not int8, for example ``x-cube-ai``.
        release: The runtime's version; kernels change from one to the next.
        core: Id of the core, for example ``cortex-m7``.
        board: Device id.
    """

    runtime: str
    release: str
    core: str
    board: str

    def levels(self) -> tuple[tuple[str, ...], ...]:
        """What it belongs to, in the order of `LEVELS`."""
        return (
            ("runtime", self.runtime),
            ("release", self.runtime, self.release),
            ("core", self.core),
            ("core and runtime", self.core, self.runtime),
            ("board", self.board),
            ("board and runtime", self.board, self.runtime),
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """One network measured on one board.

    Attributes:
        network: Name; readings of one name are of one network.
        counts: Its features.
        cycles: Clock cycles of one inference: latency times clock.
        target: What it ran on.
    """

    network: str
    counts: Floats
    cycles: float
    target: Target


@dataclass(frozen=True)
class KernelCycles:
    """What is known of the kernels of one target.

    Attributes:
        log_cycles: Logarithm of the cycles of each feature.
        covariance: Of `log_cycles`.
    """

    log_cycles: Floats
    covariance: Floats

    def predict(self, counts: Floats) -> tuple[Floats, Floats]:
        """Logarithm of a network's cycles, and its standard deviation without the network's own noise.

        Args:
            counts: Features of one network, or of many, one a row.
        """
        parts = np.exp(self.log_cycles) * np.atleast_2d(counts)
        total = parts.sum(axis=1)
        shares = parts / total[:, None]
        variance = np.einsum("ij,jk,ik->i", shares, self.covariance, shares)
        return np.log(total), np.sqrt(np.maximum(variance, 0.0))


class HierarchicalFit:
    """Kernel cycles of every target, from all readings at once.

    Args:
        readings: At least one.
    """

    def __init__(self, readings: Sequence[Reading]) -> None:
        self.readings = tuple(readings)
        self.counts = np.array([reading.counts for reading in readings])
        self.mean, self.spread = prior()
        self._places: dict[tuple[str, ...], int] = {}
        for reading in readings:
            for level in reading.target.levels():
                self._places.setdefault(level, len(self._places))
        noise = _noise(self.readings)
        log_cycles = np.log([reading.cycles for reading in readings])
        self._weights, shares = most_probable(
            self.counts, log_cycles, noise, self._thetas, self._design, self._size
        )
        self._known = self._design(shares)
        self._gram = self._known @ self._known.T + noise

    def kernels(self, target: Target) -> KernelCycles:
        """What the readings say of a target, which need not be among theirs."""
        place = self._map(target)
        cross = place @ self._known.T
        unseen = [level[0] for level in target.levels() if level not in self._places]
        known = place @ place.T + spread_covariance(unseen, len(self.mean))
        covariance = known - cross @ np.linalg.solve(self._gram, cross.T)
        return KernelCycles(self.mean + place @ self._weights, covariance)

    @property
    def _size(self) -> int:
        kernels = len(self.mean)
        return kernels + len(self._places) * (kernels + 1)

    def _map(self, target: Target) -> Floats:
        """The matrix from all deviations to the target's theta."""
        kernels = len(self.mean)
        found = np.zeros((kernels, self._size))
        found[:, :kernels] = np.diag(self.spread)
        for level in target.levels():
            if level in self._places:
                start = kernels + self._places[level] * (kernels + 1)
                shared, own = _SPREADS[level[0]]
                found[:, start] = shared
                found[:, start + 1 : start + 1 + kernels] = own * np.eye(kernels)
        return found

    def _thetas(self, weights: Floats) -> Floats:
        kernels = len(self.mean)
        rows = np.tile(self.mean + self.spread * weights[:kernels], (len(self.readings), 1))
        for row, reading in zip(rows, self.readings, strict=True):
            for level in reading.target.levels():
                start = kernels + self._places[level] * (kernels + 1)
                shared, own = _SPREADS[level[0]]
                row += shared * weights[start] + own * weights[start + 1 : start + 1 + kernels]
        return rows

    def _design(self, shares: Floats) -> Floats:
        """Derivative of every reading's log cycles by the deviations, from the kernels' shares."""
        kernels = len(self.mean)
        design = np.zeros((len(self.readings), self._size))
        design[:, :kernels] = self.spread * shares
        for row, share, reading in zip(design, shares, self.readings, strict=True):
            for level in reading.target.levels():
                start = kernels + self._places[level] * (kernels + 1)
                shared, own = _SPREADS[level[0]]
                row[start] = shared
                row[start + 1 : start + 1 + kernels] = own * share
        return design


def spread_covariance(levels: Sequence[str], kernels: int) -> Floats:
    """Covariance that a deviation of each of some `LEVELS` adds to the log cycles of so many kernels."""
    total = np.zeros((kernels, kernels))
    for level in levels:
        shared, own = _SPREADS[level]
        total += shared**2 + own**2 * np.eye(kernels)
    return total


def conditioned(kernels: KernelCycles, counts: Floats, cycles: Floats, noise: float) -> KernelCycles:
    """What is known of a target once networks were measured on it.

    Args:
        kernels: What was known before.
        counts: Features of the measured networks, one a row.
        cycles: Cycles of each.
        noise: Standard deviation of what the features miss of a network.
    """
    root = _root(kernels.covariance)
    noises = noise**2 * np.eye(len(counts))
    weights, shares = most_probable(
        counts,
        np.log(cycles),
        noises,
        lambda w: np.tile(kernels.log_cycles + root @ w, (len(counts), 1)),
        lambda share: share @ root,
        root.shape[1],
    )
    known = shares @ root
    inner = np.eye(root.shape[1]) - known.T @ np.linalg.solve(known @ known.T + noises, known)
    return KernelCycles(kernels.log_cycles + root @ weights, root @ inner @ root.T)


def most_probable(
    counts: Floats,
    log_cycles: Floats,
    noise: Floats,
    thetas: Callable[[Floats], Floats],
    design: Callable[[Floats], Floats],
    size: int,
) -> tuple[Floats, Floats]:
    """The standard Gaussian weights that explain measured cycles best, by damped Gauss-Newton steps.

    Args:
        counts: Features of each network, one a row.
        log_cycles: Logarithm of the measured cycles.
        noise: Covariance of what the features miss.
        thetas: From weights to the log cycles of the kernels, one row a network.
        design: From the kernels' shares of each network to the derivative by the weights.
        size: Number of weights.

    Returns:
        The weights, and the shares of the kernels in each network.
    """
    precision = np.linalg.inv(noise)

    def state(weights: Floats) -> tuple[Floats, Floats, float]:
        parts = np.exp(thetas(weights)) * counts
        total = parts.sum(axis=1)
        residual = log_cycles - np.log(total)
        return parts / total[:, None], residual, float(weights @ weights + residual @ precision @ residual)

    weights = np.zeros(size)
    shares, residual, loss = state(weights)
    for _ in range(_STEPS):
        known = design(shares)
        target = known.T @ np.linalg.solve(known @ known.T + noise, residual + known @ weights)
        for step in (1.0, 0.5, 0.25, 0.125, 0.06, 0.03, 0.015):
            trial = weights + step * (target - weights)
            new_shares, new_residual, new_loss = state(trial)
            if new_loss < loss:
                break
        else:
            break
        gain, weights, shares, residual, loss = loss - new_loss, trial, new_shares, new_residual, new_loss
        if gain < _CONVERGED:
            break
    return weights, shares


def _noise(readings: Sequence[Reading]) -> Floats:
    networks = np.array([reading.network for reading in readings])
    runtimes = np.array([reading.target.runtime for reading in readings])
    same = networks[:, None] == networks[None, :]
    on_same = same & (runtimes[:, None] == runtimes[None, :])
    shared: Floats = NETWORK_SPREAD**2 * same + NETWORK_RUNTIME_SPREAD**2 * on_same
    return shared + READING_SPREAD**2 * np.eye(len(readings))


def _root(covariance: Floats) -> Floats:
    """A matrix whose square is the covariance, also where that is singular."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = vectors * np.sqrt(np.maximum(values, 0.0))
    return root
