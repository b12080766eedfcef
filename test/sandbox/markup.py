"""Comment text as HTML, the way Bitbucket Cloud renders it: Python-Markdown, raw HTML shown as text."""

from __future__ import annotations

import functools
import html
import re
from typing import TYPE_CHECKING

import markdown
from markdown.extensions import Extension
from markdown.extensions.fenced_code import FencedCodeExtension
from markdown.extensions.tables import TableExtension
from markdown.treeprocessors import Treeprocessor

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SCHEME = re.compile(r"[^/?#]*?:")
_SAFE_SCHEMES = ("http:", "https:", "mailto:")


def is_safe_link(target: str) -> bool:
    """Whether following the target can't run code: a web or mail address, or one without a scheme.

    Browsers decode entities and skip blanks and control characters before they read the scheme, so that is done first.
    """
    plain = "".join(char for char in html.unescape(target) if char > " ").lower()
    scheme = _SCHEME.match(plain)
    return scheme is None or scheme.group() in _SAFE_SCHEMES


class _SafeLinks(Treeprocessor):
    def run(self, root: Element) -> None:
        for element in root.iter():
            for name in ("href", "src"):
                if not is_safe_link(element.get(name, "")):
                    del element.attrib[name]
            if element.tag == "a":
                element.set("rel", "nofollow")


class _NoRawHTML(Extension):
    def extendMarkdown(self, md: markdown.Markdown) -> None:  # noqa: N802 - the name that Python-Markdown calls
        md.preprocessors.deregister("html_block")
        md.inlinePatterns.deregister("html")
        md.treeprocessors.register(_SafeLinks(md), "safe_links", -10)


@functools.lru_cache(maxsize=4096)
def render(raw: str) -> str:
    """HTML of a comment's Markdown. Nothing in it can run, whatever the text is."""
    # Alignment as an attribute: the page's Content-Security-Policy forbids inline styles.
    extensions = [TableExtension(use_align_attribute=True), FencedCodeExtension(), _NoRawHTML()]
    return markdown.markdown(raw, extensions=extensions, output_format="html")
