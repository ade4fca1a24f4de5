"""Keeps what converters and interpreters print off the terminal, and at hand for error messages."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from edgenas.errors import EdgenasError, UnsupportedError


@dataclass
class Captured:
    """What was printed; filled when the block of `captured` ends."""

    text: str = ""


@contextlib.contextmanager
def captured() -> Iterator[Captured]:
    """Catch all output of a block: Python's and that of C libraries, on both standard streams.

    It acts on the whole process, so blocks should be short, and two threads must not use it at once.

    Yields:
        An object whose ``text`` holds the output after the block.
    """
    caught = Captured()
    printed = io.StringIO()
    root, handler = logging.getLogger(), logging.StreamHandler(printed)
    with tempfile.TemporaryFile() as file:
        root.addHandler(handler)  # without one, the first warning would install one for good
        try:
            with (
                _descriptors_to(file.fileno()),
                contextlib.redirect_stdout(printed),
                contextlib.redirect_stderr(printed),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter("ignore")
                yield caught
        finally:
            root.removeHandler(handler)
            file.seek(0)
            caught.text = file.read().decode(errors="replace") + printed.getvalue()


@contextlib.contextmanager
def _descriptors_to(target: int) -> Iterator[None]:
    """Point the file descriptors 1 and 2, which C libraries write to, at another open file."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    saved = [os.dup(number) for number in (1, 2)]
    try:
        for number in (1, 2):
            os.dup2(target, number)
        yield
    finally:
        for number, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, number)
            os.close(copy)


@contextlib.contextmanager
def conversion_errors(step: str, advice: str) -> Iterator[Captured]:
    """Capture the output of a converter and turn whatever it raises into one line.

    Args:
        step: What is being done, for example ``"int8 TFLite conversion"``.
        advice: How to mend a failure.

    Raises:
        UnsupportedError: The converter failed; the message has its reason.
    """
    with captured() as output:
        try:
            yield output
        except (EdgenasError, OSError):
            raise
        except Exception as error:  # converters raise anything, from ValueError to their own types
            raise UnsupportedError(f"{step} failed: {_reason(error)}; {advice}") from error


def _reason(error: Exception) -> str:
    """The one line of a converter's long message that tells why."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for line in lines:
        if "error: " in line:
            return line.split("error: ", 1)[1]
    return lines[0] if lines else type(error).__name__
