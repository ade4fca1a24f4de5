"""Output of converters is caught whole, and nothing of the process stays changed."""

from __future__ import annotations

import logging
import os
import sys
import warnings

import pytest

from edgenas.captured import captured, conversion_errors
from edgenas.errors import DataError, UnsupportedError


def test_output_of_python_and_of_c_libraries_is_caught(capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers = list(root.handlers)
    with captured() as output:
        print("from python")
        print("from python, to stderr", file=sys.stderr)
        os.write(1, b"from C\n")
        os.write(2, b"from C, to stderr\n")
        logging.warning("a log line")
        warnings.warn("a warning", UserWarning, stacklevel=1)
    for text in ("from python\n", "from python, to stderr", "from C\n", "from C, to stderr", "a log line"):
        assert text in output.text
    assert root.handlers == handlers
    assert capfd.readouterr() == ("", "")
    print("seen again")
    assert capfd.readouterr().out == "seen again\n"


def test_a_failing_block_gives_the_streams_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), captured() as output:
        os.write(2, b"the reason\n")
        raise KeyError
    assert output.text == "the reason\n"
    os.write(1, b"seen\n")
    assert capfd.readouterr().out == "seen\n"


def test_the_reason_of_a_converter_becomes_one_line() -> None:
    long = "Could not translate\nmodel.py:3:1: error: 'tf.Erf' op is no builtin\n<unknown>:0: note: x\n"
    with pytest.raises(UnsupportedError) as caught, conversion_errors("int8 conversion", "replace it"):
        raise RuntimeError(long)
    assert str(caught.value) == "int8 conversion failed: 'tf.Erf' op is no builtin; replace it"
    with (
        pytest.raises(UnsupportedError, match="step failed: ValueError; mend"),
        conversion_errors("step", "mend"),
    ):
        raise ValueError


def test_errors_of_edgenas_pass_as_they_are() -> None:
    with pytest.raises(DataError, match=r"^bad data$"), conversion_errors("step", "mend"):
        raise DataError("bad data")
