"""The C sources of a bundle through the compilers that are on this machine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgenas.deploy.proof import Compiled
from edgenas.environment import cores

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
OPTIONS = ("-Os", "-ffp-contract=off")
SECONDS = 120.0
"""What one run of a compiler may take."""

NOT_SHIPPED = ("test_vectors", "run_test_vectors", "check_output", "test_log_mel")
"""Sources that a firmware leaves out."""


@dataclass(frozen=True)
class Target:
    """A processor that the sources are compiled for.

    Attributes:
        name: ``host`` or the core.
        prefix: Of the names of its tools.
        flags: Which core it is.
    """

    name: str
    prefix: str
    flags: tuple[str, ...]

    @property
    def compiler(self) -> str:
        """Name of its C compiler."""
        return f"{self.prefix}gcc"


def _arm(core: str, *flags: str) -> Target:
    return Target(core, "arm-none-eabi-", (f"-mcpu={core}", "-mthumb", *flags))


HOST = Target("host", "", ())
CORTEX_M4 = _arm("cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
TARGETS = (
    HOST,
    _arm("cortex-m0plus"),
    CORTEX_M4,
    _arm("cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"),
    _arm("cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
    _arm("cortex-m55", "-mfloat-abi=hard"),
)


def compile_all(sources: Path, work: Path) -> list[Compiled]:
    """Compile the plain C of a bundle for every target, some at the same time.

    Args:
        sources: The folder ``c`` of a bundle.
        work: A folder that takes the objects, in one folder a target.

    Returns:
        How it went, in the order of `TARGETS`; a compiler that is not there is no failure.
    """
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(lambda target: _compile(target, sources, work), TARGETS))


def objects_of(target: Target, work: Path) -> list[Path]:
    """What `compile_all` made for a target."""
    return sorted((work / target.name).glob("*.o"))


def call(words: Sequence[str | Path], folder: Path, seconds: float = SECONDS) -> tuple[int, str]:
    """Exit code and output of a program; code -1 if it does not end, or cannot be started."""
    try:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, f"{words[0]} did not end within {seconds:g} s"
    except OSError as error:
        return -1, f"{words[0]} cannot be started ({error.strerror})"
    return done.returncode, done.stdout.decode(errors="replace")


def _compile(target: Target, sources: Path, work: Path) -> Compiled:
    if shutil.which(target.compiler) is None:
        return Compiled(target.name, None, None, f"{target.compiler} is not installed")
    folder = work / target.name
    folder.mkdir(parents=True)
    version = call([target.compiler, "-dumpfullversion"], folder)[1].strip()
    compiler, flags = f"{target.compiler} {version}", (*STRICT, *OPTIONS, *target.flags)
    files = sorted(path.resolve() for path in sources.glob("*.c"))
    code, output = call([target.compiler, *flags, "-c", *files], folder)
    shown = " ".join(flags)
    if code != 0:
        return Compiled(target.name, compiler, False, _first(output), shown)
    sizes = _sizes(target, folder)
    if sizes is None:
        return Compiled(target.name, compiler, True, f"{target.prefix}size tells no sizes", shown)
    kept = [entry for name, entry in sizes.items() if name not in NOT_SHIPPED]
    text, data, bss = (sum(column) for column in zip(*kept, strict=True))
    return Compiled(
        target.name, compiler, True, "", shown, text, sizes["model_data"][0], data, bss
    )  # fmt: skip


def _sizes(target: Target, folder: Path) -> dict[str, tuple[int, int, int]] | None:
    """Text, data and bss of each object, as ``size`` prints them in Berkeley's format."""
    objects = sorted(path.name for path in folder.glob("*.o"))
    code, output = call([f"{target.prefix}size", *objects], folder)
    rows = [line.split() for line in output.splitlines()[1:]]
    if code != 0 or len(rows) != len(objects):
        return None
    return {Path(row[-1]).stem: (int(row[0]), int(row[1]), int(row[2])) for row in rows}


def _first(output: str) -> str:
    """The first line of a compiler's output that names a fault."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line), lines[0] if lines else "it printed nothing")
