"""A small language for runs, so that a test shows what it is about and nothing else.

    nx affected -t lint test | FAILED | 63s | https://nx.app/runs/AbCdEf1234
      cart:test failure 2.1s
        > Expected: 41
      core:lint success local
      web:build not-run

A line at the margin is a run: its command line, then in any order its status, its duration and its link. An indented
line is a task: its id, its status, then in any order its cache status, its duration and `flaky`. A deeper line after
`>` is a line of the task's output. A run without a status succeeded unless one of its tasks did not.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pipe.model import CacheStatus, Link, Run, RunStatus, Task, TaskStatus

START = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)


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
