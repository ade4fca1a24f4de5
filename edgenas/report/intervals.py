"""How far a measured accuracy can be trusted."""

from __future__ import annotations

from math import sqrt

Z_95 = 1.959964


def wilson(share: float, images: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy measured on a number of images (Wilson 1927).

    Args:
        share: Share of right classes, 0 to 1.
        images: How many images were classified, 1 or more.

    Returns:
        Lower and upper end, within 0 to 1.
    """
    z2 = Z_95 * Z_95
    scale = 1 + z2 / images
    centre = (share + z2 / (2 * images)) / scale
    half = Z_95 / scale * sqrt(share * (1 - share) / images + z2 / (4 * images * images))
    return max(0.0, centre - half), min(1.0, centre + half)
