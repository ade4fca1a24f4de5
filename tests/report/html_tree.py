"""Reads HTML into a tree and refuses what is not well-formed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br"}
INLINE = {"b", "code", "i", "span"}


@dataclass
class Element:
    """One element; text lies between its children as plain strings."""

    tag: str
    attributes: dict[str, str]
    content: list[Element | str] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """This element and all below it, in the order of the page."""
        yield self
        for child in self.content:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, tag: str, kind: str = "") -> list[Element]:
        """The elements of a tag, and of a class where one is given."""
        return [
            element
            for element in self.walk()
            if element.tag == tag and (not kind or kind in element.attributes.get("class", "").split())
        ]

    def one(self, tag: str, kind: str = "") -> Element:
        """The first element of a tag and class."""
        found = self.all(tag, kind)
        assert found, f"no <{tag} class={kind!r}> in <{self.tag} {self.attributes}>"
        return found[0]

    def section(self, anchor: str) -> Element:
        """A section of the report by its anchor."""
        return next(element for element in self.all("section") if element.attributes["id"] == anchor)

    @property
    def text(self) -> str:
        """All text in it as a reader sees it: blanks made single, one between two blocks."""
        return " ".join(self._raw_text().split())

    def _raw_text(self) -> str:
        parts = [child if isinstance(child, str) else child._raw_text() for child in self.content]
        return "".join(parts) if self.tag in INLINE else f" {''.join(parts)} "

    def rows(self) -> list[dict[str, str]]:
        """The body of a table, each row by its headings."""
        headings = [heading.text for heading in self.one("thead").all("th")]
        return [
            dict(zip(headings, [cell.text for cell in row.content if isinstance(cell, Element)], strict=True))
            for row in self.one("tbody").all("tr")
        ]


def read_html(page: str) -> Element:
    """The ``html`` element of a page.

    Raises:
        AssertionError: A tag is not closed, closed twice or in the wrong order.
    """
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert len(reader.open) == 1, f"never closed: {[element.tag for element in reader.open[1:]]}"
    return reader.open[0].one("html")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].content.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}> at {self.getpos()}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].content.append(data)
