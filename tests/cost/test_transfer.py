import functools

import numpy as np
import pytest

from edgenas.cost.transfer import DevicePrior, PriorWeights, learn_prior
from edgenas.cost.transfer_fit import fit_device
from edgenas.cost.transfer_weights import learn_weights
from edgenas.errors import ConfigError

FEATURES = 6


def networks(count: int, seed: int) -> np.ndarray:
    """Features of networks over two orders of magnitude: counts of work, and a constant."""
    rng = np.random.default_rng(seed)
    size = np.exp(rng.uniform(0, 4, (count, 1)))
    return np.hstack([size * rng.uniform(0.2, 1.8, (count, FEATURES - 1)), np.ones((count, 1))])


def device(seed: int, speed: float = 1.0) -> np.ndarray:
    """Coefficients like those of the other devices, but not the same."""
    rng = np.random.default_rng((7, seed))
    kind = np.array([3.0, 1.0, 0.5, 2.0, 0.2, 5.0]) if seed % 2 else np.array([1.0, 3.0, 2.0, 0.5, 0.2, 1.0])
    return speed * kind * np.exp(rng.normal(0, 0.15, FEATURES))


def measured(features: np.ndarray, coefficients: np.ndarray, seed: int, noise: float = 0.01) -> np.ndarray:
    return features @ coefficients * (1 + noise * np.random.default_rng(seed).normal(size=len(features)))


@functools.cache
def prior() -> DevicePrior:
    known = np.array([device(seed, speed) for seed, speed in ((1, 1.0), (2, 4.0), (3, 0.2), (4, 30.0))])
    weights = learn_weights(["a", "b", "c", "d"], known, networks(50, 0), noise=0.01)
    return learn_prior(["a", "b", "c", "d"], known, networks(50, 0), noise=0.01, weights=weights)


def error(predicted: np.ndarray, true: np.ndarray) -> float:
    return float(np.abs(predicted / true - 1).mean())


def test_a_device_is_fitted_from_its_own_measurements_though_one_row_in_ten_is_spoilt() -> None:
    features, coefficients = networks(200, 1), device(5, 3.0)
    latency = measured(features, coefficients, 2)
    latency[::10] *= 2.5
    fitted = fit_device(features, latency)
    fresh = networks(100, 3)
    assert error(fitted.predict(fresh).latency_ms, fresh @ coefficients) < 0.01
    plain = np.linalg.lstsq(features / latency[:, None], np.ones(200), rcond=None)[0]
    assert error(fresh @ plain, fresh @ coefficients) > 5 * error(
        fitted.predict(fresh).latency_ms, fresh @ coefficients
    )


def test_patterns_carry_a_fit_where_measurements_leave_coefficients_open() -> None:
    rng = np.random.default_rng(4)
    patterns = rng.uniform(0.1, 1, (40, 2))
    coefficients = patterns @ np.array([1.0, 2.0])
    features, fresh = (rng.integers(0, 3, (count, 40)).astype(float) for count in (20, 100))
    with_patterns = fit_device(features, measured(features, coefficients, 5), structure=patterns)
    without = fit_device(features, measured(features, coefficients, 5))
    assert error(with_patterns.predict(fresh).latency_ms, fresh @ coefficients) < 0.01
    assert error(without.predict(fresh).latency_ms, fresh @ coefficients) > 0.03


def test_three_measurements_find_the_speed_and_the_family_of_a_new_device() -> None:
    new = device(9, 12.0)
    fresh = networks(200, 6)
    features = networks(3, 7)
    posterior = prior().condition(features, measured(features, new, 8))
    assert posterior.nearest in ("a", "c"), "odd seeds are one family, even seeds another"
    prediction = posterior.predict(fresh)
    assert error(prediction.latency_ms, fresh @ new) < 0.10
    scaled = fresh @ device(2) * np.median(measured(features, new, 8) / (features @ device(2)))
    assert error(prediction.latency_ms, fresh @ new) < error(scaled, fresh @ new)


def test_intervals_hold_about_nine_in_ten_networks_of_new_devices() -> None:
    inside = []
    for seed in range(10, 30):
        new, features, fresh = device(seed), networks(4, seed), networks(50, seed + 100)
        found = prior().condition(features, measured(features, new, seed)).predict(fresh)
        truth = measured(fresh, new, seed + 1)
        inside.append(((found.low_ms <= truth) & (truth <= found.high_ms)).mean())
    assert 0.8 <= np.mean(inside) <= 1.0
    assert (found.low_ms >= 0).all() and (found.low_ms < found.latency_ms).all()


def test_intervals_get_narrower_with_measurements() -> None:
    new, fresh = device(9), networks(100, 6)
    widths = []
    for count in (1, 3, 10, 40):
        features = networks(count, 7)
        found = prior().condition(features, measured(features, new, 8)).predict(fresh)
        widths.append(np.median(found.half_width))
    assert widths == sorted(widths, reverse=True)


def test_chosen_networks_teach_more_than_random_ones() -> None:
    pool, fresh = networks(200, 11), networks(100, 12)
    before = prior().condition(pool[:0], np.array([]), scale_ms=1.0)
    chosen = before.next_measurements(pool, 4, fresh)
    assert len(set(chosen)) == 4

    def width(rows: list[int], seed: int) -> float:
        posterior = prior().condition(pool[rows], measured(pool[rows], device(seed), seed))
        return float(np.mean(posterior.predict(fresh).half_width))

    random = [list(np.random.default_rng(seed).choice(200, 4, replace=False)) for seed in range(10)]
    assert np.mean([width(chosen, seed) for seed in range(10)]) < np.mean(
        [width(rows, seed) for seed, rows in enumerate(random)]
    )


def test_planned_number_of_measurements_is_about_right_and_none_when_it_cannot_be() -> None:
    pool, fresh, new = networks(200, 11), networks(100, 12), device(9)
    start = prior().condition(pool[:1], measured(pool[:1], new, 1))
    number = start.measurements_needed(pool, fresh, width=0.05)
    assert number is not None and number > 0
    rows = [0, *start.next_measurements(pool, number, fresh)]
    after = prior().condition(pool[rows], measured(pool[rows], new, 2))
    assert np.quantile(after.predict(fresh).half_width, 0.9) < 0.05 * 1.5
    assert start.measurements_needed(pool, fresh, width=0.001) is None
    assert after.measurements_needed(pool, fresh, width=0.5) == 0


def test_non_negative_coefficients_stay_so() -> None:
    features = networks(8, 13)
    new = device(9) * np.array([1, 0, 1, 0, 1, 1])
    weights = PriorWeights(own=0.5)
    known = np.array([device(1), device(2)])
    learned = learn_prior(["a", "b"], known, networks(50, 0), noise=0.01, weights=weights)
    latency = measured(features, new, 3, noise=0.1)
    free = learned.condition(features, latency)
    held = learned.condition(features, latency, nonnegative=True)
    assert min(one.belief.mean.min() for one in free.components) < 0
    assert min(one.belief.mean.min() for one in held.components) >= 0


def test_a_scale_stands_in_for_measurements_and_neither_is_an_error() -> None:
    typical = networks(50, 0)
    posterior = prior().condition(typical[:0], np.array([]), scale_ms=5.0)
    assert np.exp(np.log(posterior.predict(typical).latency_ms).mean()) == pytest.approx(5.0, rel=0.15)
    with pytest.raises(ConfigError, match="measure at least one network"):
        prior().condition(typical[:0], np.array([]))


@pytest.mark.parametrize(
    ("features", "latency", "message"),
    [
        (np.ones((2, FEATURES)), [1.0], "one row a measurement"),
        (np.ones((1, FEATURES - 1)), [1.0], "columns of the known devices"),
        (np.ones((1, FEATURES)), [0.0], "latency of 0 or less"),
        (np.ones((1, FEATURES)), [np.nan], "not a number"),
        (np.full((1, FEATURES), np.inf), [1.0], "not a number"),
    ],
)
def test_wrong_measurements_are_refused(features: np.ndarray, latency: list[float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prior().condition(features, np.array(latency))


def test_known_devices_of_another_shape_or_without_latency_are_refused() -> None:
    with pytest.raises(ConfigError, match="one row a device"):
        learn_prior(["a"], np.ones((2, FEATURES)), networks(5, 0), noise=0.01)
    with pytest.raises(ConfigError, match="device 'a' predicts a latency of 0 or less"):
        learn_prior(["a"], -np.ones((1, FEATURES)), networks(5, 0), noise=0.01)
