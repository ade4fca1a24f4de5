"""NASWOT (Mellor et al. 2021, "Neural Architecture Search without Training"): how differently a network
sees different images.
"""

from __future__ import annotations

import numpy as np

from edgenas.oneshot.proxies.proxy import PROXIES, Probe, Proxy

RIDGE = 1e-4
"""Added to the diagonal, as a share of the units: equal images would make the determinant 0."""


class NaswotProxy(Proxy):
    """log-determinant of the kernel of binary activation patterns over a batch.

    An image's pattern is which rectified units are on; the kernel counts the units in which two images
    agree. Batch normalization uses the batch's own statistics, as in the paper.
    """

    def score(self, probe: Probe) -> float:
        """The log-determinant; a network without rectified units has that of no difference at all."""
        import keras

        model = probe.model
        rectified = [layer.output for layer in model.layers if _rectifies(layer)]
        kernel, units = np.zeros((len(probe.images),) * 2), 1
        if rectified:
            outputs = keras.Model(model.input, rectified)(probe.images, training=True)
            for output in outputs if isinstance(outputs, (list, tuple)) else [outputs]:
                on = (np.asarray(output).reshape(len(probe.images), -1) > 0).astype(np.float32)
                kernel += _agreements(on)
                units += on.shape[1]
        kernel += RIDGE * units * np.eye(len(kernel))
        return float(np.linalg.slogdet(kernel)[1])


def _agreements(on: np.ndarray) -> np.ndarray:
    """In how many units each two rows of 0 and 1 agree: ``on @ on.T + off @ off.T``, from one product."""
    counts = on.sum(axis=1, dtype=np.float64)
    agreements: np.ndarray = 2.0 * (on @ on.T) - counts[:, None] - counts[None, :] + on.shape[1]
    return agreements


def _rectifies(layer: object) -> bool:
    """Whether a layer's outputs are above 0 where its inputs are: ReLU, ReLU6 and hard swish are."""
    kind = type(layer).__name__
    function = getattr(getattr(layer, "activation", None), "__name__", "")
    return kind == "ReLU" or (
        kind == "Activation" and function in ("relu", "relu6", "hard_swish", "hard_silu")
    )


PROXIES.register("naswot")(NaswotProxy())
