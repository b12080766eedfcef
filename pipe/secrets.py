"""Secrets taken out of text that is published: our own credentials, and the shapes that tokens are known by.

Works on plain text (`pipe.terminal.plain`). A shape is looked for only where what it must hold occurs, which most texts
lack. Shapes: the issuers' own documents; the test holds them to the plugins of detect-secrets.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REMOVED = "[secret removed]"

_PIECE = 1 << 18  # characters that are looked through at once, and the rest of their line
_SHORTEST_KNOWN = 6  # a shorter credential would be found in ordinary words
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-=")

# What a shape must hold, by the rarest of its letters, which a search is fastest for; and the shapes that hold it, each
# of which begins with a literal. Group 1 of a shape, if any, is the secret.
_SHAPES = (
    (
        rb"A(?:T(?:ATT|CTT|BB)|[KSB]IA|CCA|3T|Iza|(?:ccess|ccount)Key=|gE(?<=pypi-AgE))",
        (
            r"AT(?:ATT|CTT)[\w=+/-]{20,}|ATBB[A-Za-z0-9]{20,}",
            r"A(?:KIA|SIA|BIA|CCA|3T[A-Z0-9])[A-Z0-9]{16}(?![A-Za-z0-9/+=_])",
            r"AIza[\w-]{35}",
            r"Acc(?:ess|ount)Key=([A-Za-z0-9+/=]{40,})",
            r"pypi-AgE[\w-]{50,}",
        ),
    ),
    (rb"BBDC-", (r"BBDC-[A-Za-z0-9+/=_-]{20,}",)),
    (
        rb"g(?:h[pousr]_|ithub_pat_|l(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-)",
        (
            r"gh[pousr]_[A-Za-z0-9_]{36,}",
            r"github_pat_\w{22,}",
            r"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-[\w-]{20,}",
        ),
    ),
    (
        rb"G(?:\.(?<=SG\.)|R1348941)",
        (r"SG\.[\w-]{16,32}\.[\w-]{32,64}", r"GR1348941[\w-]{20,}"),
    ),
    (rb"J(?<=eyJ)[^\s.]{10}", (r"eyJ(?<!\weyJ)[\w=-]{10,}\.[\w=-]{4,}(?:\.[\w.+/=-]*)?",)),
    (
        rb"k(?:_(?:live|test)_(?<=[sr]k_.{5})|-(?<=sk-)(?<![\w-]sk-)|\.com/(?<=hooks\.slack\.com/))",
        (
            r"sk_(?:live|test)_[A-Za-z0-9]{16,}",
            r"rk_(?:live|test)_[A-Za-z0-9]{16,}",
            r"sk-(?<![\w-]sk-)(?=[\w-]*\d)(?=[\w-]*[A-Z])[\w-]{24,}",
            r"hooks\.slack\.com/(?:services|workflows|triggers)/([\w/+-]{20,})",
        ),
    ),
    (rb"x(?:ox[a-z]-|app-\d)", (r"xox[a-z]-[\w-]{10,}", r"xapp-\d-[\w-]{10,}")),
    (
        rb"_(?:auth|(?<=npm_))",
        (
            r"npm_[A-Za-z0-9]{36}(?!\w)",
            r"_auth(?<![A-Za-z0-9_]_auth)(?:Token)?[ \t]*=[ \t]*\"?(?!\$|\[secret )([^\s\"]{8,})",
        ),
    ),
)
_PEM = (
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:(?!-----)[\s\S]){0,20000}?-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"|(?:(?:\\r|\\n|\s)*(?:(?:Proc-Type|DEK-Info|Version|Comment|Hash): [^\n\\]+|[A-Za-z0-9+/=]{16,}))*"
    r"(?:(?:\\r|\\n|\s)*[A-Za-z0-9+/=]+(?=\s*\Z))?)"  # cut off: the last line is a short one
)
_URL = r"://(?:([^\s/:@\"'<>]*:)(?!\$|\[secret )([^\s/@\"'<>]+)|(?=[^\s/@]*\d)([^\s/:@\"'<>$\[]{20,}))@"
# On lower-case text. What stands after the word that tells a secret: the rest of the name, the sign, quotes, the value.
_ASSIGNED = (
    r"(?P<rest>[a-z0-9_]{0,40})\\?[\"'\]]{0,2}(?P<sign>[ \t]*(?:=>|:=|[=:](?![=:]))[ \t]*)"
    r"(?:\\?[\"'`](?P<quoted>[^\s\"'`\\]{8,})|(?P<bare>[^\s\"'`,;&|<>(){}]{8,}))"
)
# The words that tell a secret, by the rarest letter of each.
_TELLING = (
    rb"k(?:en(?<=token)|ey(?<=api[_-]key)|ey(?<=apikey)|ey(?<=private_key)|ey(?<=privatekey))",
    rb"c(?:ret(?<=secret)|redential)",
    rb"w(?:s(?<=aws)|(?<=passw))",
    rb"bearer",
    rb"z(?<=authoriz)",
    rb"\xe2\x84\xaa|\xc4\xb0",  # the letters beyond ASCII whose lower case is k and i
)
# Those of names.
_KEYWORDS = ("token", "secret", "passw", "api_key", "apikey", "api-key", "private_key", "privatekey", "credential")
_OPTION = r"--[a-z-]{0,40}(?:token|secret|password|api-?key)[ =](?![-$<*\[])(?=[^\s]*\d)([^\s\"'`]{8,})"
_HEADER = r"authorization[\"']?[ \t]*[:=][ \t]*[\"']?(?:bearer|basic|token)[ \t]+(?!\$|\[secret )([^\s\"',]{8,})"
_BEARER = r"bearer[ \t]+(?=[^\s]*\d)([a-z0-9._~+/=-]{20,})"
_AWS = r"aws[^\n]{0,20}?(?:key|pwd|pw|pass|token|secret)[^\n]{0,20}?[=:'\" ]([0-9a-z/+]{40})(?![0-9a-z/+])"
# Names of what is about a secret and no secret; the program's text in place of a value; a word or dotted words.
_ABOUT = (
    r"(?:.*_)?(?:type|url|uri|file|path|dir|name|length|count|header|endpoint|prefix|ttl|expir\w*|size|limit|regexp?|"
    r"kind|index|id)s?$"
)
_CODE = (
    r"(?:process|os|import|env|secrets|config|settings|this|self|props|options|ctx|context|args|vars|data|req|res|steps|"
    r"github)\."
)
_IDENTIFIER = r"[a-z_$][\w$]*(?:[.:?!\[\]/-]+[a-z_$][\w$]*)*[.:?!]*$"
_WORDS = frozenset({"required", "password", "undefined", "disabled", "optional", "redacted", "changeme", "username"})
_SHORTEST = 8  # characters of an assigned value
_LETTERS = 4  # different ones in it: `********` is none
_LONG, _DIGITS = 16, 3  # what makes a bare value a token and no word


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@cache
def _sign(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern)


class Masker:
    """Replaces secrets by `[secret removed]`. `known`: our own credentials, masked whatever their shape."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Keep the credentials' forms; one of under six characters is ignored, as it could be any word's part."""
        self.count = 0
        secrets = sorted({secret for secret in known if len(secret) >= _SHORTEST_KNOWN}, key=len, reverse=True)
        self._known = [form for secret in secrets for form in _forms(secret)]
        self._encoded = [form for secret in secrets for form in _in_base64(secret)]

    def mask(self, text: str) -> str:
        """Give the text without secrets. Each line stays a line; `count` grows by what was replaced."""
        for form in self._known:
            found = text.count(form)
            if found:
                self.count += found
                text = text.replace(form, REMOVED)
        for form in self._encoded:
            text = self._mask_encoded(text, form)
        if "PRIVATE KEY" in text:
            text = _regex(_PEM).sub(self._block, text)
        return "".join(map(self._piece, _pieces(text)))

    def _piece(self, text: str) -> str:
        raw = text.encode(errors="replace")  # bytes are the fastest to look through
        return self._named(self._shapes(text, raw), raw.lower())

    def _block(self, found: re.Match[str]) -> str:
        self.count += 1
        return "\n".join([REMOVED] * (found[0].rstrip().count("\n") + 1)) + found[0][len(found[0].rstrip()) :]

    def _shapes(self, text: str, raw: bytes) -> str:
        """Mask what has the shape of a token; `raw` is the text."""
        for sign, shapes in _SHAPES:
            if not _sign(sign).search(raw):
                continue
            for shape in shapes:
                text = self._replace(text, [found.span(found.re.groups) for found in _regex(shape).finditer(text)])
        return text

    def _named(self, text: str, raw: bytes) -> str:
        """Mask what stands after a name, a sign or a word that tells a secret; `raw` is the text in lower case."""
        if "://" in text and "@" in text:
            found = [each.span(2 if each[2] else 3) for each in _regex(_URL).finditer(text)]
            text = self._replace(text, found)
        if not any(_sign(sign).search(raw) for sign in _TELLING):
            return text
        lower = text.replace("\u0130", "I").lower()  # the one letter whose lower case is longer
        spans: list[tuple[int, int]] = []
        for literal, pattern in (("authorization", _HEADER), ("bearer", _BEARER)):
            if literal in lower:
                spans.extend(each.span(1) for each in _regex(pattern).finditer(lower))
        if "aws" in lower:
            found = [each.span(1) for each in _regex(_AWS).finditer(lower)]
            spans.extend(span for span in found if not _regex("[0-9a-f]+$").match(lower[slice(*span)]))  # no hashes
        keywords = [word for word in _KEYWORDS if word in lower]
        for word in keywords:
            assigned = (_assigned(text, each) for each in _regex(word + _ASSIGNED).finditer(lower))
            spans.extend(span for span in assigned if span)
        if keywords and "--" in lower:
            spans.extend(each.span(1) for each in _regex(_OPTION).finditer(lower))
        return self._replace(text, spans)

    def _replace(self, text: str, spans: list[tuple[int, int]]) -> str:
        if not spans:
            return text
        pieces = []
        end = 0
        for start, stop in sorted(spans):
            if start >= end:
                pieces += [text[end:start], REMOVED]
                end = stop
                self.count += 1
            elif stop > end:
                end = stop
        return "".join([*pieces, text[end:]])

    def _mask_encoded(self, text: str, form: str) -> str:
        start = text.find(form)
        spans = []
        while start >= 0:
            end = start + len(form)
            while start > 0 and text[start - 1] in _BASE64 and text[start - 1] != "=":
                start -= 1
            while end < len(text) and text[end] in _BASE64:
                end += 1
            spans.append((start, end))
            start = text.find(form, end)
        return self._replace(text, spans)


def _pieces(text: str) -> Iterator[str]:
    """Cut a long text at line ends: what is looked for stands in one line, and each look takes copies of its text."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _PIECE) + 1 or len(text)
        yield text[start:end] if end - start < len(text) else text
        start = end


def _forms(secret: str) -> list[str]:
    """Give the credential as it is, in JSON, and percent-encoded in the ways of the usual libraries."""
    encoded = {quote(secret, safe=safe) for safe in ("", "/", "-_.!~*'()")}
    encoded |= {_regex("%..").sub(lambda found: found[0].lower(), form) for form in encoded}
    escaped = secret.replace("\\", "\\\\").replace('"', '\\"')
    return sorted({secret, escaped, *encoded}, key=len, reverse=True)


def _in_base64(secret: str) -> set[str]:
    """Give what every Base64 of a text that holds the credential has in common, for each of three alignments."""
    forms = set()
    for before in range(3):
        data = b"\0" * before + secret.encode()
        whole = base64.b64encode(data).decode()
        inner = whole[-(-before * 8 // 6) : len(data) * 8 // 6]
        forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {form for form in forms if len(form) >= _SHORTEST_KNOWN}


def _assigned(text: str, found: re.Match[str]) -> tuple[int, int] | None:
    """Where the secret is that is assigned here, if it is one and no type, call, variable or word."""
    begin = found.start()
    while begin > found.start() - 60 and begin > 0 and (text[begin - 1].isalnum() or text[begin - 1] in "_-"):
        begin -= 1
    name = text[begin : found.end("rest")]
    group = "quoted" if found["quoted"] else "bare"
    start, end = found.span(group)
    value = text[start:end]
    if group == "bare":
        value = value.rstrip(".:")
        end = start + len(value)
    if len(value) < _SHORTEST or len(set(value)) < _LETTERS or value.startswith(("http://", "https://", "\\u")):
        return None
    lowered = value.lower()
    about = _regex(_ABOUT).match(found["rest"])
    if value[0] in "$<*[{%@" or lowered in _WORDS or about or _regex(_CODE).match(lowered):
        return None
    if group == "quoted":
        secret = name.isupper() or found[0].startswith("passw") or any(char.isdigit() for char in value)
    else:
        secret = text[end : end + 1] not in tuple("({<[") and _is_bare_secret(name, found["sign"], value)
    return (start, end) if secret else None


def _is_bare_secret(name: str, sign: str, value: str) -> bool:
    """Whether a value without quotes is a secret: in a shell's or a file's assignment, seldom in a program's text."""
    digits = sum(char.isdigit() for char in value)
    if digits < (1 if name.isupper() else _DIGITS) and _regex(_IDENTIFIER).match(value.lower()):
        return name.isupper() and sign == "="
    if sign == "=":
        return name.isupper() or "==" not in value
    if name.isupper() and "=" not in sign:
        return True
    return len(value) >= _LONG and digits >= _DIGITS and bool(_regex(r"[\w+/=.~-]+$").match(value))
