"""Every link leads somewhere, every command has the form that the real parser reads."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from edgenas.cli.main import VERBS, make_parser
from tests.docs.pages import DOCS, MADE, PAGES, ROOT, anchors, blocks, inline_commands, links

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("name", NAMES)
def test_links_and_anchors_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if target.is_relative_to(DOCS) and str(target.relative_to(DOCS)) in MADE:
            continue
        assert target.exists(), f"{name} links to {link}"
        assert target.is_relative_to(ROOT), f"{name} links to {link}, out of the repository"
        if anchor:
            assert anchor in anchors(target), f"{name} links to {link}; there are {sorted(anchors(target))}"


def refused(command: str) -> str | None:
    """What the parser has against a command, or None."""
    words = shlex.split(command)
    while "=" in words[0] and words[0] != "edgenas":
        words.pop(0)
    words = words[2:] if words[0] == "python" else words[1:]
    if "..." in words:  # "and so on": the options before it are checked, the rest is not there
        words = words[: words.index("...")] + (["--data", "x"] if words[0] == "search" else [])
    for at, word in enumerate(words):
        if word in ("|", ">", "&&", ";"):
            words = words[:at]
            break
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            make_parser()[0].parse_args(words)
    except SystemExit as stop:
        return None if stop.code == 0 else said.getvalue().strip().splitlines()[-1]
    return None


@pytest.mark.parametrize("name", NAMES)
def test_commands_are_those_of_the_parser(name: str) -> None:
    for block in blocks(ROOT / name):
        for command in block.commands():
            assert (why := refused(command)) is None, f"{name}: {command}: {why}"
    for command in inline_commands(ROOT / name):
        verb = command.split()[1]
        assert verb in VERBS, f"{name}: {command}"
        known = make_parser()[0].format_help() + _help(verb)
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", command):
            assert option in known, f"{name}: {command} has the option {option}, which {verb} does not have"


def _help(verb: str) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        make_parser()[0].parse_args([verb, "--help"])
    return said.getvalue()


def test_a_wrong_command_and_a_wrong_link_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A, b `c`\n\n```sh\nedgenas search --dta x \\\n    --trials 3   # so\n```\n[x](y.md#z)\n"
    )
    (block,) = blocks(page)
    (command,) = block.commands()
    assert command == "edgenas search --dta x  --trials 3" and "--dta" in (refused(command) or "")
    assert refused("edgenas serch") and refused("edgenas search --trials three")
    assert links(page) == ["y.md#z"] and anchors(page) == {"a-b-c"}


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("mkdocs", "material", "mkdocstrings"))),
    reason="the site is not built: pip install 'edgenas[docs]'",
)
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(tmp_path / "site"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    home = (tmp_path / "site" / "index.html").read_text()
    assert "edgenas.search.tuner" in (tmp_path / "site" / "reference" / "search.html").read_text()
    assert not re.search(r'(?:src|href)="https?://[^"]*\.(?:js|css|woff2?)"', home)  # nothing is fetched
