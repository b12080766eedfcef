"""Terminal output as the lines to be read, and lines as they are shown."""

from __future__ import annotations

from collections import Counter

from pipe.telling.shapes import WEAK, WIDTH, regex
from pipe.terminal import plain

_SCANNED = 4_000  # characters of a line that are looked at, unless an error-like word stands further on
_SAMPLE = 400  # lines that show whether all have a prefix
_STREAMS = 8  # different prefixes of parallel commands
_OPEN_HEAD = r"error TS-?\d+:$"  # its message follows
_PREFIX = (
    r"(?!\[?(?:ERROR|WARN|INFO|DEBUG|FATAL|CRITICAL|HINT|NOTE|error|warn|info|debug|fatal|hint|note|[EW][:\]])"
    r"|[^\s:]*\.\w{1,6}:|[^\s:]*Error)"
    r"(?:\[[^\]\s]{1,60}\](?: |$)|[^\s:\[(]{1,60}(?::[a-z][\w-]*)?:(?: |$))"
)


def lines_of(output: str) -> list[str]:
    """Give the output as plain lines, without what is put before each line of a stream."""
    lines: list[str] = []
    packages: dict[str, list[str]] = {}
    if "\\x1b[" in output:  # webpack 5.113 makes other plugins' colours readable: `\x1b[32m2:14`
        output = regex(r"\\x1b\[[\d;]{0,12}m").sub("", output)
    for line in plain(output).split("\n"):
        if line.startswith('{"') and '"Action":"' in line and (event := _event(line)):
            packages.setdefault(event[0], []).append(event[1])
        elif len(line) > WIDTH and '"messages":[' in line and '"filePath":' in line:
            lines.extend(_rows(line))
        elif len(line) > _SCANNED:
            word = regex(WEAK).search(line, 0, 2_000_000)
            start = max(word.start() - WIDTH, 0) if word else 0
            lines.append(line[start : start + _SCANNED])
        else:
            lines.append(line.rstrip())
    for printed in packages.values():
        lines.extend(line[:_SCANNED].rstrip() for line in plain("".join(printed)).split("\n"))
    return _by_stream(lines)


def _event(text: str) -> tuple[str, str] | None:
    """Give an event of `go test -json` as its package and what it printed; those of several packages are mixed."""
    import json  # noqa: PLC0415 - seldom needed

    try:
        event = json.loads(text[:_SCANNED])
    except (ValueError, RecursionError):
        return None
    package = event.get("Package") or event.get("ImportPath")
    return (str(package), str(event.get("Output", ""))) if package else None


def _rows(text: str) -> list[str]:
    """ESLint's JSON as the rows of its stylish format."""
    import json  # noqa: PLC0415 - seldom needed

    try:
        files = json.loads(text)
        return [
            plain(line.replace("\n", " "))[:_SCANNED].replace("\n", " ")  # JSON can say what a terminal would act on
            for file in files
            if file["messages"]
            for line in (
                "",
                file["filePath"],
                *(
                    f"  {each.get('line', 0)}:{each.get('column', 0)}  {'error' if each['severity'] > 1 else 'warning'}"
                    f"  {each['message']}  {each.get('ruleId') or ''}".rstrip()
                    for each in file["messages"]
                ),
            )
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return [text[:_SCANNED]]


def _by_stream(lines: list[str]) -> list[str]:
    """Drop the `project: ` or `[command] ` that nearly all lines begin with; parallel streams follow one another.

    Nx puts it there with `--output-style=stream` and for parallel commands with a prefix.
    """
    match = regex(_PREFIX).match
    sample = [line for line in lines[:_SAMPLE] if line]
    found = Counter(prefix[0].strip() for prefix in map(match, sample) if prefix)
    common = {prefix for prefix, count in found.items() if count >= 3}  # noqa: PLR2004 - a stream, not a sentence
    if not common or len(common) > _STREAMS or sum(found[each] for each in common) < 0.8 * len(sample):
        return lines
    streams: dict[str, list[str]] = {"": []}
    stream = ""
    for line in lines:
        prefix = match(line)
        if prefix and (name := prefix[0].strip()) in common:
            stream = name
            streams.setdefault(stream, []).append(line[prefix.end() :])
        else:
            streams[stream if line else ""].append(line)
    return [line for stream in streams.values() for line in _whole(stream)]


def _whole(lines: list[str]) -> list[str]:
    """Join the heads that Nx breaks where it streams what tsc 7 and rustc print in pieces."""
    whole: list[str] = []
    for line in lines:
        above = whole[-1] if whole else ""
        if (above.endswith("):") and regex(_OPEN_HEAD).match(line)) or regex(_OPEN_HEAD).search(above[-20:]):
            whole[-1] = f"{above} {line}"
        elif line.startswith(": ") and regex(r"(?:error|warning)\[\w+\]$").match(above):
            whole[-1] = above + line
        else:
            whole.append(line)
    return whole


def cut(text: str) -> str:
    """Give at most 200 characters of the line, around its error-like word if that stands further on."""
    if len(text) <= WIDTH:
        return text
    word = regex(WEAK).search(text)
    start = max(word.start() - WIDTH // 3, 0) if word and word.end() > WIDTH - 1 else 0
    if start == 0:
        return text[: WIDTH - 1] + "…"
    end = start + WIDTH - 2
    return "…" + text[start:end] + ("…" if end < len(text) else "")
