"""Schemes that train, run in a process of their own: its memory comes back when it ends.

``python -m edgenas.export.apart REQUEST ANSWER`` reads one pickled `Request` and writes the answer,
a dictionary from scheme to `edgenas.export.making.Made` or to the reason why there is none.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from edgenas.arch.graph import OpGraph
from edgenas.errors import EdgenasError, TrialError
from edgenas.export.making import Made
from edgenas.quantize.scheme import Material
from edgenas.store import storage_errors

MOST_BYTES = 2**30
"""Of training images, and of validation images, that a training holds; of more, it sees some."""


@dataclass(frozen=True)
class Request:
    """What to make.

    Attributes:
        schemes: Names of schemes.
        graph: The network.
        weights: By layer of its tf_keras model.
        material: What the schemes may use.
        images: Held-back images.
    """

    schemes: tuple[str, ...]
    graph: OpGraph
    weights: Mapping[str, list[np.ndarray]]
    material: Material
    images: np.ndarray


def made_apart(
    schemes: Sequence[str],
    graph: OpGraph,
    weights: Mapping[str, list[np.ndarray]],
    material: Material,
    images: np.ndarray,
) -> dict[str, Made | str]:
    """What each scheme made, or in words why it made nothing.

    Raises:
        StoreError: The folder for temporary files is full.
        TrialError: The process died.
    """
    request = Request(tuple(schemes), graph, weights, _within_budget(material), images)
    with storage_errors(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder, "request"), Path(folder, "answer")
        question.write_bytes(pickle.dumps(request))
        with Path(folder, "log").open("w+b") as log:
            code = _run([str(question), str(answer)], log)
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
        if code:
            last = f": {lines[-1]}" if lines else ""
            raise TrialError(f"the process that trains for schemes ended with code {code}{last}")
        made: dict[str, Made | str] = pickle.loads(answer.read_bytes())
    return made


def _run(words: Sequence[str], log: IO[bytes]) -> int:
    """Run the process to its end; it ends with this one, whatever ends this one."""
    with subprocess.Popen(
        [sys.executable, "-m", "edgenas.export.apart", *words],
        stdin=subprocess.PIPE, stdout=log, stderr=log,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    ) as process:  # fmt: skip
        try:
            return process.wait()
        except BaseException:
            process.kill()
            raise


def _end_with_input() -> None:
    """End this process when the one that started it is gone."""
    os.read(0, 1)  # not through sys.stdin, whose lock would be held when this process ends
    os._exit(1)


def _within_budget(material: Material) -> Material:
    """No more training images than are seen, and no more of any than fit into memory."""
    assert material.train is not None and material.validation is not None
    order = np.random.default_rng(material.seed).permutation(len(material.train[0]))
    train, validation = material.train, material.validation
    if (count := min(material.images, _most(train[0]))) < len(order):
        train = train[0][order[:count]], train[1][order[:count]]
    few = slice(_most(validation[0]))
    return replace(material, train=train, validation=(validation[0][few], validation[1][few]))


def _most(images: np.ndarray) -> int:
    """How many images a training may hold."""
    return max(1, MOST_BYTES // (4 * int(np.prod(images.shape[1:]))))


def main() -> None:
    """Answer one request."""
    from edgenas.build.twin import named_twin
    from edgenas.export.making import make
    from edgenas.quantize import SCHEMES, Network

    threading.Thread(target=_end_with_input, daemon=True).start()
    question, answer = map(Path, sys.argv[1:])
    request: Request = pickle.loads(question.read_bytes())
    made: dict[str, Made | str] = {}
    for name in request.schemes:
        network = Network(named_twin(request.graph, request.weights), request.graph)
        try:
            made[name] = make(SCHEMES.get(name)(), network, request.material, request.images)
        except EdgenasError as error:  # fails this scheme only
            made[name] = str(error)
    answer.write_bytes(pickle.dumps(made))


if __name__ == "__main__":
    main()
