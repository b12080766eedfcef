"""What the page says before any script runs: the values of its template, from a report's document. Pure.

The document is what report.json holds. Whatever is missing in it or null is not shown.
"""

from __future__ import annotations

import re
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from pipe.render.text import count, duration, moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Json = Mapping[str, Any]

_CARDS = 50  # failed tasks that are told in full
_OPEN = 5  # of them whose lines are shown at once
_PROBLEMS = 20  # problems of one task
_ITEMS = 5  # entries of a list among the insights
_BAD = ("tasks failed", "run failed", "step failed", "timed out")
_GOOD = ("succeeded",)
_RUN_WORDS = {
    "SUCCEEDED": ("good", "✓ succeeded"),
    "FAILED": ("bad", "✗ failed"),
    "TIMED_OUT": ("bad", "✗ timed out"),
    "CANCELED": ("other", "■ stopped"),
    "NOT_STARTED": ("other", "… not started"),
    "IN_PROGRESS": ("other", "… running"),
}
# Characters that are not seen, or that turn round what is beside them (report.js has the same).
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f]"
)
_COMPARED = {"new": "new failure", "known": "fails on the destination branch too", "fixed": "fixed"}


class Insight(NamedTuple):
    """One block of the insights: its name, the figure, a sentence on it, and entries, each a link or None and text."""

    title: str
    figure: str
    note: str = ""
    items: tuple[tuple[str | None, str, str], ...] = ()
    more: int = 0


def values(document: Json, left_out: int, shortened: int) -> dict[str, Any]:
    """Give what the template shows. `left_out` and `shortened` are counts of logs for which the file has no room."""
    tasks: Sequence[Json] = document.get("tasks") or ()
    build: Json = document.get("build") or {}
    failed, retried = _failed(tasks)
    own: dict[int, list[Json]] = {}
    for task in tasks:
        own.setdefault(task.get("run") or 0, []).append(task)
    result = document.get("result") or ""
    return {
        "title": (document.get("report") or {}).get("title") or "Nx",
        "generator": document.get("generator") or "nx-report",
        "answer": document.get("answer") or result or "Nothing is known of this build",
        "state": "bad" if result in _BAD else "good" if result in _GOOD else "other",
        "build": _build(build),
        "time": _moment(document.get("time")),
        "totals": _totals(document.get("totals") or {}),
        "failed": [_card(task) for task in failed[:_CARDS]],
        "opened": _OPEN,
        "retried": [_card(task) for task in retried[:_CARDS]],
        "failed_more": [(href(task["id"], task.get("run")), task["id"]) for task in failed[_CARDS : 20 * _CARDS]],
        "failed_beyond": max(0, len(failed) - 20 * _CARDS),
        "runs": [_run(run, own.get(number, ())) for number, run in enumerate(document.get("runs") or ())],
        "insights": list(_insights(document)),
        "left_out": count(left_out, "log") if left_out else "",
        "shortened": count(shortened, "log") if shortened else "",
    }


def href(task: str, run: int | None = None) -> str:
    """The link to a task on the page; `run` counts from 0 and is told from the second on."""
    return f"#task={quote(task, safe=':@/', errors='replace')}" + (f"&run={run + 1}" if run else "")


def spelled(value: object) -> object:
    """A text with each character that is not seen shown by its name: two names that differ in one look different."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", value) if type(value) is str else value


def web(url: object) -> str | None:
    """A link that may be followed: http or https alone, None for everything else."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return None
    return url if parts and parts.scheme in ("http", "https") and parts.netloc and isinstance(url, str) else None


def _failed(tasks: Sequence[Json]) -> tuple[list[Json], list[Json]]:
    """The failed tasks, new failures before known ones, and those that passed on retry; each in its last failure."""
    last: dict[str, Json] = {}
    for task in tasks:
        if task.get("status") == "failure":
            last[task["id"]] = task
    order = {"new": 0, None: 1, "known": 2}
    failed = [task for task in last.values() if not task.get("retried")]
    failed.sort(key=lambda task: order.get(task.get("compared"), 1))
    return failed, [task for task in last.values() if task.get("retried")]


def _card(task: Json) -> dict[str, Any]:
    problems = task.get("problems") or ()
    telling = task.get("telling") or ()
    code = task.get("code")
    facts = [
        "passed on retry" if task.get("retried") else "",
        _COMPARED.get(task.get("compared") or "", ""),
        "flaky" if task.get("flaky") else "",
    ]
    seconds = _seconds(task)
    return {
        "id": task["id"],
        "href": href(task["id"], task.get("run")),
        "tags": [fact for fact in facts if fact],
        "facts": [
            *([f"exit code {code}"] if code is not None else []),
            *([duration(seconds)] if seconds is not None else []),
        ],
        "log": bool(task.get("log")),
        "telling": telling,
        "reason": task.get("reason") or next(iter(telling), ""),
        "problems": [_problem(problem) for problem in problems[:_PROBLEMS]],
        "problems_more": max(0, len(problems) - _PROBLEMS) + (task.get("moreProblems") or 0),
    }


def _problem(problem: Json) -> dict[str, str]:
    place = takewhile(lambda part: part is not None, (problem.get(part) for part in ("path", "line", "column")))
    rule = " ".join(filter(None, (problem.get("tool"), problem.get("rule"))))
    return {
        "severity": problem.get("severity") or "error",
        "place": ":".join(map(str, place)),
        "message": problem.get("message") or "",
        "rule": rule,
    }


def _build(build: Json) -> dict[str, Any]:
    step: Json = build.get("step") or {}
    number, request = build.get("number"), build.get("pullRequest")
    repository = web(build.get("repository"))
    run = step.get("run") or 1
    return {
        "number": f"Build {number}" if number is not None else "",
        "url": web(build.get("url")),
        "commit": (build.get("commit") or "")[:12],
        "commit_url": f"{repository}/commits/{quote(build['commit'])}" if repository and build.get("commit") else None,
        "branch": build.get("branch") or "",
        "request": f"Pull request #{request}" if request is not None else "",
        "request_url": f"{repository}/pull-requests/{quote(str(request))}" if repository and request else None,
        "step": f"step {step['name']}" + (f", run {run}" if run != 1 else "") if step.get("name") else "",
        "step_url": web(step.get("url")),
    }


def _totals(totals: Json) -> list[str]:
    told = []
    if (number := totals.get("tasks")) is not None:
        told.append(count(number, "task"))
    told += [
        f"{totals[key]:,} {word}"
        for key, word in (("failed", "failed"), ("notRun", "not run"), ("cached", "from the cache"))
        if totals.get(key)
    ]
    if (seconds := totals.get("seconds")) is not None:
        told.append(duration(seconds))
    return told


def _run(run: Json, own: Sequence[Json]) -> dict[str, Any]:
    failed = sum(task.get("status") == "failure" for task in own)
    cached = sum(task.get("cache") in ("local", "remote") for task in own)
    executed = sum(task.get("status") != "not-run" for task in own)
    state, words = _RUN_WORDS.get(run.get("status") or "", ("other", "–"))
    seconds = run.get("seconds")
    parts = [f"{executed:,}", f"{failed:,} failed" if failed else "", f"{cached:,} cached" if cached else ""]
    return {
        "label": run.get("command") or run.get("label") or "nx",
        "state": state,
        "result": words + (", cut off" if run.get("cut") else ""),
        "seconds": duration(seconds) if seconds is not None else "–",
        "start": _clock(run.get("start")),
        "tasks": ", ".join(filter(None, parts)) if own else "–",
        "link": web(run.get("link")),
        "step": run.get("step") or "",
        "errors": run.get("errors") or (),
    }


def _insights(document: Json) -> Iterator[Insight]:
    insights: Json = document.get("insights") or {}
    if cache := insights.get("cache"):
        yield _cache(cache, document.get("totals") or {})
    if saved := insights.get("saved"):
        note = (
            f"of work that was not done again, measured for {saved['tasks']:,} of {count(saved['hits'], 'cache hit')}"
        )
        yield Insight("Time saved", duration(saved["seconds"]), note)
    for path in (insights.get("criticalPaths") or ())[:_ITEMS]:
        yield _critical(path)
    if parallel := insights.get("parallelism"):
        yield Insight(
            "Parallelism", f"{parallel['average']:.1f}", f"tasks at once on average, {parallel['peak']} at most"
        )
    yield from _comparison(insights, asked=(document.get("build") or {}).get("pullRequest") is not None)
    if flaky := insights.get("flaky"):
        items = tuple((href(each["id"]), each["id"], each.get("why") or "") for each in flaky)
        yield Insight("Flaky", count(len(flaky), "task"), "", items[:_ITEMS], max(0, len(items) - _ITEMS))
    if slowest := insights.get("slowest"):
        items = tuple((href(one["id"], one.get("run")), one["id"], duration(one["seconds"])) for one in slowest)
        yield Insight("Slowest", duration(slowest[0]["seconds"]), "", items[:_ITEMS], max(0, len(items) - _ITEMS))
    for key, title in (("slower", "Slower than usual"), ("faster", "Faster than usual")):
        if changed := insights.get(key):
            items = tuple((href(each["id"]), each["id"], _change(each)) for each in changed)
            yield Insight(title, count(len(changed), "task"), "", items[:_ITEMS], max(0, len(items) - _ITEMS))


def _cache(cache: Json, totals: Json) -> Insight:
    local, remote = cache.get("local") or 0, cache.get("remote") or 0
    hits, of = local + remote, cache.get("cacheable")
    where = [f"{number:,} {word}" for number, word in ((local, "local"), (remote, "remote")) if number]
    note = "cacheable tasks were taken from the cache" if of is not None else "tasks were taken from the cache"
    total = of if of is not None else totals.get("tasks")
    figure = f"{hits:,} of {total:,}" if total is not None else f"{hits:,}"
    return Insight("Cache", figure, note + (f" ({', '.join(where)})" if where else ""))


def _critical(path: Json) -> Insight:
    ids = path.get("tasks") or ()
    length = path.get("length") or len(ids)
    note = f"over {count(length, 'task')}" if length else ""
    if path.get("gain") is not None:
        note += f"; no waiting for a free slot would gain {duration(path['gain'])} at most"
    if path.get("source") == "times":
        note += "; from times alone, as dependencies are not known: the true path may be shorter"
    items = tuple((href(task, path.get("run")), task, "") for task in ids)
    run = f", run {path['run'] + 1}" if path.get("run") else ""
    shown = items[:_ITEMS]
    return Insight(f"Critical path{run}", duration(path["seconds"]), note.strip("; "), shown, len(items) - len(shown))


def _comparison(insights: Json, *, asked: bool) -> Iterator[Insight]:
    found = insights.get("comparison")
    if not found:
        if asked:
            yield Insight("Compared with the destination branch", "–", "no baseline yet")
        return
    kinds = (("new", "new"), ("known", "known"), ("fixed", "fixed"), ("unknown", "not known whether new"))
    figures = [f"{len(found[key]):,} {word}" for key, word in kinds if found.get(key)]
    items = tuple((href(task), task, word) for key, word in kinds for task in found.get(key) or ())
    where = f"{found['branch']} at {found['commit'][:12]}"
    shown = items[:_ITEMS]
    yield Insight(f"Compared with {where}", ", ".join(figures) or "no difference", "", shown, len(items) - len(shown))


def _change(change: Json) -> str:
    usual = f"{duration(change['seconds'])}, usually {duration(change['usual'])}"
    return f"{usual} ± {duration(change['spread'])} in {change['builds']} builds"


def _seconds(task: Json) -> float | None:
    start, end = _time(task.get("start")), _time(task.get("end"))
    return (end - start).total_seconds() if start and end else None


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _moment(text: object) -> str:
    time = _time(text)
    return moment(time) if time else ""


def _clock(text: object) -> str:
    time = _time(text)
    return f"{time:%H:%M:%S}" if time else "–"
