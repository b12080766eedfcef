"""The recorder's records: one file for each nx command, `.nx-report/*.jsonl`, written by `recorder/`.

One JSON object a line: a header (`"type": "run"`), one line for each task, a closing line (`"type": "end"`).
`recorder/record.schema.json` describes the format; fields that are not known are ignored, and a file of a newer major
version is refused. A task's output stands last in its line, so that of a line too long to be read whole everything else
is.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pipe.model import CacheStatus, Run, RunStatus, Task, TaskStatus, result_of
from pipe.nx.values import moment, target, text, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pipe.model import Kept

    # Keeps an output, of a task that failed or not.
    Keep = Callable[[str, bool], Kept]

    # A line of a file; of a long one its head, how many bytes are left out, and its tail.
    Line = tuple[bytes, int, bytes]

MAJOR = 1
_UUID_LIMIT = 64  # characters; a UUID in braces has 38
_SHORT_OUTPUT = 4 << 10  # characters of an output where there is no room for more
_OUTPUT_FIELD = b',"output":"'
_STATUS = {
    "success": TaskStatus.SUCCESS,
    "local-cache": TaskStatus.SUCCESS,
    "local-cache-kept-existing": TaskStatus.SUCCESS,
    "remote-cache": TaskStatus.SUCCESS,
    "failure": TaskStatus.FAILURE,
    "stopped": TaskStatus.STOPPED,
    "skipped": TaskStatus.NOT_RUN,
}
_CACHE = {status.value: status for status in CacheStatus}


class Identity(NamedTuple):
    """The build and step that a record is of, in the CI's own words; "" for what is not known."""

    ci: str
    number: str
    step: str
    step_run: str
    job: str

    @property
    def run(self) -> int | None:
        """Which run of the step it is, from 1; None where that is not known."""
        return int(self.step_run) if re.fullmatch(r"[1-9][0-9]{0,5}", self.step_run) else None


def step_uuid(text: str) -> str | None:
    """A step's UUID in braces, as Bitbucket writes it, whether or not the text has them; None where it is none."""
    found = re.fullmatch(r"\{?([0-9A-Za-z-]+)\}?", text) if len(text) <= _UUID_LIMIT else None
    return f"{{{found[1]}}}" if found else None


class Header(NamedTuple):
    """A record's first line: its id, whose it is (None where no CI was known), and the run, without its tasks.

    `inside` is the task that started the command, where one did.
    """

    id: str
    build: Identity | None
    inside: str | None
    run: Run


def header(line: Line, source: str) -> Header:
    """Read the first line of a record; `source` names the file in `Run.sources`.

    Raises:
        ValueError: it is no record, or one of a newer version; the text says so in a line.

    """
    content = _object(line[0])
    if content is None or content.get("type") != "run":
        raise ValueError("is not a record of nx-report-recorder")
    version = re.fullmatch(r"([0-9]{1,9})\.[0-9.]{1,20}", str(content.get("version")))
    if version is None:
        raise ValueError("is a record without a version")
    if int(version[1]) > MAJOR:
        raise ValueError(f"is a record of version {version[0]}, of which this pipe knows {MAJOR}.x: take a newer pipe")
    run = Run(
        status=RunStatus.SUCCEEDED,
        command=text(content.get("command")),
        start=moment(content.get("start")),
        end=moment(content.get("end")),
        sources=(source,),
    )
    return Header(text(content.get("id")) or "", _identity(content.get("build")), text(content.get("inside")), run)


def read(start: Header, lines: Iterable[Line], room: int, keep: Keep | None = None) -> tuple[Run, str | None]:
    """Read the lines after the first: the run, and what is wrong with the file where something is.

    Every output goes to `keep`. Failed tasks have theirs as it was kept, whole ones of `room` characters together, of
    each after that the ends.

    Never raises for what they hold: a line that makes no sense is counted and left out. A record that is not whole is
    `cut`: what it does not show may have failed, so its state is FAILED or IN_PROGRESS.
    """
    tasks: list[Task] = []
    stated, ends, wrong, others = 0, 0, 0, 0
    for line in lines:
        content = _torn(*line) if line[1] else _object(line[0])
        kind = content.get("type") if content else None
        task = _task(content, room, keep) if content and kind == "task" else None
        if task is not None:
            room -= len(task.output or "")
            tasks.append(task)
        elif content and kind == "end":
            ends += 1
            stated += whole(content.get("tasks")) or 0
        elif kind == "run":
            others += 1
        elif kind in (None, "task"):  # another kind of line is of a newer version
            wrong += 1
    problem = f"lines that make no sense: {wrong:,}" if wrong else None
    if not ends:
        problem = "ends before its closing line, the record was cut off"
    elif stated > len(tasks):
        problem = f"has only {len(tasks):,} of its {stated:,} tasks"
    elif others or ends > 1:
        return _run(start.run, tasks, cut=wrong > 0), "was written by several commands at once, which are told as one"
    return _run(start.run, tasks, cut=problem is not None), problem


def _run(run: Run, tasks: list[Task], *, cut: bool) -> Run:
    status = result_of(tasks)
    return replace(
        run,
        status=RunStatus.IN_PROGRESS if cut and status is RunStatus.SUCCEEDED else status,
        tasks=tuple(tasks),
        start=run.start or min((task.start for task in tasks if task.start), default=None),
        end=run.end or max((task.end for task in tasks if task.end), default=None),
        stated_tasks=None if cut else sum(task.status is not TaskStatus.NOT_RUN for task in tasks),
        cut=cut,
    )


def _task(content: Mapping[str, Any], room: int, keep: Keep | None) -> Task | None:
    name = text(content.get("id"))
    if name is None:
        return None
    code = whole(content.get("code"))
    # A word that is not known is as bad as the code says, and no code at all is not a success.
    status = _STATUS.get(str(content.get("status"))) or (TaskStatus.FAILURE if code != 0 else TaskStatus.SUCCESS)
    if status is TaskStatus.SUCCESS and code:
        status = TaskStatus.FAILURE
    failed = status is TaskStatus.FAILURE
    missing = whole(content.get("leftOut")) or 0
    output = _output(text(content.get("output")), missing)
    kept = keep(output, failed) if keep and output else None
    dependencies = content.get("dependencies")
    return Task(
        id=name,
        status=status,
        target=target(name, content.get("project"), content.get("target")),
        cache=_CACHE.get(str(content.get("cache"))),
        code=code,
        start=moment(content.get("start")),
        end=moment(content.get("end")),
        hash=text(content.get("hash")),
        output=_within(kept.text if kept else output, room, missing) if failed and output else None,
        log=kept.log if kept else None,
        cacheable=value if isinstance(value := content.get("cacheable"), bool) else None,
        continuous=content.get("continuous") is True,
        dependencies=tuple(filter(text, dependencies)) if isinstance(dependencies, list) else None,
        root=text(content.get("projectRoot")),
    )


def _output(output: str | None, missing: int) -> str | None:
    """The output, with a line where the recorder left characters out: it keeps a quarter from the beginning."""
    if not output or missing <= 0:
        return output
    head = len(output) // 4
    return output[:head] + _gap(missing) + output[head:]


def _within(output: str, room: int, missing: int) -> str:
    """The output, of a long one the ends once too many are held; `missing` characters of it already are."""
    if len(output) <= max(room, _SHORT_OUTPUT):
        return output
    left_out = len(output) - _SHORT_OUTPUT + (missing - len(_gap(missing)) if missing > 0 else 0)
    return output[: _SHORT_OUTPUT // 4] + _gap(left_out) + output[-_SHORT_OUTPUT * 3 // 4 :]


def _gap(missing: int) -> str:
    return f"\n… {missing:,} characters left out …\n"


def _torn(head: bytes, left_out: int, tail: bytes) -> Mapping[str, Any] | None:
    """A task's line too long to be read whole: all its fields, and the two ends of its output."""
    at = head.find(_OUTPUT_FIELD)
    content = _object(head[:at] + b"}") if at >= 0 else None
    if content is None:
        return None
    head, tail = head[at + len(_OUTPUT_FIELD) :], tail.rstrip()
    closing = re.search(rb'"(?:,"leftOut":[0-9]+)?\}$', tail[-100:])
    tail = tail[: len(tail) - len(closing[0])] if closing else tail
    # A torn text is whole between its line breaks.
    first, last = _string(head[: max(head.rfind(b"\\n"), 0)]), _string(tail[tail.find(b"\\n") + 2 :])
    return {**content, "output": f"{first}\n… {left_out:,} bytes left out …\n{last}"}


def _string(inside: bytes) -> str:
    """The text that stands between the quotes of a JSON string, "" where that is none."""
    try:
        return str(json.loads(b'"%s"' % inside))
    except ValueError:
        return ""


def _object(line: bytes) -> Mapping[str, Any] | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _identity(value: object) -> Identity | None:
    if not isinstance(value, dict) or not text(value.get("number")):
        return None
    return Identity(*(str(value.get(key) or "") for key in ("ci", "number", "step", "stepRun", "job")))
