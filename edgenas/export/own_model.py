"""A user's own Keras model compressed, exported and proven on a data set: what ``edgenas quantize`` does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.build.load_keras import load_keras
from edgenas.build.read_keras import graph_from_keras
from edgenas.cost.types import Cost, CostSource
from edgenas.data.dataset import Dataset, Normalization, Split
from edgenas.data.resize import prepare
from edgenas.deploy.samples import RawSamples
from edgenas.environment import versions
from edgenas.errors import DataError, TableMissError, UnsupportedError
from edgenas.export.bundle import export_bundle
from edgenas.export.making import keras_outputs
from edgenas.export.manifest import Manifest
from edgenas.export.parity import accuracy
from edgenas.export.schemes import SchemePlan
from edgenas.task import CLASSIFICATION

Range = tuple[float, float]
USUAL_RANGES: tuple[Range, ...] = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))
"""What networks are trained on; others than the one given are tried where that one does badly."""

MUCH_BETTER = 0.05
"""Accuracy that another range must bring before it is believed to be the right one."""

CALIBRATION_IMAGES = 200
HELD_BACK_IMAGES = 10_000
LOOKED_AT = 1_000


@dataclass(frozen=True)
class OwnModel:
    """A model file and how its images are prepared.

    Attributes:
        path: The file or folder.
        model: The model.
        dataset: Images and labels.
        input_range: Values that the network reads for the darkest and the brightest pixel.

    Raises:
        DataError: The network reads or writes something else than the data hold.
    """

    path: Path
    model: Any
    dataset: Dataset
    input_range: Range = (0.0, 1.0)

    def __post_init__(self) -> None:
        shape, outputs = self.model.input_shape, self.model.output_shape
        if self.dataset.kind != "image" or self.dataset.task != CLASSIFICATION:
            raise DataError(
                f"data '{self.dataset.name}' are {self.dataset.kind_of.many} for {self.dataset.task.maker}; "
                "expected images with classes: 'edgenas quantize' takes image classifiers"
            )
        single = isinstance(shape, tuple) and isinstance(outputs, tuple)
        if not single or len(shape) != 4 or None in shape[1:]:
            raise DataError(f"{self.path} reads {shape}; expected one image (height, width, channels)")
        if shape[3] != self.dataset.input_shape[2]:
            raise DataError(
                f"{self.path} reads images of {shape[3]} channels and data '{self.dataset.name}' have "
                f"{self.dataset.input_shape[2]}; expected the same"
            )
        if len(outputs) != 2 or outputs[1] != self.dataset.classes:
            raise DataError(
                f"{self.path} writes {outputs[1:]} values and data '{self.dataset.name}' have "
                f"{self.dataset.classes} classes; expected one value a class"
            )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(height, width, channels)."""
        return tuple(int(size) for size in self.model.input_shape[1:])

    def normalization(self, input_range: Range) -> Normalization:
        """How raw values come to lie in a range."""
        low, high = input_range
        scale, offset = self.dataset.normalization.scale, self.dataset.normalization.offset
        assert not isinstance(scale, tuple) and not isinstance(offset, tuple)  # those of images are numbers
        return Normalization(scale * (high - low), offset * (high - low) + low)

    def images(
        self, split: Split, number: int, seed: int = 0, input_range: Range | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """So many random images of a split as the network reads them, with their labels."""
        chosen = np.random.default_rng(seed).permutation(len(split))[:number]
        normalization = self.normalization(input_range or self.input_range)
        return prepare(split.x[chosen], normalization, self.input_shape), split.y[chosen]

    def check_range(self) -> None:
        """Make sure that the network was trained on images in this range.

        Raises:
            DataError: It does badly on validation images, and much better in another range; or it does
                not do better than chance in any.
        """
        given = self._accuracy(self.input_range)
        if given >= 1 - MUCH_BETTER:
            return
        others = {other: self._accuracy(other) for other in USUAL_RANGES if other != self.input_range}
        best = max(others, key=lambda other: others[other])
        if others[best] > given + MUCH_BETTER:
            raise DataError(
                f"{self.path} names {given:.1%} of the validation images right with pixels in "
                f"{_text(self.input_range)} and {others[best]:.1%} in {_text(best)}: it was trained on "
                f"those; give --input-range={best[0]:g},{best[1]:g}"
            )
        if given < 1.5 / self.dataset.classes:
            raise DataError(
                f"{self.path} names {given:.1%} of the validation images right, no better than chance, with "
                f"pixels in {_text(self.input_range)}; check the order of the classes "
                f"({', '.join(self.dataset.class_names[:4])} ...), and the range with --input-range LOW,HIGH"
            )

    def _accuracy(self, input_range: Range) -> float:
        images, labels = self.images(self.dataset.validation, LOOKED_AT, input_range=input_range)
        return accuracy(keras_outputs(self.model, images), labels)


def _text(input_range: Range) -> str:
    return f"{input_range[0]:g} to {input_range[1]:g}"


def open_model(path: Path, dataset: Dataset, input_range: Range) -> OwnModel:
    """Load a model and make sure that it fits the data.

    Raises:
        UnsupportedError: No Keras model, or one with a Lambda or custom layer.
        DataError: The network and the data do not fit.
    """
    own = OwnModel(path, load_keras(path), dataset, input_range)
    own.check_range()
    return own


def quantize_model(own: OwnModel, out_dir: Path, plan: SchemePlan, source: CostSource) -> Manifest:
    """Compress, export and verify a model; every file is run on validation and test images.

    Raises:
        UnsupportedError: The model cannot be converted.
        ParityError: A file does not agree with its Keras model.
        StoreError: The folder cannot be written.
    """
    data = own.dataset
    train = own.images(data.train, plan.images, plan.seed) if plan.trains else None
    return export_bundle(
        own.model,
        out_dir=out_dir,
        input_shape=own.input_shape,
        calibration=own.images(data.train, CALIBRATION_IMAGES)[0],
        held_back=own.images(data.validation, HELD_BACK_IMAGES),
        test=own.images(data.test, len(data.test)),
        cost=_cost(own.model, source),
        description=_description(own, plan.seed),
        plan=plan,
        train=train,
        samples=RawSamples.of_validation(data, own.input_shape, own.normalization(own.input_range)),
    )


def _cost(model: Any, source: CostSource) -> Cost | None:
    """What the model costs in int8, or None where one of its operations has no cost."""
    try:
        return source.estimate(graph_from_keras(model))
    except (UnsupportedError, TableMissError):
        return None


def _description(own: OwnModel, seed: int) -> Mapping[str, Any]:
    normalization = own.normalization(own.input_range)
    return {
        "model": own.path.name,
        "data": own.dataset.name,
        "class_names": list(own.dataset.class_names),
        "preprocessing": {
            "resize_to": list(own.input_shape[:2]),
            "resize_method": "antialiased area weights, see edgenas/data/resize.py",
            "scale": normalization.scale,
            "offset": normalization.offset,
        },
        "weights": "given",
        "versions": versions(),
        "seed": seed,
    }
