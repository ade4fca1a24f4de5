"""What the documentation site has beside the pages of docs/: a hook of MkDocs, see mkdocs.yml.

The home page is README.md. A link that leads out of docs/, to an example, a source or a result, gets a page
or a copy of that file, so that no link is broken. The comparison with peers is made of benchmarks/results,
the list of commands of the parser itself.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)(#[^)\s]*)?(\))")
CODE = {".py": "python", ".toml": "toml", ".json": "json", ".ipynb": "json"}
"""Files that a page shows as they are."""


def on_files(files: Files, config: Any) -> Files:
    """Add what is made when the site is built."""
    sys.path.insert(0, str(ROOT))
    from benchmarks import comparison

    made = {"index.md": _linked((ROOT / "README.md").read_text(encoding="utf-8"), ROOT, DOCS)}
    made["comparison.md"] = comparison.page()
    made["reference/commands.md"] = commands()
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    for target in sorted(_outside()):
        if target != ROOT / "README.md":
            files.append(_file_of(target, config))
    return files


def on_page_markdown(markdown: str, page: Page, **more: Any) -> str:
    """Lead links out of docs/ to the page or copy of what they name."""
    if page.file.generated_by is not None:
        return markdown
    source = Path(page.file.abs_src_path or "").parent
    return _linked(markdown, source, source)


def _outside() -> set[Path]:
    """Files beyond docs/ that a page, or a page made of such a file, links to."""
    found: set[Path] = set()
    waiting = [(path.read_text(encoding="utf-8"), path.parent) for path in DOCS.rglob("*.md")]
    waiting.append(((ROOT / "README.md").read_text(encoding="utf-8"), ROOT))
    while waiting:
        text, folder = waiting.pop()
        for target in _targets(text, folder):
            if target not in found and target.is_file() and not target.is_relative_to(DOCS):
                found.add(target)
                if target.suffix == ".md":
                    waiting.append((target.read_text(encoding="utf-8"), target.parent))
    return found


def _targets(text: str, folder: Path) -> list[Path]:
    links = [match[2] for match in LINK.finditer(text) if "://" not in match[2]]
    return [(folder / link).resolve() for link in links]


def _place(target: Path) -> PurePosixPath:
    """Where a file lies in the site's sources: its own place in docs/, else one below `files/`."""
    if target.is_relative_to(DOCS):
        return PurePosixPath(target.relative_to(DOCS).as_posix())
    if target == ROOT / "README.md":
        return PurePosixPath("index.md")
    inside = PurePosixPath("files", target.relative_to(ROOT).as_posix())
    return inside.with_name(f"{inside.name}.md") if target.suffix in CODE or not target.suffix else inside


def _file_of(target: Path, config: Any) -> File:
    """A page or a copy of a file beyond docs/."""
    place = _place(target)
    if target.suffix == ".md":
        content = _linked(target.read_text(encoding="utf-8"), target.parent, DOCS / place.parent)
        return File.generated(config, str(place), content=content)
    if place.suffix == ".md":
        text = target.read_text(encoding="utf-8")
        body = f"# {target.relative_to(ROOT)}\n\n````{CODE.get(target.suffix, '')}\n{text}\n````\n"
        return File.generated(config, str(place), content=body)
    return File.generated(config, str(place), abs_src_path=str(target))


def _linked(markdown: str, source: Path, place: Path) -> str:
    """Markdown that lay in a folder, with links as they must be from a page in another."""

    def led(match: re.Match[str]) -> str:
        if "://" in match[2] or match[2].startswith("mailto:"):
            return match[0]
        target = (source / match[2]).resolve()
        if target.is_dir():  # a folder's first document stands for it
            inside = sorted(target.glob("*.md"))
            target = inside[0] if inside else target
        if not target.is_file() and not target.is_relative_to(DOCS):
            return match[0]
        here = PurePosixPath(place.relative_to(DOCS).as_posix())
        up = "../" * len(here.parts)
        return f"{match[1]}{up}{_place(target)}{match[3] or ''}{match[4]}"

    return LINK.sub(led, markdown)


def commands() -> str:
    """Every command with its options, from the parser that reads them."""
    from edgenas.cli.main import make_parser

    parser, modules = make_parser()
    (verbs,) = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    lines = [
        "# Commands",
        "",
        "Every command takes `--json`; it exits with 0, 1 (failed) or 2 (wrong use).",
        "",
    ]
    for name, module in modules.items():
        help_text = verbs.choices[name].format_help().strip()
        lines += [f"## edgenas {name}", "", f"{module.HELP}.", "", "```text", help_text, "```", ""]
    return "\n".join(lines)
