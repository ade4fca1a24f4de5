"""The test vectors in plain C: on this machine, and on a Cortex-M4 that QEMU emulates."""

from __future__ import annotations

import shutil
from pathlib import Path

from edgenas.deploy.compilers import CORTEX_M4, HOST, OPTIONS, STRICT, Target, call, objects_of
from edgenas.deploy.proof import Ran

BOARD = "mps2-an386"
EMULATED = f"Cortex-M4, QEMU {BOARD}"
EMULATOR = (
    "qemu-system-arm", "-M", BOARD, "-display", "none", "-monitor", "none", "-serial", "none",
    "-semihosting-config", "enable=on,target=native", "-kernel",
)  # fmt: skip
SECONDS = 60.0
"""What a run may take; an emulated one of some thousand values takes 0.1 s."""


def run_everywhere(folder: Path, work: Path) -> list[Ran]:
    """Link the objects of `compile_all`, run them and compare what the machines print.

    Args:
        folder: The bundle.
        work: Where `compile_all` left its objects.
    """
    ran = [run_on_host(folder, work), run_emulated(folder, work)]
    printed = {one.output for one in ran if one.passed}
    if len(printed) > 1:
        ran[1] = Ran(EMULATED, False, "it prints other bytes than the host", ran[1].output)
    return ran


def run_on_host(folder: Path, work: Path) -> Ran:
    """The test vectors in a program of this machine."""
    if shutil.which(HOST.compiler) is None:
        return Ran("host", None, f"{HOST.compiler} is not installed")
    program = work / "run"
    if fault := _link(HOST, folder, work, program, []):
        return Ran("host", False, fault)
    return _judged("host", *call([program], work, SECONDS))


def run_emulated(folder: Path, work: Path) -> Ran:
    """The test vectors on an emulated Cortex-M4; output and exit code come by semihosting."""
    for tool in (CORTEX_M4.compiler, EMULATOR[0]):
        if shutil.which(tool) is None:
            return Ran(EMULATED, None, f"{tool} is not installed")
    home = (folder / "projects" / "qemu").resolve()
    program = work / "run.elf"
    more = ["-nostartfiles", "-T", str(home / f"{BOARD}.ld"), "--specs=rdimon.specs", str(home / "startup.c")]
    if fault := _link(CORTEX_M4, folder, work, program, more):
        return Ran(EMULATED, False, fault)
    return _judged(EMULATED, *call([*EMULATOR, program], work, SECONDS))


def _link(target: Target, folder: Path, work: Path, program: Path, more: list[str]) -> str:
    """Link a program with a main function; what went wrong, or nothing."""
    flags = [*STRICT, *OPTIONS, *target.flags, "-DEDGENAS_MAIN"]
    main = (folder / "c" / "run_test_vectors.c").resolve()
    others = [path for path in objects_of(target, work) if path.stem != main.stem]
    if not others:
        return "the sources do not compile"
    code, output = call([target.compiler, *flags, main, *others, *more, "-o", program], work)
    return "" if code == 0 else f"cannot be linked: {(output.strip().splitlines() or [''])[-1]}"


def _judged(place: str, code: int, output: str) -> Ran:
    lines = output.strip().splitlines() or ["it printed nothing"]
    return Ran(place, code == 0, lines[-1], output)
