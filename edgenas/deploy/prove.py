"""Try everything that this machine can try with the files of a bundle."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.build.read_tflite import graph_from_tflite
from edgenas.cost.types import Cost
from edgenas.deploy.compilers import compile_all
from edgenas.deploy.proof import BitExact, Compiled, Proof, Ran
from edgenas.deploy.running_c import run_everywhere
from edgenas.deploy.timing import time_files
from edgenas.deploy.vectors import run_interpreter, run_reference
from edgenas.errors import EdgenasError
from edgenas.profile.device import load_device
from edgenas.profile.vela import RUNTIME, VelaSource

EXACT = "every output is the same, bit by bit"


def prove(
    folder: Path, files: Mapping[str, bytes], int8: bytes, inputs: np.ndarray, cost: Cost | None
) -> Proof:
    """Compile and run the C sources, compare interpreters, measure the files.

    Args:
        folder: The bundle, with ``c/`` and ``projects/``.
        files: Content of its model files by name.
        int8: The int8 ``.tflite`` file.
        inputs: int8 inputs for it, of shape (n, *input shape).
        cost: What was predicted of the network.
    """
    compiled, ran = prove_c(folder)
    return Proof(
        compiled=tuple(compiled),
        ran=tuple(ran),
        bit_exact=compare_interpreters(int8, inputs),
        latency=time_files(files, cost),
        npu=npu_report(int8, cost),
    )


def prove_c(folder: Path) -> tuple[list[Compiled], list[Ran]]:
    """Compile the C sources of a bundle with every compiler there is, and run their test vectors."""
    with tempfile.TemporaryDirectory(prefix="edgenas-") as work:
        return compile_all(folder / "c", Path(work)), run_everywhere(folder, Path(work))


def compare_interpreters(int8: bytes, inputs: np.ndarray) -> BitExact:
    """The int8 file in TFLite-Micro's interpreter and in LiteRT with reference kernels."""
    micro = run_interpreter(int8, inputs)
    if micro is None:
        return BitExact(0, 0, 0, "tflite-micro is not installed, or cannot run the file")
    difference = np.abs(micro.astype(int) - run_reference(int8, inputs))
    largest, differing = int(difference.max()), int(np.count_nonzero(difference))
    note = EXACT if not differing else _explained(int8, differing, difference.size, largest)
    return BitExact(len(inputs), differing, largest, note)


def _explained(int8: bytes, differing: int, values: int, largest: int) -> str:
    """Why two sets of reference kernels do not agree, as far as the file tells."""
    kinds = {op.kind for op in graph_from_tflite(int8).ops}
    suspects = sorted(
        kinds & {"dense", "softmax", "global_avg_pool", "mean", "avg_pool2d", "activation", "log_softmax"}
    )
    named = f"; those of {', '.join(suspects)} are known to round in two ways" if suspects else ""
    return (
        f"{differing} of {values} outputs differ, by {largest} step(s) at most: LiteRT's reference kernels "
        f"of this version are not those of this TFLite-Micro{named}"
    )


def npu_report(int8: bytes, cost: Cost | None) -> dict[str, Any] | None:
    """What Vela reports of the file itself, where the network was searched for an Ethos-U."""
    if cost is None or cost.runtime != RUNTIME:
        return None
    try:
        source = VelaSource(load_device(cost.device))
        return {"note": source.note, **source.estimate_file(int8, graph_from_tflite(int8)).to_json()}
    except EdgenasError as error:
        return {"note": f"not compiled: {error}"}
