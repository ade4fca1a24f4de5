"""The one call that makes a bundle out of model files: sources, projects, vectors, documents, proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edgenas.cost.types import Cost
from edgenas.deploy.c_sources import write_c
from edgenas.deploy.documents import write_documents
from edgenas.deploy.facts import Facts
from edgenas.deploy.proof import Proof
from edgenas.deploy.prove import prove
from edgenas.deploy.rendering import write_group
from edgenas.deploy.samples import RawSamples
from edgenas.deploy.samples_for_apps import write_samples
from edgenas.deploy.vectors import make_vectors, write_vectors
from edgenas.errors import ParityError, UnsupportedError
from edgenas.export.manifest import BundleFile, Manifest
from edgenas.export.running import Program

INT8 = "model.int8.tflite"


def deploy(
    folder: Path,
    manifest: Manifest,
    files: Mapping[str, tuple[bytes, Program]],
    samples: RawSamples,
    cost: Cost | None,
) -> Manifest:
    """Add to a folder of model files all that makes them usable, and the proof.

    Args:
        folder: Where the model files stand already.
        manifest: What is known of them.
        files: Content of each and the same ready to run, by name.
        samples: Inputs for the test vectors.
        cost: What was predicted of the network.

    Returns:
        The manifest with the proof and with the checksum of every file but its own.

    Raises:
        ParityError: The C sources compute something else than the Python pipeline.
        OSError: The folder cannot be written.
    """
    facts = _facts(files)
    if isinstance(facts, str):
        manifest = replace(manifest, proof=Proof(note=f"no C sources: {facts}"))
    else:
        manifest = replace(manifest, proof=_with_sources(folder, facts, files, samples, cost))
    write_documents(folder, manifest, samples)
    return replace(manifest, files=_listed(folder, set(files)))


def _facts(files: Mapping[str, tuple[bytes, Program]]) -> Facts | str:
    """What the C sources say of the int8 file, or in words why there are none."""
    if INT8 not in files:
        return f"the bundle has no {INT8}"
    try:
        return Facts.of(*files[INT8])
    except UnsupportedError as error:
        return str(error)


def _with_sources(
    folder: Path,
    facts: Facts,
    files: Mapping[str, tuple[bytes, Program]],
    samples: RawSamples,
    cost: Cost | None,
) -> Proof:
    programs = {name: program for name, (_, program) in files.items()}
    vectors = make_vectors(samples, facts.input, facts.output, facts.model, programs)
    write_c(folder, facts, samples, vectors)
    write_vectors(folder, vectors, samples)
    write_group("projects", folder / "projects", {})
    write_samples(folder, facts, samples)
    inputs = facts.input.quantize(samples.prepared())
    proof = prove(folder, {name: content for name, (content, _) in files.items()}, facts.model, inputs, cost)
    for one in proof.ran:
        if one.passed is False and "vector " in one.output:
            raise ParityError(
                f"c/: the C sources compute something else than the Python pipeline on {one.place} "
                f"({one.note}); report it with the model and the compiler's version"
            )
    return proof


def _listed(folder: Path, known: set[str]) -> tuple[BundleFile, ...]:
    """Checksums of all files but the models, whose entries have their own."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return tuple(BundleFile.of(folder, name) for name in names if name not in known)
