"""The pages of the documentation: their links, headings and commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted(DOCS.rglob("*.md"))]
MADE = ("comparison.md", "reference/commands.md", "index.md")
"""Pages that exist in the site only, see .ci/site.py."""

_FENCE = re.compile(r"^( *)(`{3,})(\w*)[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: Where it stands.
        language: What is written behind the fence; ``sh`` is run as it stands.
        text: Its lines, without their common indentation.
    """

    page: Path
    language: str
    text: str

    def commands(self) -> Iterator[str]:
        """Lines of a shell that call edgenas, without prompt and comment; a backslash joins two."""
        if self.language not in ("", "sh"):
            return
        for line in re.sub(r"\\\n\s*", " ", self.text).splitlines():
            found = re.match(
                r"(?:\$ )?((?:\w+=\S+ )*edgenas (?!:).*|python examples/own_space.py .*)$", line.strip()
            )
            if found:
                yield re.sub(r"\s{2,}#.*$", "", found[1]).strip()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    found = []
    for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
        indent = len(match[1])
        text = "\n".join(line[indent:] for line in match[4].splitlines())
        found.append(Block(page, match[3], text))
    return found


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Targets of a page's links within the repository."""
    return [link for link in _LINK.findall(prose(page)) if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """What headings of a page can be linked to as."""
    found: set[str] = set()
    for heading in _HEADING.findall(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", lambda match: match[1] or "", heading)
        slug = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower())
        number = 1
        while (name := slug if number == 1 else f"{slug}_{number - 1}") in found:
            number += 1
        found.add(name)
    return found


def inline_commands(page: Path) -> list[str]:
    """Whole commands within sentences: `` `edgenas ...` ``."""
    return re.findall(r"`(edgenas [a-z][^`]*)`", " ".join(prose(page).split()))
