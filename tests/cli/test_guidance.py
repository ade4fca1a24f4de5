"""A proxy and inheritance on the command line, from the option to the summary and the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def test_proxy_and_inheritance_are_options_of_a_search(edgenas: Any, tmp_path: Path) -> None:
    done = edgenas(
        "search", "--data", "digits", "--searcher", "nsga2", "--proxy", "params", "--inherit", "0.4",
        "--trials", "2", "--epochs", "1", "--images", "320", "--final-epochs", "1", "--winners", "1",
        "--seeds", "1", "--workers", "1", "--ram-kib", "16", "--out", "run", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["proxy"]["name"] == "params"
    assert document["proxy"]["verdict"]["networks"] == 2
    assert document["inheritance"] is None  # two founders have no parents
    assert any(sentence.startswith("Proxy params stays on") for sentence in document["savings"])
    config = (tmp_path / "run" / "config.toml").read_text()
    assert 'proxy = "params"' in config and "inherit = 0.4" in config
    assert "proxy params" in (tmp_path / "run" / "report.html").read_text().lower()
