"""What a Markdown page is made of, as far as its tests ask: headings, fences, links, code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^( *)```([\w+-]*)[ \t]*\n(.*?)^\1```[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^\]\[]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Fence:
    """A block of code: its language, and its text without indentation."""

    language: str
    text: str


@dataclass(frozen=True)
class Link:
    target: str
    image: bool


class Page:
    """One Markdown file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text("utf-8")
        #: The text outside of code blocks and comments.
        self.prose = re.sub(r"<!--.*?-->", "", _FENCE.sub("", self.text), flags=re.DOTALL)

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    def headings(self) -> list[tuple[int, str]]:
        found = re.findall(r"^(#+) +(.+?) *$", self.prose, re.MULTILINE)
        return [(len(marks), title) for marks, title in found]

    def anchors(self) -> set[str]:
        return {anchor(title) for _, title in self.headings()}

    def fences(self) -> list[Fence]:
        return [
            Fence(language, re.sub(rf"^{indent}", "", text, flags=re.MULTILINE))
            for indent, language, text in _FENCE.findall(self.text)
        ]

    def links(self) -> list[Link]:
        prose = _INLINE.sub("", self.prose)
        return [Link(target, bool(image)) for image, _, target in _LINK.findall(prose)]

    def inline(self) -> list[str]:
        return _INLINE.findall(self.prose)

    def comments(self) -> list[str]:
        return re.findall(r"<!--\s*(.*?)\s*-->", self.text, re.DOTALL)


def anchor(title: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    plain = _LINK.sub(r"\2", title).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


def commands(page: Page) -> Iterator[str]:
    """Yield every line of a page's code, and every piece of code in its prose."""
    for fence in page.fences():
        if fence.language not in ("python", "yaml", "json", "toml"):
            yield from re.sub(r"\\\n\s*", "", fence.text).splitlines()
    yield from page.inline()
