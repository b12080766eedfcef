"""The page: a report with every log, as one HTML file that needs nothing else.

It is written in parts: what is read first (the template, with styles), the report's document, the script, and then the
packed logs, which the script unpacks when they are asked for. The document is compressed too: with ten thousand tasks
it would else take the room of a thousand logs. Nothing runs but that one script: the
Content-Security-Policy names it by its hash, and whatever comes from the report is text.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from pipe.pack import LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipe.pack import Packed

_NOTICE = 1000  # bytes of the notice that something is left out, and of the last tags
# https://github.com/IonicaBizau/anser, in the folder of that name with its licence.
ANSER = "2.3.5"
_SCRIPTS = (
    "report.js", "letters.js", "rows.js", "unpack.js", "table.js", "timeline.js", "problems.js", "log.js", "copy.js",
    "search.js", "page.js",
)  # fmt: skip
_WORKER = ("letters.js", "worker.js", "worker-rows.js", "worker-problems.js", "worker-search.js")
_POLICY = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; worker-src blob:; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def write(document: Mapping[str, Any], packed: Packed, out: Callable[[str], object]) -> None:
    """Write the page of a report's document, part by part, in UTF-8 at most 25 MB of it.

    `packed` has the logs that the document's tasks name by their numbers. What the file has no room for is left out,
    those of passing tasks first, and the page says so.
    """
    data = _element("text/plain", "report", b64encode(zlib.compress(_json(document).encode())).decode())
    worker = _element("text/plain", "worker", _worker())
    script = "".join(map(_text, _SCRIPTS))
    code = f"<script>{script}</script>\n"
    head = _head(document, packed, script)
    written = (data, worker, code, head, _json(packed.places))
    room = LIMIT - sum(len(part.encode()) for part in written) - _NOTICE
    kept = packed.within(room)
    out(_head(document, kept, script) if kept is not packed else head)
    out(data)
    out(_element("text/plain", "places", _json(kept.places)))
    out(worker)
    out(code)
    for stream, blocks in enumerate(kept.streams):
        for number, block in enumerate(blocks):
            text = b64encode(block).decode()
            out(f'<script type="text/plain" data-stream="{stream}" data-number="{number}">{text}</script>\n')
    out("</body>\n</html>\n")


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def policy(script: str, style: str) -> str:
    """Give the Content-Security-Policy that lets this script and this style sheet through and nothing else."""
    return _POLICY.format(script=_hash(script), style=_hash(style))


def _hash(text: str) -> str:
    import hashlib  # noqa: PLC0415

    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _head(document: Mapping[str, Any], packed: Packed, script: str) -> str:
    """The page up to its data."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - a tenth of a second that only the page needs

    from pipe.render.page.overview import spelled, values  # noqa: PLC0415

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=spelled
    )
    css = _text("page.css")
    told = values(document, packed.left_out, len(packed.shortened))
    template = environment.from_string(_text("page.html.j2"))
    return template.render(told, css=css, policy=policy(script, css)) + "\n"


def _worker() -> str:
    """The worker's code: Anser, which comes as a module of Node, and ours."""
    licence = _text("anser/LICENSE").replace("*/", "")
    anser = _text("anser/index.js")
    ours = "".join(map(_text, _WORKER))
    return f"/* anser {ANSER}\n\n{licence}*/\nconst module = {{}};\n{anser}\n{ours}"


def _element(kind: str, name: str, text: str) -> str:
    return f'<script type="{kind}" id="{name}">{text}</script>\n'


def _text(name: str) -> str:
    """One of the files beside this one."""
    import pkgutil  # noqa: PLC0415

    data = pkgutil.get_data(__name__, name)
    assert data is not None
    return data.decode()
