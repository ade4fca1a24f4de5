"""Coefficients of one device from its own measurements, spoilt ones among them."""

from __future__ import annotations

import numpy as np

from edgenas.cost.transfer import Posterior, checked
from edgenas.cost.transfer_linear import Array, Conditioned, Gaussian, condition

BROAD = 100.0
"""Variance of a pattern's share of the latency when nothing is known of the device."""
OWN_WEIGHTS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""How far a coefficient may leave the patterns, squared and relative; the likeliest is taken."""
OWN_FLOOR = 0.01
"""Share of the mean square coefficient that even a coefficient of 0 may move by."""
EXPECTED_NOISE = 0.02


def fit_device(
    features: Array, latency_ms: Array, *, structure: Array | None = None, nonnegative: bool = False
) -> Posterior:
    """Fit a device from many measurements of its own.

    Coefficients are a combination of ``structure``'s patterns plus a deviation each. How large the
    deviations are is taken from the measurements by the largest evidence.

    Args:
        features: (n, p) features of the measured networks.
        latency_ms: (n,) measured latencies.
        structure: (p, q) patterns, for example the MACs and bytes behind each coefficient; None lets
            each coefficient stand for itself.
        nonnegative: Whether no coefficient may be below 0.

    Raises:
        ConfigError: Shapes do not match, or a latency is not above 0.
    """
    features, latency = checked(features, latency_ms, np.shape(features)[-1])
    scale = float(np.median(latency))
    unit = latency / scale
    patterns = np.eye(features.shape[1]) if structure is None else structure
    shares = np.abs((features / unit[:, None]) @ patterns).mean(0)
    patterns = np.sqrt(BROAD) * patterns[:, shares > 0] / shares[shares > 0]
    zero = np.zeros(features.shape[1])
    found = condition(Gaussian(zero, patterns), features, unit, EXPECTED_NOISE, nonnegative=nonnegative)
    if structure is not None:
        found = _with_deviations(found.belief.mean, patterns, features, unit, nonnegative)
    return Posterior(("measured",), (found,), np.ones(1), scale, len(latency))


def _with_deviations(
    base: Array, patterns: Array, features: Array, unit: Array, nonnegative: bool
) -> Conditioned:
    """The likeliest fit over how far coefficients may leave the patterns."""
    room = np.sqrt(base**2 + OWN_FLOOR * (base**2).mean())
    fits = []
    for own in OWN_WEIGHTS:
        belief = Gaussian.of(base, patterns @ patterns.T + np.diag(own * room**2))
        fits.append(condition(belief, features, unit, EXPECTED_NOISE, nonnegative=nonnegative))
    return max(fits, key=lambda fit: fit.log_evidence)
