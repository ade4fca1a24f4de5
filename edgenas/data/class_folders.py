"""Folders of files, one subfolder per class: ``folder/class/*`` or ``folder/train/class/*`` and its like.

With ``folder/train/class/`` there may be ``folder/test/class/`` and ``folder/validation/class/`` (or
``val``) beside it. The classes are the names of train's subfolders in alphabetical order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgenas.errors import DataError

SHOWN = 20
"""Most files that a message names."""
_SIDES = {"train": "train", "test": "test", "validation": "validation", "val": "validation"}


@dataclass(frozen=True, slots=True)
class FileType:
    """The files that hold examples.

    Attributes:
        suffixes: Their endings, lower case.
        many: What they are called, for example ``images``.
        expected: Which they are, for messages, for example ``a whole PNG, JPEG or BMP``.
    """

    suffixes: tuple[str, ...]
    many: str
    expected: str

    def fits(self, entry: Path) -> bool:
        """Whether a path is a file of this type, by its name."""
        return entry.suffix.lower() in self.suffixes and entry.is_file()


@dataclass(frozen=True, slots=True)
class Listing:
    """Files of one split, sorted by class and file name, and the other files that lie there."""

    files: tuple[Path, ...]
    labels: tuple[int, ...]
    others: tuple[Path, ...]

    def without(self, left_out: Iterable[Path]) -> Listing:
        """The listing without some files."""
        gone = set(left_out)
        kept = [
            (file, label) for file, label in zip(self.files, self.labels, strict=True) if file not in gone
        ]
        return replace(self, files=tuple(file for file, _ in kept), labels=tuple(label for _, label in kept))


@dataclass(frozen=True, slots=True)
class ClassFolders:
    """All files of a folder.

    Attributes:
        folder: The folder.
        classes: Names of the classes.
        listings: The files by split; ``train`` is among them.
    """

    folder: Path
    classes: tuple[str, ...]
    listings: Mapping[str, Listing]

    def without(self, left_out: Iterable[Path]) -> ClassFolders:
        """The folder without some files."""
        gone = set(left_out)
        return replace(
            self, listings={part: listing.without(gone) for part, listing in self.listings.items()}
        )

    @property
    def files(self) -> list[Path]:
        """All files of all splits."""
        return [file for listing in self.listings.values() for file in listing.files]

    def others(self) -> list[Path]:
        """Entries that hold no examples."""
        return [file for listing in self.listings.values() for file in listing.others]


def list_classes(folder: Path, file_type: FileType) -> ClassFolders:
    """Find the classes and files of a folder that is laid out as the module's docstring says.

    Raises:
        DataError: No class folders, or no files of the type in one of them.
    """
    roots = _roots(folder)
    classes = tuple(entry.name for entry in subfolders(roots["train"]))
    listings = {part: _list_files(part, root, classes, file_type) for part, root in roots.items()}
    return ClassFolders(folder, classes, listings)


def holds(folder: Path, file_type: FileType) -> bool:
    """Whether a file of the type lies in the folder, up to two subfolders deep."""
    return any(file_type.fits(entry) for deep in ("*/*", "*/*/*") for entry in folder.glob(deep))


def subfolders(folder: Path) -> list[Path]:
    """The subfolders by name, hidden ones left out."""
    entries = (entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return sorted(entries, key=lambda entry: entry.name)


def one_line(error: Exception) -> str:
    """What an error says, without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


class Corrupt:
    """Files that cannot be read, gathered so that all of them are named at once.

    Args:
        file_type: What they should have been.
        skip: Leave them out instead of refusing the data.

    Attributes:
        found: Why each cannot be read, by path.
    """

    def __init__(self, file_type: FileType, skip: bool) -> None:
        self.file_type, self.skip = file_type, skip
        self.found: dict[Path, str] = {}

    def add(self, file: Path, error: Exception | str) -> None:
        """Note one file."""
        self.found[file] = one_line(error) if isinstance(error, Exception) else error

    def refuse(self) -> None:
        """Refuse what was found, unless it may be left out.

        Raises:
            DataError: Some files cannot be read; the first 20 are named.
        """
        if not self.found or self.skip:
            return
        expected = self.file_type.expected
        if len(self.found) == 1:
            ((file, why),) = self.found.items()
            one = self.file_type.many.removesuffix("s")
            raise DataError(
                f"{one} '{file}' cannot be read ({why}); expected {expected}: mend or remove it, or leave "
                "it out with --corrupt skip"
            )
        raise DataError(
            f"{len(self.found)} {self.file_type.many} cannot be read: {self._named()}; expected is "
            f"{expected}: mend or remove them, or leave them out with --corrupt skip"
        )

    def warnings(self) -> list[str]:
        """One line that names what was left out, or none."""
        if not self.found:
            return []
        return [
            f"{len(self.found)} {self.file_type.many} could not be read and were left out: {self._named()}"
        ]

    def _named(self) -> str:
        shown = [f"'{file}' ({why})" for file, why in list(self.found.items())[:SHOWN]]
        more = len(self.found) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more else "")


def first_named(files: Sequence[Path]) -> str:
    """Up to 20 files by name, for a message."""
    more = len(files) - SHOWN
    return ", ".join(f"'{file}'" for file in files[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _roots(folder: Path) -> dict[str, Path]:
    """The folder that holds the class folders of each split."""
    names = [entry.name for entry in subfolders(folder)]
    if not names:
        raise DataError(
            f"data '{folder}' holds no subfolders; expected one per class, "
            "or train/ and test/ with one per class"
        )
    if "train" not in names and "test" in names:
        raise DataError(f"data '{folder}' holds test/ but no train/; expected both, or class folders")
    if "train" not in names or not (set(names) <= _SIDES.keys() or subfolders(folder / "train")):
        return {"train": folder}  # "train" may be a class, beside "car" and "ship"
    stray = [name for name in names if name not in _SIDES]
    if stray or {"val", "validation"} <= set(names):
        raise DataError(
            f"data '{folder}' holds {', '.join(names)}; expected only train, test and one of validation and "
            "val beside each other: move the others away"
        )
    return {_SIDES[name]: folder / name for name in names}


def _list_files(part: str, root: Path, classes: tuple[str, ...], file_type: FileType) -> Listing:
    files: list[Path] = []
    labels: list[int] = []
    others: list[Path] = []
    suffixes = ", ".join(file_type.suffixes)
    for folder in subfolders(root):
        if folder.name not in classes:
            raise DataError(
                f"data '{root}': class '{folder.name}' of {part} has no folder in train; "
                f"expected one of {', '.join(classes) or 'none'}"
            )
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        found = [entry for entry in entries if file_type.fits(entry)]
        others += [entry for entry in entries if not file_type.fits(entry)]
        if not found and part == "train":
            raise DataError(f"class folder '{folder}' holds no {file_type.many}; expected {suffixes} files")
        files += found
        labels += [classes.index(folder.name)] * len(found)
    if not files:
        raise DataError(f"data '{root}' holds no {file_type.many}; expected class folders with {suffixes}")
    return Listing(tuple(files), tuple(labels), tuple(others))
