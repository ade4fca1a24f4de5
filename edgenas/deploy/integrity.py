"""Is a bundle what its manifest says? Names that lead out of it, and files that changed, are found here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from edgenas.errors import ConfigError
from edgenas.export.manifest import MANIFEST_NAME, BundleFile, Manifest

COMPILED = ("c", "projects/qemu")
"""Folders whose files are compiled and run: what the manifest does not list must not lie there."""


def listed(manifest: Manifest) -> list[BundleFile]:
    """Every file that a manifest has a checksum of.

    Raises:
        ConfigError: A name that leads out of the bundle.
    """
    models = [BundleFile(one.file, one.sha256, one.bytes) for one in manifest.artifacts]
    files = [*models, *manifest.files]
    for file in files:
        if not is_inside(file.file):
            raise ConfigError(
                f"a manifest that lists the file '{file.file}' was given; expected names within the bundle: "
                "do not use it, and export again"
            )
    return files


def is_inside(name: str) -> bool:
    """Whether a name of a manifest stays within its bundle, on any system."""
    path = PurePosixPath(name)
    plain = bool(name) and not path.is_absolute() and ".." not in path.parts
    return plain and not any(mark in name for mark in "\\:\0")


def faults(folder: Path, manifest: Manifest) -> list[str]:
    """Files that are missing, changed, links to elsewhere, or that should not be there; one line each.

    Raises:
        ConfigError: A name that leads out of the bundle.
    """
    files = listed(manifest)
    changed = [f"{file.file}: {fault}" for file in files if (fault := _fault(folder, file))]
    known = {file.file for file in files}
    if not manifest.files:  # a bundle of before there were sources
        return changed
    return changed + [
        f"{name}: the manifest does not list it, and it would be compiled; take it away"
        for name in _present(folder)
        if name not in known and name != MANIFEST_NAME
    ]


def _fault(folder: Path, file: BundleFile) -> str:
    path = folder / file.file
    root = folder.resolve()
    try:
        if not path.resolve().is_relative_to(root):
            return "it is a link that leads out of the bundle"
        found = BundleFile.of(folder, file.file)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if found.sha256 != file.sha256:
        return (
            f"its checksum is not the manifest's ({found.sha256[:12]}..., expected {file.sha256[:12]}...); "
            "it was changed or damaged: copy or export the bundle again"
        )
    return ""


def _present(folder: Path) -> Iterable[str]:
    for home in COMPILED:
        yield from sorted(path.relative_to(folder).as_posix() for path in (folder / home).glob("*"))
