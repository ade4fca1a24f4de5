"""Gates: what weighs the options of a decision in the super-network, and the way back to its logits.

``gumbel`` (FBNet, Wu et al. 2019): every option has a share, a softmax of logits and Gumbel noise, sharper as
the temperature falls. ``binary`` (ProxylessNAS, Cai et al. 2019): weights are trained on one option of each
decision, and a step of the logits draws two, computes one of them and the other's derivative; what is
computed is thereby as large as the networks drawn, not as all options together. (ProxylessNAS rescales the
two so that the others keep their probability; the derivatives of a pair's logits sum to zero, which does
nearly the same.) numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgenas.errors import ConfigError

MODES = ("gumbel", "binary")

HOT, COLD = 5.0, 0.2
"""Temperatures of the first and the last epoch; between them it falls geometrically (FBNet: 5 and less)."""

FAINT = 0.01
"""Shares below this are left out of a step, so that what is computed shrinks as the choice sharpens."""

Logits = Sequence[np.ndarray]


@dataclass(frozen=True)
class Gates:
    """Gates of one step.

    Attributes:
        values: For each decision one weight an option, summing to 1.
        used: Options that must be computed, for each decision a bool array.
        shares: The distribution that the way back goes through: of all options, or of the two drawn.
        temperature: Of that distribution.
    """

    values: list[np.ndarray]
    used: list[np.ndarray]
    shares: list[np.ndarray]
    temperature: float = 1.0

    @property
    def flat(self) -> np.ndarray:
        """All weights in one float32 vector."""
        return np.concatenate(self.values).astype(np.float32)

    def back(self, slopes: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Derivatives after logits from those after gates."""
        return [through(shares, slope) / self.temperature for shares, slope in
                zip(self.shares, slopes, strict=True)]  # fmt: skip


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits."""
    exponents = np.exp(logits - logits.max())
    return np.asarray(exponents / exponents.sum())


def through(shares: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Derivatives after the logits of a softmax from those after its shares."""
    return np.asarray(shares * (slopes - shares @ slopes))


def temperature_at(done: float) -> float:
    """The temperature when a share of the search is done."""
    return float(HOT * (COLD / HOT) ** done)


def drawn(mode: str, logits: Logits, temperature: float, rng: np.random.Generator, *, pairs: bool) -> Gates:
    """Gates for one step.

    Args:
        mode: One of `MODES`.
        logits: One array for each decision.
        temperature: Of the Gumbel softmax.
        rng: Draws noise and options.
        pairs: Whether two options are drawn in mode ``binary``, for a step of the logits; else one.

    Raises:
        ConfigError: No such mode.
    """
    if mode == "gumbel":
        return _gumbel(logits, temperature, rng)
    if mode != "binary":
        raise ConfigError(f"mode {mode} was given; expected one of {', '.join(MODES)}")
    return _binary(logits, rng, 2 if pairs else 1)


def chosen(logits: Logits, selection: Sequence[int]) -> Gates:
    """Gates of one network, without any chance."""
    values = []
    for part, at in zip(logits, selection, strict=True):
        values.append(np.eye(len(part))[at])
    return Gates(values, [value > 0 for value in values], values)


def _gumbel(logits: Logits, temperature: float, rng: np.random.Generator) -> Gates:
    values = []
    for part in logits:
        shares = softmax((np.log(softmax(part) + 1e-12) + rng.gumbel(size=len(part))) / temperature)
        shares = np.where(shares < FAINT, 0.0, shares)
        values.append(shares / shares.sum())
    return Gates(values, [value > 0 for value in values], values, temperature)


def _binary(logits: Logits, rng: np.random.Generator, count: int) -> Gates:
    values, used, shares = [], [], []
    for part in logits:
        odds = softmax(part) + 1e-9
        two = rng.choice(len(part), size=min(count, len(part)), replace=False, p=odds / odds.sum())
        share = np.zeros(len(part))
        share[two] = odds[two] / odds[two].sum()
        one = np.zeros(len(part))
        one[rng.choice(two, p=share[two])] = 1.0
        values.append(one)
        used.append(share > 0)
        shares.append(share)
    return Gates(values, used, shares)
