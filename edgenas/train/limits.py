"""Limits of one training: how long it may take and how much memory it may use; and who ran out of memory."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edgenas.errors import ConfigError, TrialError

LOOK_EVERY_SECONDS = 0.05

GRACE_SECONDS = 120.0
"""How much later than its limit a training is given up from outside, by whoever waits for its process."""


@dataclass(frozen=True)
class Limits:
    """Beyond these a training is killed and its trial fails with the reason.

    Attributes:
        minutes: Wall time of one training, or None.
        memory_gib: Resident memory of the process that trains, TensorFlow's own half GiB included, or
            None. Checked some twenty times a second, where the system has ``/proc``.

    Raises:
        ConfigError: A limit of zero or less.
    """

    minutes: float | None = None
    memory_gib: float | None = None

    def __post_init__(self) -> None:
        for option, value in (("--trial-minutes", self.minutes), ("--trial-gib", self.memory_gib)):
            if value is not None and not value > 0:
                raise ConfigError(f"{option} {value:g} was given; expected more than zero")

    def for_longer(self, times: float) -> Limits:
        """The limits of a training of so many times as many images; its time is never shorter."""
        return self if self.minutes is None else replace(self, minutes=self.minutes * max(1.0, times))

    def broken_by(self, process_id: int, seconds: float) -> str | None:
        """Which limit a process exceeds after so many seconds, in words; None if it keeps them."""
        if self.minutes is not None and seconds > 60 * self.minutes:
            return f"stopped after {seconds / 60:.2g} minutes, the limit of a trial (--trial-minutes)"
        if self.memory_gib is not None and (used := resident_gib(process_id)) > self.memory_gib:
            return (
                f"out of memory: the training used {used:.2f} GiB, the limit of a trial is "
                f"{self.memory_gib:g} GiB (--trial-gib)"
            )
        return None


NO_LIMITS = Limits()


class Overdue:
    """Ends a training whose own process does not, because that hangs itself.

    Args:
        limits: Of the training.
        end: Called from another thread when it is two minutes over its time.
    """

    def __init__(self, limits: Limits, end: Callable[[], None]) -> None:
        self.is_over = False
        self._end = end
        self._timer: threading.Timer | None = None
        if limits.minutes is not None:
            self._timer = threading.Timer(60 * limits.minutes + GRACE_SECONDS, self._over)
            self._timer.daemon = True
            self._timer.start()

    def _over(self) -> None:
        self.is_over = True
        self._end()

    def check(self) -> None:
        """Raise TrialError if the training was ended here."""
        if self.is_over:
            raise TrialError("its process hung: no answer two minutes after the limit of a trial")

    def cancel(self) -> None:
        """Let the training be."""
        if self._timer is not None:
            self._timer.cancel()


def wait_within(child: int, limits: Limits) -> tuple[int, tuple[str, str] | None]:
    """Wait for a child process, and kill it if it exceeds a limit.

    Returns:
        Its wait status, and ``("failed", reason)`` if it was killed here.
    """
    if limits == NO_LIMITS:
        return os.waitpid(child, 0)[1], None
    started = time.monotonic()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status, None
        if reason := limits.broken_by(child, time.monotonic() - started):
            os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1], ("failed", reason)
        time.sleep(LOOK_EVERY_SECONDS)


def resident_gib(process_id: int) -> float:
    """Resident memory of a process in GiB; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (OSError, IndexError, ValueError):
        return 0.0


def out_of_memory_kills() -> int:
    """Processes that the kernel killed for want of memory: in this control group, or on this machine."""
    groups = Path("/proc/self/cgroup")
    with contextlib.suppress(OSError, ValueError, StopIteration):
        own = next(line for line in groups.read_text().splitlines() if line.startswith("0::"))
        return _counter(Path("/sys/fs/cgroup") / own[3:].lstrip("/") / "memory.events")
    with contextlib.suppress(OSError, ValueError, StopIteration):
        return _counter(Path("/proc/vmstat"))
    return 0


def _counter(path: Path) -> int:
    return next(
        int(words[1]) for line in path.read_text().splitlines() if (words := line.split())[0] == "oom_kill"
    )


def volunteer_for_the_kernel() -> None:
    """Have this process killed first when memory runs out, rather than the search."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
