"""Do all readers of files from outside answer damaged ones in one line, in bounded time and memory?

Configurations, device files, specs, latency tables, predictors, manifests, tables, measurements, arrays,
model files and databases of runs are damaged by hypothesis: other values in sound documents, fields less and
more, other bytes.
Allowed are a value and an `EdgenasError`. Goal: 20,000 files of each without anything else, none longer than
ten seconds. (`fuzz_readers.py` does the same to model files, larger ones among them.)

    python benchmarks/fuzz_documents.py [NAME ...] [--files N] [--seed S] [--json OUT]
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from edgenas.environment import machine, versions
from edgenas.errors import EdgenasError

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fuzz.readers import READERS, Reader

SECONDS_A_FILE = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"among {', '.join(READERS)} (default: all)")
    parser.add_argument("--files", type=int, default=20_000, help="damaged files of each kind")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    if unknown := set(args.names) - set(READERS):
        parser.error(f"unknown {', '.join(unknown)}; known: {', '.join(READERS)}")
    signal.signal(signal.SIGALRM, _too_long)
    rows: dict[str, Any] = {}
    for name in args.names or READERS:
        rows[name] = row = fuzz(READERS[name], args.files, args.seed)
        print(
            f"{name}: {row['files']} damaged files: {row['read']} read, {row['refused']} refused, "
            f"{row['failed']} failed; longest {row['longest_s']:.2f} s, memory grew by "
            f"{row['memory_grew_mib']:.0f} MiB",
            flush=True,
        )
        for failure in row["failures"]:
            print(f"  {failure}", flush=True)
        if args.json:
            args.json.write_text(json.dumps(_document(rows, args.seed), indent=1) + "\n", encoding="utf-8")
    sys.exit(any(row["failed"] for row in rows.values()))


def _document(rows: dict[str, Any], seed: int) -> dict[str, Any]:
    return {
        "benchmark": "fuzz_documents",
        "date": date.today().isoformat(),
        "seed": seed,
        "seconds_a_file": SECONDS_A_FILE,
        "readers": rows,
        "machine": machine(),
        "versions": {**versions(), "hypothesis": hypothesis.__version__},
        "goal_met": set(rows) == set(READERS)
        and all(row["files"] >= 20_000 and not row["failed"] for row in rows.values()),
    }


def fuzz(reader: Reader, files: int, seed: int) -> dict[str, Any]:
    """What became of so many damaged files of a reader."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    longest = 0.0
    damaged = reader.damaged()
    with tempfile.TemporaryDirectory(prefix="edgenas-") as folder:
        path = Path(folder) / reader.file

        @hypothesis.seed(seed)
        @settings(max_examples=files, database=None, deadline=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(st.data())
        def answers(data: st.DataObject) -> None:
            nonlocal longest
            path.write_bytes(data.draw(damaged))
            start = time.perf_counter()
            signal.alarm(SECONDS_A_FILE)
            try:
                reader.read(path)
                counts["read"] += 1
            except EdgenasError:
                counts["refused"] += 1
            except Exception as error:
                counts["failed"] += 1
                failures[f"{type(error).__name__}: {error}"[:200] + _places(error)] += 1
            finally:
                signal.alarm(0)
            longest = max(longest, time.perf_counter() - start)

        answers()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {
        "whole_files": len(reader.wholes()), "files": counts.total(), "read": counts["read"],
        "refused": counts["refused"], "failed": counts["failed"], "failures": dict(failures.most_common(20)),
        "longest_s": round(longest, 3), "memory_grew_mib": round(grown, 1),
    }  # fmt: skip


def _places(error: Exception) -> str:
    """Where in the package it was raised, innermost first."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/edgenas/" in frame.filename]
    return "".join(f" < {Path(frame.filename).stem}:{frame.lineno}" for frame in reversed(frames[-4:]))


def _too_long(signum: int, frame: Any) -> None:
    raise TimeoutError(f"longer than {SECONDS_A_FILE} s")


if __name__ == "__main__":
    main()
