"""Thinning on latencies that are known exactly: what is predicted is right, what cannot be is measured."""

from __future__ import annotations

from math import prod
from zlib import crc32

import numpy as np

from edgenas.arch import MicroSpace, Op
from edgenas.profile.sweep import fan_copies, operations
from edgenas.profile.thinning import TOLERANCE, first_share, thin


def smooth_us(op: Op) -> float:
    """A kernel without surprises."""
    return 0.2 + 1e-4 * prod(op.out_shape) ** 0.9 * (op.kernel[0] ** 1.5) + 1e-5 * op.macs**0.95


def erratic_us(key: str) -> float:
    """A kernel that nothing about its shapes tells."""
    return 1.0 + crc32(key.encode()) % 1000 / 100


def pointwise() -> dict[str, Op]:
    found = operations([MicroSpace((16, 16, 1), 10)])
    found = {key: op for key, op in found.items() if op.kind == "conv2d" and op.kernel == (1, 1)}
    return dict(list(found.items())[::3])


def test_what_is_smooth_is_predicted_within_the_tolerance() -> None:
    ops = pointwise()
    known = first_share(list(ops), 0.4)
    copies = {key: fan_copies(op) for key, op in ops.items()}
    thinned = thin(ops, {key: smooth_us(ops[key]) for key in known}, copies)
    assert len(thinned.predicted_us) > 0.5 * (len(ops) - len(known))
    assert not thinned.predicted_us.keys() & set(known)
    wrong = np.array([abs(us / smooth_us(ops[key]) - 1) for key, us in thinned.predicted_us.items()])
    assert np.mean(wrong <= TOLERANCE) >= 0.9
    assert np.mean(np.array(thinned.errors) <= TOLERANCE) >= 0.9


def test_what_is_erratic_is_measured() -> None:
    ops = pointwise()
    known = first_share(list(ops), 0.4)
    copies = dict.fromkeys(ops, 1)
    thinned = thin(ops, {key: erratic_us(key) for key in known}, copies)
    assert len(thinned.predicted_us) < 0.1 * (len(ops) - len(known))


def test_a_few_operations_are_not_learned() -> None:
    ops = dict(list(pointwise().items())[:50])
    known = list(ops)[:30]
    assert thin(ops, {key: smooth_us(ops[key]) for key in known}, dict.fromkeys(ops, 1)).predicted_us == {}


def test_the_first_share_grows_and_is_the_same_each_time() -> None:
    keys = [f"dense:{n}>10:linear" for n in range(500)]
    small, large = first_share(keys, 0.3), first_share(keys, 0.6)
    assert set(small) < set(large) < set(keys)
    assert 100 < len(small) < 200
    assert set(first_share(keys[100:], 0.3)) == set(small) & set(keys[100:])
