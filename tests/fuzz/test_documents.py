"""Readers answer damaged files with a value or one line, never with another exception or without end."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgenas.errors import EdgenasError
from tests.fuzz.readers import READERS

CASES = 200
SECONDS_A_FILE = 20


def _too_long(signum: int, frame: Any) -> None:
    raise TimeoutError(f"longer than {SECONDS_A_FILE} s")


@pytest.mark.parametrize("name", READERS)
def test_whole_files_are_read(name: str, tmp_path: Path) -> None:
    for whole in READERS[name].wholes():
        (tmp_path / READERS[name].file).write_bytes(whole)
        READERS[name].read(tmp_path / READERS[name].file)


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_a_value_or_one_line(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    refused: list[str] = []

    @settings(max_examples=CASES, derandomize=True, database=None, deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.data())
    def answers(data: st.DataObject) -> None:
        (tmp_path / reader.file).write_bytes(data.draw(damaged))
        signal.alarm(SECONDS_A_FILE)
        try:
            reader.read(tmp_path / reader.file)
        except EdgenasError as error:
            refused.append(str(error))
        finally:
            signal.alarm(0)

    damaged = reader.damaged()
    before = signal.signal(signal.SIGALRM, _too_long)
    try:
        answers()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert refused and all(refused)
