"""Small languages for runs and for steps, so that a test shows what it is about and nothing else.

    nx affected -t lint test | FAILED | 63s | https://nx.app/runs/AbCdEf1234
      cart:test failure 2.1s
        > Expected: 41
      core:lint success local
      web:build not-run

A line at the margin is a run: its command line, then in any order its status, its duration and its link. An indented
line is a task: its id, its status, then in any order its cache status, its duration and `flaky`. A deeper line after
`>` is a line of the task's output. A run without a status succeeded unless one of its tasks did not.

    test | 19:22 | exit 1
      nx test | FAILED | 63s
        cart:test failure
    e2e | start | 19:20 | 2/3
    final | final

Steps have a line at the margin: their name (`-` for none), then in any order `start` or `final` (else it is a report),
the time of day, `build 418`, `run 2`, `#b` for another UUID, `of #a` for a rerun of another step, `2/3` in a parallel
group, `expect 3`, `expect a, b`, `patience 30m`, `title Web`, `exit 1`, `foreign`, and the answer where runs do not
give it (`tasks failed`). Indented below a report are its runs.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from textwrap import dedent
from typing import TYPE_CHECKING

from pipe.insights import Answer, summarise
from pipe.model import CacheStatus, Link, Run, RunStatus, Stage, Task, TaskStatus
from pipe.render.step_report import of, step_digest
from pipe.steps import StepReport, digest

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
RESULTS = "https://bitbucket.org/acme/shop/pipelines/results/"

# Texts that mean something in Markdown, HTML or on a terminal.
HOSTILE = [
    "x`y`z",
    "```",
    "a|b|c",
    "<script>alert(1)</script>",
    "![x](https://evil.example/x.png)",
    "[x](javascript:alert(1))",
    "@{557058:aaaa}",
    "#12 and !34",
    "https://evil.example/",
    "\\`*_{}[]()#+-.!|",
    "&lt;b&gt; &amp; &#64;",
    "[nx-report:nx]: https://nx-report.invalid/v1?build=9&run=9&commit=aaaaaaaaaaaa",
    "\u202egnirts\u2066",
    "- [ ] list\n# heading\n> quote",
    "    indented",
    "~~~\n````\n`````",
    "\x02klzzwxh:0001\x03",
    "<?php echo 1 ?>",
    "<![CDATA[ x ]]>",
    "<!-- hidden -->",
    "<!-- open",
    "<!DOCTYPE html>",
    "<div>block</div>",
    "</p></td>",
    "&#1 &#x41 &lt",
    "tab\tseparated\t|",
    "",
    " ",
]


def runs(text: str) -> tuple[Run, ...]:
    """Read runs written in the language."""
    found: list[Run] = []
    for line in text.strip("\n").splitlines():
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        if line.lstrip().startswith("> "):
            run = found[-1]
            task = run.tasks[-1]
            output = (task.output or "") + line.lstrip()[2:] + "\n"
            found[-1] = replace(run, tasks=(*run.tasks[:-1], replace(task, output=output)))
        elif indent:
            found[-1] = replace(found[-1], tasks=(*found[-1].tasks, _task(line.split())))
        else:
            found.append(_run([part.strip() for part in line.split(" | ")]))
    return tuple(_settled(run) for run in found)


def _run(parts: list[str]) -> Run:
    run = Run(RunStatus.NOT_STARTED, command=None if parts[0] == "?" else parts[0])
    for part in parts[1:]:
        if re.fullmatch(r"[0-9.]+s", part):
            run = replace(run, start=START, end=START + timedelta(seconds=float(part[:-1])))
        elif part.startswith("http"):
            run = replace(run, link=Link(part, live="nx.app" in part))
        elif part.startswith("error: "):
            run = replace(run, errors=(*run.errors, part[7:]))
        else:
            run = replace(run, status=RunStatus(part), sources=("stated",))
    return run


def _settled(run: Run) -> Run:
    if run.sources:
        return run
    bad = any(task.status is not TaskStatus.SUCCESS for task in run.tasks) or run.errors
    return replace(run, status=RunStatus.FAILED if bad else RunStatus.SUCCEEDED)


def _task(words: list[str]) -> Task:
    task = Task(words[0], TaskStatus(words[1]))
    for word in words[2:]:
        if re.fullmatch(r"[0-9.]+s", word):
            task = replace(task, start=START, end=START + timedelta(seconds=float(word[:-1])))
        elif word == "flaky":
            task = replace(task, flaky=True)
        else:
            task = replace(task, cache=CacheStatus(word))
    return task


def steps(text: str) -> tuple[StepReport, ...]:
    """Read steps written in the language, in the order of their lines."""
    parts = [part for part in re.split(r"\n(?=\S)", dedent(text).strip("\n")) if part.strip()]
    return tuple(_step(*part.partition("\n")[::2]) for part in parts)


def milliseconds(time: str) -> int:
    """A time of day of the language in milliseconds since 1970."""
    hour, minute = map(int, time.split(":"))
    return int(START.replace(hour=hour, minute=minute).timestamp()) * 1000


def _step(head: str, below: str) -> StepReport:
    name, *words = (part.strip() for part in head.split(" | "))
    name = "" if name == "-" else name
    one = StepReport(417, 1, name, step_digest(name), Stage.REPORT, milliseconds("19:22"), answer=Answer.SUCCEEDED)
    for word in words:
        one = _with(one, word)
    one = one._replace(link=f"{RESULTS}{one.build}/steps/%7B{one.step}%7D")
    if not below.strip():
        return one if one.stage is Stage.REPORT else one._replace(answer=Answer.NOTHING_RAN)
    code = one.exit_code
    found = runs(dedent(below))
    bad = any(run.status is not RunStatus.SUCCEEDED for run in found)
    return of(summarise(found, code or ("1" if bad else "0")), one, "npx nx")


def _with(one: StepReport, word: str) -> StepReport:
    kind, _, rest = word.partition(" ")
    if found := re.fullmatch(r"(\d+)/(\d+)", word):
        return one._replace(parallel=(int(found[1]) - 1, int(found[2])))
    if word in [answer.value for answer in Answer]:
        return one._replace(answer=Answer(word))
    if kind == "expect" and not rest.isdigit():
        return one._replace(names=tuple(name.strip() for name in rest.split(",")))
    fields: dict[str, Callable[[str], dict[str, object]]] = {
        "start": lambda _: {"stage": Stage.START},
        "final": lambda _: {"stage": Stage.FINAL},
        "build": lambda text: {"build": int(text)},
        "job": lambda text: {"job": digest(text)},
        "run": lambda text: {"run": int(text)},
        "expect": lambda text: {"expect": int(text)},
        "patience": lambda text: {"patience": 60 * int(text.rstrip("m"))},
        "exit": lambda text: {"exit_code": text},
        "title": lambda text: {"title": text},
        "foreign": lambda _: {"foreign": True},
    }
    if kind in fields:
        return one._replace(**fields[kind](rest))  # type: ignore[arg-type]
    if word.startswith("of #"):
        return one._replace(before=tuple(map(step_digest, word[3:].split())))
    return one._replace(step=step_digest(word)) if word.startswith("#") else one._replace(at=milliseconds(word))
