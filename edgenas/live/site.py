"""What the web page of a run is made of: documents, drawings, the full report."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgenas.live.charts import drawings
from edgenas.live.following import Follower
from edgenas.live.standing import last_ended, standing, trial_entry
from edgenas.report.headline import STATUS_WORDS
from edgenas.report.page import render
from edgenas.report.run import read_run
from edgenas.search.objective import format_metric, metric_name
from edgenas.store import Store

_HERE = Path(__file__).parent
LOOK_SECONDS = 0.5
"""A run is looked at no more often than that, however many pages are open."""

READING_SECONDS = 0.3
MOST_TRIALS = 200


class Site:
    """The content for one run; safe to use from several threads.

    Args:
        folder: Of the run.

    Raises:
        StoreError: There is no run.
    """

    def __init__(self, folder: Path) -> None:
        self._follower = Follower(folder)
        self._folder = folder
        self._lock = threading.Lock()
        self._report_lock = threading.Lock()
        self._looked = float("-inf")
        self._document: dict[str, Any] = {}
        self._charts: tuple[int, list[dict[str, str]]] = (-1, [])
        self._report: tuple[int, bytes] = (-1, b"")
        report_style = (_HERE.parent / "report" / "page.css").read_bytes()
        self.files = {
            "/": ("text/html; charset=utf-8", (_HERE / "live.html").read_bytes()),
            "/live.css": ("text/css; charset=utf-8", report_style + (_HERE / "live.css").read_bytes()),
            "/live.js": ("text/javascript; charset=utf-8", (_HERE / "live.js").read_bytes()),
        }

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._follower.close()

    def _look(self) -> None:
        if self._document and time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._follower.refresh(READING_SECONDS)
        self._document = with_words(standing(self._follower))
        self._looked = time.monotonic()

    def run_document(self, since: int | None = None) -> bytes:
        """The state of the run as JSON; with ``charts`` unless they are those of version ``since``."""
        with self._lock:
            self._look()
            document = dict(self._document)
            if since != document["version"]:
                document["charts"] = self._drawn(document["version"])
        return _json(document)

    def trials_document(self, before: int | None, count: int) -> bytes:
        """Ended trials as JSON, the newest first, from the row below ``before`` on."""
        with self._lock:
            self._look()
            rows = last_ended(self._follower, max(1, min(count, MOST_TRIALS)), before)
            trials = [_entry_words(trial_entry(self._follower, row)) for row in rows]
        return _json({"trials": trials})

    def report(self) -> bytes:
        """The full report as it would be written now."""
        with self._report_lock:
            with self._lock:
                self._look()
                version = self._follower.version
            if version != self._report[0]:
                with Store.read(self._folder) as store:
                    self._report = (version, render(read_run(store)).encode("utf-8"))
            return self._report[1]

    def _drawn(self, version: int) -> list[dict[str, str]]:
        if self._charts[0] != version:
            found = []
            for metric in self._follower.objectives[1:]:
                if pair := drawings(self._follower, metric):
                    title = f"Validation {self._follower.task.full_label} against {metric_name(metric)}"
                    found.append({"title": title, "wide": pair[0], "narrow": pair[1]})
            self._charts = (version, found)
        return self._charts[1]


def etag_of(body: bytes) -> str:
    """A name for exactly this content."""
    return f'"{hashlib.sha256(body).hexdigest()[:20]}"'


def with_words(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document of `standing` with what the page shows, as the report words it."""
    status = document["status"]
    return {
        **document,
        "status_words": STATUS_WORDS.get(status, status),
        "cost_names": {name: metric_name(name) for name in _costs(document)},
        "budgets": [
            f"{metric_name(one['metric'])} of at most {format_metric(one['metric'], one['limit'])}"
            for one in document["budgets"]
        ],
        **{name: [_entry_words(entry) for entry in document[name]] for name in ("running", "last", "front")},
    }


def _costs(document: Mapping[str, Any]) -> list[str]:
    known = list(document["objectives"][1:])
    return known + [name for name in ("peak_ram_bytes", "flash_bytes", "macs") if name not in known]


def _entry_words(entry: Mapping[str, Any]) -> dict[str, Any]:
    names = ("latency_ms", "peak_ram_bytes", "flash_bytes", "macs", "params")
    words = {name: "" if entry[name] is None else format_metric(name, entry[name]) for name in names}
    return {**entry, "words": words}


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode("utf-8")
