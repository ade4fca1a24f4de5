"""A folder of images, one subfolder per class (`edgenas.data.class_folders` has the layout).

PNG, JPEG and BMP are read; other files are left out with a warning.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from edgenas.data.class_folders import Corrupt, FileType, list_classes
from edgenas.data.dataset import Source
from edgenas.data.decoded import Decoder, common, counted, decode_all, left_out
from edgenas.data.disk import Array
from edgenas.data.reading import Reading
from edgenas.data.resize import resize
from edgenas.errors import DataError

IMAGES = FileType((".png", ".jpg", ".jpeg", ".bmp"), "images", "a whole PNG, JPEG or BMP")
GRAY_MODES = ("1", "L", "LA")
TURNED = (5, 6, 7, 8)
"""Orientations of EXIF in which height and width change places."""
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)

Header = tuple[tuple[int, int], str]
"""((height, width) as the image is to be seen, mode)."""


def read_folder(folder: Path, reading: Reading) -> Source:
    """Read an image folder.

    Images are turned as their EXIF data say, transparency is left out, and all are made gray if
    each file is stored as gray, else RGB. Those of another size are resized by area averaging.

    Args:
        folder: Laid out as `edgenas.data.class_folders` says.
        reading: Its ``size``, ``corrupt``, ``memory_bytes`` and ``cache`` count here.

    Raises:
        DataError: No class folders, no images, or unreadable images (named) that are not to be
            left out.
        StoreError: Images larger than memory cannot be written to the cache.
    """
    corrupt = Corrupt(IMAGES, reading.corrupt == "skip")
    folders = list_classes(folder, IMAGES)
    headers = {file: header for file in folders.files if (header := _header(file, corrupt))}
    readable = folders.without(corrupt.found)
    train = readable.listings["train"].files
    if not train:
        corrupt.skip = False
        corrupt.refuse()
    size = reading.size or common([headers[file][0] for file in train])
    if min(size) < 1:
        raise DataError(
            f"data '{folder}': images of {size[0]}x{size[1]} are expected to have at least 1x1 pixels"
        )
    gray = all(mode in GRAY_MODES for _, mode in headers.values())
    pairs, where = decode_all(readable, _decoder(size, gray), reading, corrupt)
    odd = sum(shape != size for shape, _ in headers.values())
    resized = counted(odd, len(headers), f"images were resized to {size[0]}x{size[1]} (height x width)")
    return Source(
        folder.resolve().name, pairs["train"], pairs.get("validation"), pairs.get("test"), folders.classes,
        warnings=(
            *resized, *left_out(folders.others(), "PNG, JPEG or BMP"), *corrupt.warnings(),
            *([where] if where else []),
        ),
        skipped=tuple(map(str, corrupt.found)),
    )  # fmt: skip


def _header(file: Path, corrupt: Corrupt) -> Header | None:
    """Size and mode from the file's header alone; None if it cannot be read, which is noted."""
    try:
        with Image.open(file) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112) in TURNED
            mode = str(image.mode)
    except _UNREADABLE as error:
        corrupt.add(file, error)
        return None
    if mode.startswith(("I", "F")):
        raise DataError(
            f"image '{file}' has more than 8 bits per channel; expected 8: save it so, or use .npz"
        )
    return ((width, height) if turned else (height, width)), mode


def _decoder(size: tuple[int, int], gray: bool) -> Decoder:
    shape = (*size, 1 if gray else 3)

    def decode(file: Path) -> Array:
        with Image.open(file) as image:
            pixels = np.asarray(ImageOps.exif_transpose(image).convert("L" if gray else "RGB"))
        pixels = pixels.reshape(1, *pixels.shape[:2], shape[2])
        if pixels.shape[1:3] != size:
            pixels = np.rint(resize(pixels, size))
        one: Array = pixels[0]
        return one

    return Decoder(shape, "uint8", decode, _UNREADABLE, "image")
