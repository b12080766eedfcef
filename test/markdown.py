"""The two Markdowns of Bitbucket, and their output as a document that can be compared."""

from __future__ import annotations

from html.parser import HTMLParser

import markdown
from markdown_it import MarkdownIt

# Begins a tag in a document: no text has it, so that no text can pass for a tag.
TAG = "\x01"
_EMPTY = {"br", "hr", "img"}


def cloud(text: str) -> list[str]:
    """As Bitbucket Cloud renders it: Python-Markdown with tables and fenced code."""
    return document(markdown.markdown(text, extensions=["tables", "fenced_code"]))


def data_center(text: str) -> list[str]:
    """As Bitbucket Data Center renders it: CommonMark with tables."""
    return document(MarkdownIt("commonmark").enable("table").render(text))


def document(html: str) -> list[str]:
    """HTML as a list of tags, with the one attribute that matters, and texts, without insignificant white space."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.parts()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[tuple[str, str]] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kept = dict(attrs).get("href") or dict(attrs).get("src") or ""
        self._parts.append(("tag", f"{TAG}{tag} {kept}" if kept else f"{TAG}{tag}"))
        self._depth += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag not in _EMPTY:
            self._parts.append(("tag", f"{TAG}/{tag}"))
        self._depth -= tag == "pre"

    def handle_data(self, data: str) -> None:
        kind = "pre" if self._depth else "text"
        if self._parts and self._parts[-1][0] == kind:
            self._parts[-1] = (kind, self._parts[-1][1] + data)
        else:
            self._parts.append((kind, data))

    def parts(self) -> list[str]:
        """What was read: texts with white space folded outside of `pre`."""
        found = []
        for kind, text in self._parts:
            shown = text if kind != "text" else " ".join(text.split())
            if shown:
                found.append(shown)
        return found
