"""FBNet chains on phones, boards, GPUs and accelerators: features, fits and transfer to a new device.

A chain has 22 positions with one of nine blocks each (Wu et al. 2019, table 1). Positions of one shape share
their features. The images are 32x32: only with these shapes do eight counts of work explain the devices whose
latencies are sums of blocks (Spearman 0.999 on a Pixel 3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.graph import GraphBuilder, Op
from edgenas.cost.transfer import Array, DevicePrior, Posterior, learn_prior
from edgenas.cost.transfer_fit import fit_device

STEM, SIDE = 16, 32
STAGES = ((16, 1, 1), (24, 4, 1), (32, 4, 2), (64, 4, 2), (112, 4, 1), (184, 4, 2), (352, 1, 1))
"""(channels, positions, stride of the first) of each stage."""
POSITIONS = sum(count for _, count, _ in STAGES)
FIT, MEASURED, POOL, TYPICAL, KNOWN = 500, 10, 1000, 300, 2000
SMALLEST_NOISE = 0.01


@dataclass(frozen=True)
class FbnetDevice:
    """One device's latencies of chains.

    Attributes:
        name: The device.
        features: (n, p) counts of each chain.
        latency_ms: (n,) measured.
    """

    name: str
    features: Array
    latency_ms: Array


def read_devices(path: Path) -> list[FbnetDevice]:
    """All devices of a file with `arch`, `op_names`, `devices` and `lat_ms`."""
    with np.load(path) as data:
        chains, names = data["arch"].astype(int), [str(name) for name in data["op_names"]]
        devices, latency = [str(name) for name in data["devices"]], data["lat_ms"].astype(float)
    if chains.shape[1] != POSITIONS or set(names) != set(block_names()):
        raise SystemExit(f"{path} holds chains of another space than FBNet's {POSITIONS} positions")
    order = np.array([block_names().index(name) for name in names])
    features = chain_features(order[chains])
    return [FbnetDevice(name, features, latency[:, k]) for k, name in enumerate(devices)]


def block_names() -> list[str]:
    """The nine blocks."""
    return [
        *(f"k{kernel}_e{name}" for kernel in (3, 5) for name in ("1", "1_g2", "3", "6")),
        "skip",
    ]


@cache
def positions() -> tuple[tuple[int, int, int, int], ...]:
    """(side, channels in, channels out, stride) of each position."""
    found, side, before = [], SIDE, STEM
    for channels, count, first in STAGES:
        for place in range(count):
            stride = first if place == 0 else 1
            found.append((side, before, channels, stride))
            side, before = -(-side // stride), channels
    return tuple(found)


@cache
def shapes() -> tuple[tuple[int, int, int, int], ...]:
    """The different positions."""
    return tuple(dict.fromkeys(positions()))


def chain_features(chains: Array) -> Array:
    """One, and how often each block stands at each shape: (n, 1 + shapes x blocks)."""
    blocks = len(block_names())
    features = np.zeros((len(chains), 1 + len(shapes()) * blocks))
    features[:, 0] = 1.0
    rows = np.arange(len(chains))
    for place, position in enumerate(positions()):
        start = 1 + shapes().index(position) * blocks
        np.add.at(features, (rows, start + chains[:, place]), 1.0)
    return features


@cache
def patterns() -> Array:
    """(p, q) work behind each coefficient: MACs of kinds, tensors, weights, operations, shuffles, and one."""
    rows = [[0.0] * 7 + [1.0]]
    for position in shapes():
        rows += [[*work(block(position, name)), 0.0] for name in block_names()]
    return np.array(rows)


def block(position: tuple[int, int, int, int], name: str) -> list[Op]:
    """The operations of a block; skipping costs nothing but where the shape changes, a 1x1 convolution."""
    side, before, channels, stride = position
    net = GraphBuilder((side, side, before))
    if name == "skip":
        if before != channels or stride > 1:
            net.window("conv2d", "skip", 0, filters=channels, stride=stride)
        return net.ops
    kernel, expansion, groups = map(int, (re.match(r"k(\d)_e(\d)(?:_g(\d))?", name) or ["0"]).groups("1"))
    tensor = net.window("conv2d", "expand", 0, filters=before * expansion, groups=groups, activation="relu")
    if groups > 1:
        tensor = net.simple("transpose", "shuffle", tensor)
    tensor = net.window("depthwise_conv2d", "depthwise", tensor, kernel=kernel, stride=stride)
    net.window("conv2d", "project", tensor, filters=channels, groups=groups)
    return net.ops


def work(ops: Sequence[Op]) -> list[float]:
    """What the operations have to do."""
    wide = [op for op in ops if op.kind == "depthwise_conv2d"]
    return [
        float(sum(op.macs for op in ops if op.kind == "conv2d")),
        float(sum(op.macs for op in wide if op.kernel == (3, 3))),
        float(sum(op.macs for op in wide if op.kernel == (5, 5))),
        float(sum(prod(op.in_shape) + prod(op.out_shape) for op in ops if op.kind != "transpose")),
        float(sum(prod(op.weight_shape or (0,)) for op in ops)),
        float(sum(op.kind != "transpose" for op in ops)),
        float(sum(prod(op.out_shape) for op in ops if op.kind == "transpose")),
    ]


def fit_rows(devices: Sequence[FbnetDevice], seeds: int) -> list[dict[str, Any]]:
    """Each device fitted on `FIT` of its own chains and judged on the others, over seeds."""
    rows = []
    for device in devices:
        scores = []
        for seed in range(seeds):
            order = np.random.default_rng(seed).permutation(len(device.latency_ms))
            fitted, others = order[:FIT], order[FIT:]
            posterior = fit_device(device.features[fitted], device.latency_ms[fitted], structure=patterns())
            scores.append(score(posterior, device, others))
        rows.append({"device": device.name, **mean(scores), "limit": additive_limit(device)})
    return rows


def additive_limit(device: FbnetDevice) -> float:
    """Spearman of an additive fit to all chains, on the same chains: what the measurements leave to reach."""
    posterior = fit_device(device.features, device.latency_ms, structure=patterns())
    return round(spearman(posterior.predict(device.features).latency_ms, device.latency_ms), 4)


def transfer_rows(devices: Sequence[FbnetDevice], seeds: int) -> list[dict[str, Any]]:
    """Each device in turn as new: ten measurements, chosen and random, with all others known."""
    known = [known_device(device) for device in devices]
    rows = []
    for place, device in enumerate(devices):
        others = [k for k in range(len(devices)) if k != place]
        prior = prior_of([devices[k].name for k in others], [known[k] for k in others], device)
        row: dict[str, Any] = {"device": device.name}
        for how in ("chosen", "random"):
            scores = []
            for seed in range(seeds):
                measured = pick(prior, device, how, seed)
                posterior = prior.condition(device.features[measured], device.latency_ms[measured])
                rest = np.setdiff1d(np.arange(len(device.latency_ms)), measured)
                scores.append(score(posterior, device, rest))
            row[how] = mean(scores)
        rows.append(row | {"nearest": posterior.nearest})
    return rows


def known_device(device: FbnetDevice) -> Posterior:
    """A device known from many of its chains."""
    rows = np.random.default_rng(0).permutation(len(device.latency_ms))[:KNOWN]
    return fit_device(device.features[rows], device.latency_ms[rows], structure=patterns())


def prior_of(names: Sequence[str], known: Sequence[Posterior], device: FbnetDevice) -> DevicePrior:
    """The prior that the known devices give; of the new one, only which chains there are is used."""
    rows = np.random.default_rng(1).choice(len(device.features), TYPICAL, replace=False)
    coefficients = np.array([one.coefficients for one in known])
    noise = max(SMALLEST_NOISE, float(np.median([one.noise for one in known])))
    return learn_prior(names, coefficients, device.features[rows], noise=noise, structure=patterns())


def pick(prior: DevicePrior, device: FbnetDevice, how: str, seed: int) -> Array:
    """Ten chains to measure, of a random pool."""
    pool = np.random.default_rng(seed).choice(len(device.features), POOL, replace=False)
    if how == "random":
        return pool[:MEASURED]
    unmeasured = prior.condition(device.features[:0], device.latency_ms[:0], scale_ms=1.0)
    return pool[unmeasured.next_measurements(device.features[pool], MEASURED)]


def score(posterior: Posterior, device: FbnetDevice, rows: Array) -> dict[str, float]:
    """Ranks, errors and interval on chains that were not measured."""
    found, truth = posterior.predict(device.features[rows]), device.latency_ms[rows]
    error = np.abs(found.latency_ms / truth - 1)
    return {
        "spearman": spearman(found.latency_ms, truth),
        "within_5_percent": float(np.mean(error < 0.05)),
        "mean_error": float(error.mean()),
        "inside_interval": float(np.mean((found.low_ms <= truth) & (truth <= found.high_ms))),
    }


def mean(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean of each figure over seeds."""
    return {name: round(float(np.mean([one[name] for one in scores])), 4) for name in scores[0]}


def spearman(first: Array, second: Array) -> float:
    """Rank correlation, ties at their mean rank."""
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)
