"""The audit of the environment finds what it is there to find."""

from __future__ import annotations

import importlib.util
from email.message import Message
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    place = Path(__file__).parent.parent / ".ci" / "audit.py"
    spec = importlib.util.spec_from_file_location("audit", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_line_of_our_lock_is_pinned(audit: ModuleType) -> None:
    pinned, faults = audit.read_lock(audit.LOCK.read_text())
    assert not faults and len(pinned) > 50 and "tensorflow" in pinned


@pytest.mark.parametrize(
    "line",
    [
        "numpy", "numpy>=2", "numpy==2.*", "numpy~=2.1", "-e .", "./wheels/numpy.whl", "--index-url https://x.y",
        "numpy @ https://x.y/numpy.whl", "git+https://x.y/numpy", "numpy==2.1 @ https://x.y", "-r other.txt",
    ],
)  # fmt: skip
def test_other_lines_are_faults(audit: ModuleType, line: str) -> None:
    pinned, faults = audit.read_lock(f"# made with x\nPillow_Simd==1.0+cpu  # via y\n{line}\n")
    assert pinned == {"pillow-simd": "1.0+cpu"} and len(faults) == 1 and "expected NAME==VERSION" in faults[0]


def test_lines_with_hashes_and_markers_are_pinned(audit: ModuleType) -> None:
    text = 'a[b]==1.0 ; python_version < "3.12" \\\n    --hash=sha256:00\nc==2 --hash=sha256:11\n'
    assert audit.read_lock(text) == ({"a": "1.0", "c": "2"}, [])


def test_another_version_a_stranger_and_a_missing_package_are_named(audit: ModuleType) -> None:
    faults = audit.differences(
        {"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "3", "pip": "9", "edgenas": "0"}
    )
    assert [fault.split()[0] for fault in faults] == ["b", "c", "d"]


def test_addresses_are_named(audit: ModuleType) -> None:
    assert audit.origin("a", '{"url": "https://x.y/a.whl"}') and not audit.origin("a", None)
    assert not audit.origin("edgenas", '{"url": "file:///here", "dir_info": {"editable": true}}')


@pytest.mark.parametrize(
    ("field", "value", "fine"),
    [
        ("License-Expression", "MIT", True),
        ("License", "BSD 3-Clause License", True),
        ("Classifier", "License :: OSI Approved :: Apache Software License", True),
        ("Classifier", "Topic :: Submission", False),
        ("License-Expression", "AGPL-3.0-only", False),
        ("License", "GPLv3", False),
        ("License", "Proprietary", False),
        ("Summary", "x", False),
    ],
)
def test_licences_are_on_the_list_or_named(audit: ModuleType, field: str, value: str, fine: bool) -> None:
    described = Message()
    described[field] = value
    found = SimpleNamespace(metadata=described, read_text=lambda name: None)
    assert (audit.licence("a", found) == []) is fine


def test_the_text_of_a_licence_counts_where_metadata_name_none(audit: ModuleType) -> None:
    described = Message()
    described["License-File"] = "LICENSE"
    texts = {"licenses/LICENSE": "   Apache License\n   Version 2.0, January 2004"}
    assert not audit.licence("a", SimpleNamespace(metadata=described, read_text=texts.get))
