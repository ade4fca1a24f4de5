"""How long do `import edgenas` and `edgenas --help` take, and what do they load?

Whole processes are timed, the interpreter's own start included. Goals: 0.3 s and 0.6 s, and neither
loads TensorFlow or Ray.

    python benchmarks/startup.py [--json OUT]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

from edgenas.environment import machine, versions

REPEATS = 15
HEAVY = ("tensorflow", "keras", "tf_keras", "ray", "numpy")
COMMANDS = {
    "python": "pass",
    "import edgenas": "import edgenas",
    "edgenas --help": "import edgenas.cli.main as m\ntry: m.main(['--help'])\nexcept SystemExit: pass",
}
GOALS_S = {"import edgenas": 0.3, "edgenas --help": 0.6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    rows = {name: measure(code) for name, code in COMMANDS.items()}
    for name, row in rows.items():
        goal = f" (goal {GOALS_S[name]} s)" if name in GOALS_S else ""
        print(
            f"{name}: median {row['median_s']:.3f} s of {REPEATS}, worst {row['worst_s']:.3f} s{goal}; "
            f"loads {', '.join(row['loads']) or 'nothing heavy'}"
        )
    document = {
        "benchmark": "startup",
        "date": date.today().isoformat(),
        "goals_s": GOALS_S,
        "rows": rows,
        "machine": machine(),
        "versions": versions(),
    }
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def measure(code: str) -> dict[str, object]:
    """Seconds of whole processes, and which heavy packages they load."""
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    probe = f"{code}\nimport sys\nprint(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)
    return {
        "median_s": round(statistics.median(seconds), 4),
        "worst_s": round(max(seconds), 4),
        "loads": done.stdout.splitlines()[-1].split(),
    }


if __name__ == "__main__":
    main()
