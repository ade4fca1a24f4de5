"""A run folder that grows, and a server of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgenas.live.server import LiveServer
from edgenas.store import Store
from tests.report.made_up import DESCRIPTION, fill


@pytest.fixture
def going(tmp_path: Path) -> Iterator[Store]:
    """A search that goes on: 6 completed trials, one failed, one running."""
    with Store.create(tmp_path / "run") as store:
        store.set_meta(status="searching", **DESCRIPTION)
        fill(store, 8)
        (store.folder / "training.log").write_text(
            "a\rEpoch 1/6 \x1b[31mred\x1b[0m\n<script>alert(1)</script>\n"
        )
        yield store


@pytest.fixture
def server(going: Store) -> Iterator[LiveServer]:
    """A server for this machine alone, on a free port."""
    yield from serving(LiveServer(going.folder, "127.0.0.1", 0, None))


def serving(server: LiveServer) -> Iterator[LiveServer]:
    """The server while it serves."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
