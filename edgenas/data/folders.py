"""A folder of images, one subfolder per class.

Either ``folder/class/*.png`` or ``folder/train/class/*.png`` with ``folder/test/class/`` and
``folder/validation/class/`` (or ``val``) beside it. PNG, JPEG and BMP are read; other files are left
out with a warning. The classes are the names of train's subfolders in alphabetical order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from edgenas.data.dataset import Array, Source
from edgenas.data.resize import resize
from edgenas.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
GRAY_MODES = ("1", "L", "LA")
MAX_BYTES = 4 * 2**30
"""Most memory that the images may take, all splits together."""
_SIDES = {"train": "train", "test": "test", "validation": "validation", "val": "validation"}
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


@dataclass(frozen=True, slots=True)
class Listing:
    """Image files of one split, sorted by class and file name, and how many other files lie there."""

    files: tuple[Path, ...]
    labels: tuple[int, ...]
    others: tuple[Path, ...]


def read_folder(folder: Path, size: tuple[int, int] | None = None) -> Source:
    """Read an image folder.

    Images are turned as their EXIF data say, transparency is left out, and all are made gray if
    each file is stored as gray, else RGB. Those of another size are resized by area averaging.

    Args:
        folder: Laid out as the module's docstring says.
        size: (height, width) in pixels of all images; None takes the most common size in train.

    Raises:
        DataError: No class folders, no images, an unreadable image (named), or more than 4 GiB.
    """
    roots = _roots(folder)
    classes = [entry.name for entry in _subfolders(roots["train"])]
    listings = {part: _list_images(part, root, classes) for part, root in roots.items()}
    headers = {part: [_header(file) for file in listing.files] for part, listing in listings.items()}
    if size is None:
        shapes = Counter(shape for shape, _ in headers["train"])
        size = min(shapes.items(), key=lambda item: (-item[1], item[0]))[0]
    every = [header for found in headers.values() for header in found]
    gray = all(mode in GRAY_MODES for _, mode in every)
    _check_memory(folder, len(every), size, 1 if gray else 3)
    pairs = {part: _read_split(listing, size, gray) for part, listing in listings.items()}
    return Source(
        folder.resolve().name, pairs["train"], pairs.get("validation"), pairs.get("test"), tuple(classes),
        warnings=_warnings([shape for shape, _ in every], size, listings),
    )  # fmt: skip


def _warnings(
    shapes: list[tuple[int, int]], size: tuple[int, int], listings: dict[str, Listing]
) -> tuple[str, ...]:
    warnings = []
    odd = sum(shape != size for shape in shapes)
    if odd:
        warnings.append(f"{odd} of {len(shapes)} images were resized to {size[0]}x{size[1]} (height x width)")
    others = [file for listing in listings.values() for file in listing.others]
    if others:
        warnings.append(
            f"{len(others)} entries that are no PNG, JPEG or BMP were left out (first: {others[0]})"
        )
    return tuple(warnings)


def _check_memory(folder: Path, images: int, size: tuple[int, int], channels: int) -> None:
    if min(size) < 1 or images * size[0] * size[1] * channels > MAX_BYTES:
        raise DataError(
            f"data '{folder}': {images} images of {size[0]}x{size[1]} pixels were asked for; expected at "
            f"most {MAX_BYTES // 2**30} GiB and at least 1x1: give another size, such as "
            "--size 96x96 (size=(96, 96) from Python)"
        )


def _subfolders(folder: Path) -> list[Path]:
    entries = (entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return sorted(entries, key=lambda entry: entry.name)


def _roots(folder: Path) -> dict[str, Path]:
    """The folder that holds the class folders of each split."""
    names = [entry.name for entry in _subfolders(folder)]
    if not names:
        raise DataError(
            f"data '{folder}' holds no subfolders; expected one per class, "
            "or train/ and test/ with one per class"
        )
    if "train" not in names and "test" in names:
        raise DataError(f"data '{folder}' holds test/ but no train/; expected both, or class folders")
    if "train" not in names or not (set(names) <= _SIDES.keys() or _subfolders(folder / "train")):
        return {"train": folder}  # "train" may be a class, beside "car" and "ship"
    stray = [name for name in names if name not in _SIDES]
    if stray or {"val", "validation"} <= set(names):
        raise DataError(
            f"data '{folder}' holds {', '.join(names)}; expected only train, test and one of validation and "
            "val beside each other: move the others away"
        )
    return {_SIDES[name]: folder / name for name in names}


def _list_images(part: str, root: Path, classes: list[str]) -> Listing:
    files: list[Path] = []
    labels: list[int] = []
    others: list[Path] = []
    for folder in _subfolders(root):
        if folder.name not in classes:
            raise DataError(
                f"data '{root}': class '{folder.name}' of {part} has no folder in train; "
                f"expected one of {', '.join(classes) or 'none'}"
            )
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        images = [entry for entry in entries if _is_image(entry)]
        others += [entry for entry in entries if not _is_image(entry)]
        if not images and part == "train":
            raise DataError(f"class folder '{folder}' holds no images; expected {', '.join(SUFFIXES)} files")
        files += images
        labels += [classes.index(folder.name)] * len(images)
    if not files:
        raise DataError(f"data '{root}' holds no images; expected class folders with {', '.join(SUFFIXES)}")
    return Listing(tuple(files), tuple(labels), tuple(others))


def _is_image(entry: Path) -> bool:
    return entry.suffix.lower() in SUFFIXES and entry.is_file()


def _unreadable(file: Path, error: Exception) -> DataError:
    return DataError(
        f"image '{file}' cannot be read ({' '.join(str(error).split())}); "
        "expected a whole PNG, JPEG or BMP: mend or remove it"
    )


def _header(file: Path) -> tuple[tuple[int, int], str]:
    """((height, width) as the image is to be seen, mode), from the file's header alone."""
    try:
        with Image.open(file) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) >= 5
            mode = str(image.mode)
    except _UNREADABLE as error:
        raise _unreadable(file, error) from error
    if mode.startswith(("I", "F")):
        raise DataError(
            f"image '{file}' has more than 8 bits per channel; expected 8: save it so, or use .npz"
        )
    return ((width, height) if turned else (height, width)), mode


def _read_split(listing: Listing, size: tuple[int, int], gray: bool) -> tuple[Array, Array]:
    x = np.empty((len(listing.files), *size, 1 if gray else 3), np.uint8)
    for position, file in enumerate(listing.files):
        try:
            with Image.open(file) as image:
                pixels = np.asarray(ImageOps.exif_transpose(image).convert("L" if gray else "RGB"))
        except _UNREADABLE as error:
            raise _unreadable(file, error) from error
        pixels = pixels.reshape(1, *pixels.shape[:2], x.shape[3])
        if pixels.shape[1:3] != size:
            pixels = np.rint(resize(pixels, size))
        x[position] = pixels[0]
    return x, np.array(listing.labels, np.int64)
