"""Steps that the worked examples share: a command of edgenas, the best winner, its C test vectors."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from edgenas.cli.main import main as edgenas

SHORT = bool(os.environ.get("EDGENAS_SHORT"))
"""Whether to search for seconds instead of minutes: to see that all works, not for a good network."""

ONE = ("--trials", 1, "--workers", 1, "--winners", 1, "--seeds", 1)
"""The smallest search there is."""


def say(*lines):
    """Print plain words between the outputs of commands, with an empty line before."""
    print("", *lines, sep="\n", flush=True)


def run(*words):
    """Show and run one command of edgenas; end the example if it fails."""
    words = [str(word) for word in words]
    print("\n$ edgenas", *words, flush=True)
    if code := edgenas(words):
        sys.exit(code)


def best_winner(folder):
    """The bundle that is most accurate on validation data."""

    def accuracy(manifest):
        artifacts = json.loads(manifest.read_text())["artifacts"]
        return next(one["accuracy"]["validation"] for one in artifacts if one["file"] == "model.int8.tflite")

    return max(sorted(Path(folder, "winners").glob("*/manifest.json")), key=accuracy).parent


def fresh(folder):
    """A run folder that does not exist: what an earlier run of this example left there is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    return Path(folder)


def run_c_test_vectors(bundle):
    """Compile the bundle's C with its own CMake project and run its test vectors, as its README says."""
    project = bundle / "projects" / "cmake"
    if not shutil.which("cmake"):
        say(
            "There is no cmake here, so the C test vectors are left out ('edgenas verify' ran them with gcc)."
        )
        return
    for command in (
        ["cmake", "-S", ".", "-B", "build"],
        ["cmake", "--build", "build"],
        ["ctest", "--test-dir", "build", "--output-on-failure"],
    ):
        print("\n$", *command, flush=True)
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        print(done.stdout if done.returncode else "\n".join(done.stdout.splitlines()[-3:]))
        if done.returncode:
            sys.exit(done.stderr)
