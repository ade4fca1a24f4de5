"""Run folders with made-up facts, and their reports as trees of elements."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgenas.report import write_report
from edgenas.store import Store
from tests.report.html_tree import Element, read_html
from tests.report.made_up import DESCRIPTION, choose_winners, fill


def report_of(store: Store) -> Element:
    """The report of a run as it is now."""
    return read_html(write_report(store.folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def finished_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run: 28 completed trials, one failed, one left running, 3 winners, 1 dropped."""
    folder = tmp_path_factory.mktemp("made-up") / "run"
    with Store.create(folder) as store:
        store.set_meta(status="done", **DESCRIPTION)
        choose_winners(store, fill(store))
    return folder


@pytest.fixture
def finished(finished_folder: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of the finished run that a test may change."""
    with Store.open(shutil.copytree(finished_folder, tmp_path / "run")) as store:
        yield store


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Store]:
    """A run of which nothing is known yet."""
    with Store.create(tmp_path / "new") as store:
        yield store


@pytest.fixture(scope="session")
def page(finished_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Element:
    """The report of the finished run."""
    folder = shutil.copytree(finished_folder, tmp_path_factory.mktemp("report") / "run")
    with Store.read(folder) as store:
        return report_of(store)
