"""The one call that makes a bundle out of model files: sources, projects, vectors, documents, proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edgenas.cost.types import Cost
from edgenas.deploy.c_sources import write_c
from edgenas.deploy.documents import write_documents
from edgenas.deploy.facts import Facts
from edgenas.deploy.outputs import Outputs, outputs_of
from edgenas.deploy.outputs.outputs import INT8
from edgenas.deploy.proof import Proof
from edgenas.deploy.prove import prove
from edgenas.deploy.rendering import write_group
from edgenas.deploy.samples import RawSamples
from edgenas.deploy.samples_for_apps import write_samples
from edgenas.deploy.vectors import make_vectors, write_vectors
from edgenas.errors import ParityError, UnsupportedError
from edgenas.export.manifest import BundleFile, Manifest
from edgenas.export.running import Program


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
    outputs: Outputs | None = None
    try:
        outputs = outputs_of(manifest, samples.class_names)
        facts = _facts(files)
    except UnsupportedError as error:
        manifest = replace(manifest, proof=Proof(note=f"no C sources: {error}"))
    else:
        columns = tuple(manifest.description.get("preprocessing", {}).get("features", ()))
        proof = _with_sources(folder, facts, files, replace(samples, columns=columns), outputs, cost)
        manifest = replace(manifest, proof=proof)
    write_documents(folder, manifest, samples, outputs)
    return replace(manifest, files=_listed(folder, set(files)))


def _facts(files: Mapping[str, tuple[bytes, Program]]) -> Facts:
    """What the C sources say of the int8 file.

    Raises:
        UnsupportedError: There is none, or none that they can be written for.
    """
    if INT8 not in files:
        raise UnsupportedError(f"the bundle has no {INT8}")
    return Facts.of(*files[INT8])


def _with_sources(
    folder: Path,
    facts: Facts,
    files: Mapping[str, tuple[bytes, Program]],
    samples: RawSamples,
    outputs: Outputs,
    cost: Cost | None,
) -> Proof:
    programs = {name: program for name, (_, program) in files.items()}
    vectors = make_vectors(samples, outputs, facts.input, facts.output, facts.model, programs)
    write_c(folder, facts, samples, outputs, vectors)
    write_vectors(folder, vectors, samples, outputs)
    write_group("projects", folder / "projects", {})
    write_samples(folder, facts, samples, outputs)
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
