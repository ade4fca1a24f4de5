"""Do the readers of model files answer damaged files in one line, in bounded time and memory?

Whole files (made on the spot, and those of a folder if one is given) are cut, spliced and changed in
places; each damaged file is read, and costed if it can be read. Allowed are a cost and an
`EdgenasError`. Goal: at least 20,000 files of each format without anything else, none longer than ten
seconds.

    python benchmarks/fuzz_readers.py [--files N] [--seed S] [--models FOLDER] [--json OUT]
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from edgenas.arch.spaces.micro import MicroSpace
from edgenas.build.read_onnx import graph_from_onnx
from edgenas.build.read_tflite import float_operations, graph_from_tflite, is_int8
from edgenas.cost.static import StaticSource
from edgenas.environment import machine, versions
from edgenas.errors import EdgenasError
from edgenas.profile.synthesize import synthesize
from edgenas.testing.damage import damaged_file

SECONDS_A_FILE = 10
LARGEST_SEED_BYTES = 400_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20_000, help="damaged files of each format")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--models", type=Path, metavar="FOLDER", help="further whole files, looked for in all of it"
    )
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    signal.signal(signal.SIGALRM, _too_long)
    formats = {
        "tflite": (synthesized() + found(args.models, "*.tflite"), read_tflite),
        "onnx": (exported() + found(args.models, "*.onnx"), read_onnx),
    }
    document: dict[str, Any] = {
        "benchmark": "fuzz_readers",
        "date": date.today().isoformat(),
        "seed": args.seed,
        "seconds_a_file": SECONDS_A_FILE,
        "formats": {
            name: fuzz(wholes, read, args.files, args.seed) for name, (wholes, read) in formats.items()
        },
        "machine": machine(),
        "versions": versions(),
    }
    document["goal_met"] = all(not row["failures"] for row in document["formats"].values())
    for name, row in document["formats"].items():
        print(
            f"{name}: {row['files']} damaged files of {row['whole_files']}: {row['read']} read, "
            f"{row['refused']} refused, {len(row['failures'])} failed; longest {row['longest_s']:.2f} s, "
            f"memory grew by {row['memory_grew_mib']:.0f} MiB"
        )
        for failure in row["failures"][:5]:
            print(f"  {failure}")
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    sys.exit(not document["goal_met"])


def synthesized() -> list[bytes]:
    """Four random networks of space micro as int8 ``.tflite`` files."""
    space = MicroSpace((28, 28, 1), 10)
    return [synthesize(space.sample(np.random.default_rng(seed)).graph()) for seed in range(4)]


def exported() -> list[bytes]:
    """Two hand-made ``.onnx`` files."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.build.onnx_models import exported as made

    return [made(), made(quantized=True)]


def found(folder: Path | None, pattern: str) -> list[bytes]:
    """Whole files of a folder that are small enough to be damaged often."""
    paths = sorted(folder.rglob(pattern)) if folder else []
    return [path.read_bytes() for path in paths if path.stat().st_size <= LARGEST_SEED_BYTES]


def read_tflite(model: bytes) -> None:
    """All that is asked of a ``.tflite`` file."""
    graph = graph_from_tflite(model)
    is_int8(model)
    float_operations(model)
    StaticSource().estimate(graph, per_op=True)


def read_onnx(model: bytes) -> None:
    """All that is asked of an ``.onnx`` file."""
    StaticSource().estimate(graph_from_onnx(model), per_op=True)


def fuzz(wholes: list[bytes], read: Callable[[bytes], None], files: int, seed: int) -> dict[str, Any]:
    """Counts of what became of the damaged files."""
    rng = random.Random(seed)
    for whole in wholes:
        read(whole)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts: Counter[str] = Counter()
    failures, longest = [], 0.0
    for number in range(files):
        model = damaged_file(rng.choice(wholes), rng.choice(wholes), rng)
        start = time.perf_counter()
        signal.alarm(SECONDS_A_FILE)
        try:
            read(model)
            counts["read"] += 1
        except EdgenasError as error:
            counts["refused"] += 1
            if "\n" in str(error):
                failures.append(f"file {number}: more than one line: {error}")
        except Exception as error:
            failures.append(f"file {number}: {type(error).__name__}: {error}")
        finally:
            signal.alarm(0)
        longest = max(longest, time.perf_counter() - start)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {
        "whole_files": len(wholes), "files": files, "read": counts["read"], "refused": counts["refused"],
        "failures": failures, "longest_s": round(longest, 3), "memory_grew_mib": round(grown, 1),
    }  # fmt: skip


def _too_long(signum: int, frame: Any) -> None:
    raise TimeoutError(f"longer than {SECONDS_A_FILE} s")


if __name__ == "__main__":
    main()
