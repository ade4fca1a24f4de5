"""Contract of an augmentation: what every registered one, and any of yours, must keep.

A third party registers an `Augmentation` in `AUGMENTATIONS`, or inherits the suite::

    class TestMine(AugmentationContract):
        def make(self) -> Augmentation:
            return Augmentation(("series",), my_function, "what it does")
"""

from __future__ import annotations

import numpy as np

from edgenas.data.kinds import KINDS
from edgenas.train.augment import Augmentation

SHAPES = {"image": (24, 20, 3), "audio": (25, 16, 1), "series": (30, 3), "features": (7,)}
"""A shape of one example by kind of data."""


class AugmentationContract:
    """Inherit, fill `make`, and pytest runs the suite."""

    changes_examples = True

    def make(self) -> Augmentation:
        """An augmentation to test."""
        raise NotImplementedError

    def batches(self, number: int = 32) -> list[np.ndarray]:
        """A batch of prepared examples of each kind that it is for."""
        rng = np.random.default_rng(0)
        return [rng.random((number, *SHAPES[kind]), np.float32) for kind in self.make().kinds]

    def test_it_is_for_kinds_that_exist_and_says_what_it_does(self) -> None:
        """A name without a kind could never be used."""
        augmentation = self.make()
        assert augmentation.kinds and set(augmentation.kinds) <= set(KINDS.names())
        assert augmentation.about

    def test_shape_and_type_stay(self) -> None:
        """The network reads float32 of one shape."""
        for x in self.batches():
            out = self.make().apply(x, np.random.default_rng(1))
            assert out.shape == x.shape and out.dtype == np.float32 and np.isfinite(out).all()

    def test_the_given_batch_is_left_as_it_is(self) -> None:
        """It may be a view of the training data."""
        for x in self.batches():
            before = x.copy()
            self.make().apply(x, np.random.default_rng(1))
            assert np.array_equal(x, before)

    def test_one_seed_gives_one_batch_and_another_seed_another(self) -> None:
        """A training is repeated by its seed."""
        for x in self.batches():
            first, again, other = (self.make().apply(x, np.random.default_rng(seed)) for seed in (1, 1, 2))
            assert np.array_equal(first, again)
            assert not self.changes_examples or not np.array_equal(first, other)

    def test_examples_are_changed_each_for_itself_and_stay_alike(self) -> None:
        """An example in a batch of equal ones comes out in several ways, none of them far off."""
        for x in self.batches():
            same = np.repeat(x[:1], len(x), axis=0)
            out = self.make().apply(same, np.random.default_rng(1))
            ways = {example.tobytes() for example in out}
            assert not self.changes_examples or len(ways) > 1
            assert np.abs(out.mean() - same.mean()) < 0.2 and out.std() < 2 * same.std()

    def test_one_example_and_short_ones_are_fine(self) -> None:
        """The last batch may be of one, and a series of three steps."""
        for x in self.batches(1):
            assert self.make().apply(x, np.random.default_rng(1)).shape == x.shape
            if x.ndim > 2:
                short = x[:, :3, :3] if x.ndim == 4 else x[:, :3]
                assert self.make().apply(short, np.random.default_rng(1)).shape == short.shape
