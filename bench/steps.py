"""What the steps of one build cost together: requests, calls in sequence, and for how long the comment lacks a step.

The pipe's own publishers are carried through in virtual time, against a Bitbucket in memory that answers each request
after 100 ms. The same then happens with whole processes over HTTP, which shows that the simulation tells the truth.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from itertools import count
from statistics import mean
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import parse_qsl

from bench import Figure
from pipe.bitbucket.errors import BitbucketError, NotFound
from pipe.build import Build, Pages
from pipe.clock import Clock
from pipe.insights import summarise
from pipe.model import Comment, PullRequest, Run, Stage, Task, TaskStatus, result_of
from pipe.protocol import Publication
from pipe.publish import Publisher, ReportRecords, Target
from pipe.render import step_report
from pipe.render.comment import Frame
from pipe.render.steps import Place
from pipe.render.teller import Held, Teller
from pipe.steps import StepReport, counted
from test.proof.processes import Process, start
from test.sandbox import Sandbox
from test.workspaces import COMMIT, lay_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pipe.bitbucket import Bitbucket
    from pipe.model import BuildStatus, Report
    from pipe.protocol import Call
    from test.sandbox import Exchange

LATENCY = 0.1  # seconds from a request to its answer; what is asked is done halfway
WITHIN = 10.0  # seconds in which the steps of a build end
HOUR = 1_000  # requests that Bitbucket Cloud answers in an hour
# How many steps, how often it is simulated, and how many requests they may make on average. Of 30 it is to be 6, which
# a mean over 150 builds misses by a hundredth (6.05); the rest of that limit is for the chance in the sample.
BUILDS = ((10, 60, 8), (30, 60, 6.25), (100, 6, 6))
RED = 0.2  # of the steps, where some fail
REAL = 3  # builds of ten processes
NUMBER, BRANCH = 17, "feature/cart-totals"
VERSION, GREEN = "24.0.6", 4  # the captured run that succeeds
OTHERS = 99  # comments of people beside ours: a page


class Cost(NamedTuple):
    """What a build took: each step's requests and calls in sequence, and seconds from the last record to the end."""

    requests: tuple[int, ...]
    depth: tuple[int, ...]
    late: float


# --- in virtual time --------------------------------------------------------------------------------------------------


class World(Clock):
    """Virtual time, in which things happen when it is their turn."""

    def __init__(self) -> None:
        """Begin, at 0 seconds."""
        self.time = 0.0
        self.slept = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    @staticmethod
    def at(moment: float) -> datetime:
        """The time of day at a moment, in seconds since the beginning."""
        return datetime(2026, 11, 23, 19, 22, tzinfo=UTC) + timedelta(seconds=moment)

    def now(self) -> datetime:
        """The time of day."""
        return self.at(self.time)

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Take note of it alone: whoever sleeps goes on in an event of its own."""
        self.slept = seconds

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Have something done so much later."""
        heappush(self._events, (self.time + seconds, next(self._numbers), do))

    def run(self) -> None:
        """Let everything happen."""
        while self._events:
            self.time, _, do = heappop(self._events)
            do()


class Memory:
    """A Bitbucket (`pipe.bitbucket.Bitbucket`) with one commit, on one pull request, and what is needed of it here."""

    def __init__(self, world: World) -> None:
        """Begin with nothing. `texts` is what all comments said from which moment on."""
        self._world = world
        self._ids = count(1)
        self.records: dict[str, Report] = {}
        self.statuses: dict[str, BuildStatus] = {}
        self.on_page: dict[int, Comment] = {}
        self.last_record = 0.0
        self.texts: list[tuple[float, tuple[str, ...]]] = []

    def until(self, deadline: float) -> Memory:  # noqa: ARG002
        """The same."""
        return self

    def pull_request(self, number: int) -> PullRequest:
        """The pull request, at the commit."""
        return PullRequest(number, open=True, state="open", head=COMMIT[:12], branch=BRANCH, updated="", url="")

    def comments(self, pull_request: int, ours: Callable[[str], bool], hint: Callable[[], str]) -> list[Comment]:  # noqa: ARG002
        """All comments of ours."""
        return [one for one in self.on_page.values() if ours(one.body)]

    def hint(self, pull_request: int) -> str:  # noqa: ARG002
        """Nothing: all are found at once."""
        return ""

    def create_comment(self, pull_request: int, body: str) -> Comment:  # noqa: ARG002
        """Make a comment."""
        return self._write(Comment(next(self._ids), body, "{us}", "https://bitbucket.org/acme/shop/pull-requests/17"))

    def update_comment(self, pull_request: int, comment: Comment, body: str) -> Comment:  # noqa: ARG002
        """Replace a comment's text."""
        self._find(comment)
        return self._write(comment._replace(body=body))

    def delete_comment(self, pull_request: int, comment: Comment) -> None:  # noqa: ARG002
        """Delete a comment."""
        self._find(comment)
        del self.on_page[comment.id]
        self._note()

    def _find(self, comment: Comment) -> None:
        if comment.id not in self.on_page:
            raise NotFound("comment: not found (404)")

    def _write(self, comment: Comment) -> Comment:
        self.on_page[comment.id] = comment
        self._note()
        return comment

    def _note(self) -> None:
        self.texts.append((self._world.time + LATENCY / 2, tuple(one.body for one in self.on_page.values())))

    def set_build_status(self, commit: str, status: BuildStatus) -> None:  # noqa: ARG002
        """Make or replace a build status."""
        self.statuses[status.key] = status

    def build_status(self, commit: str, key: str) -> BuildStatus | None:  # noqa: ARG002
        """The build status of that key."""
        return self.statuses.get(key)

    def put_report(self, commit: str, report: Report) -> None:  # noqa: ARG002
        """Make or replace a record."""
        self.records[report.key] = report
        self.last_record = self._world.time + LATENCY / 2

    def reports(self, commit: str) -> list[Report]:  # noqa: ARG002
        """All records."""
        return list(self.records.values())

    def delete_report(self, commit: str, key: str) -> None:  # noqa: ARG002
        """Delete a record."""
        self.records.pop(key, None)


class Alarm:
    """A voice for what must not happen here."""

    @staticmethod
    def say(text: str) -> None:
        """Raise RuntimeError."""
        raise RuntimeError(text)

    @staticmethod
    def say_fault(error: Exception) -> None:
        """Raise it."""
        raise error


class Step(Publisher):
    """A publisher whose pauses and calls are events of a world."""

    def __init__(self, world: World, memory: Memory, place: Place, teller: Teller) -> None:
        """Take where it is at work."""
        bitbucket = cast("Bitbucket", memory)  # it lacks the verbs that are not needed here
        records = ReportRecords(bitbucket, place.scope, place.pages, lambda _: True)
        target = Target(NUMBER, lambda _: False)
        super().__init__(bitbucket, [records], target, teller, world, world.time + 118, Alarm())
        self._world = world
        self.requests, self.depth = 0, 0

    def begin(self, at: Publication) -> None:
        """Be on the way with a publication."""
        self.at = at
        self._go_on()

    def _go_on(self) -> None:
        if self.at.ended:
            return
        self._world.slept = 0.0
        if not self._wait(self.at.pause):
            raise RuntimeError("a step came to the end of its time")
        self._world.after(self._world.slept, self._ask)

    def _ask(self) -> None:
        calls = self.at.calls
        self.requests += len(calls)
        self.depth += 1
        answers: list[object] = []
        self._world.after(LATENCY / 2, lambda: answers.extend(map(self._carried_out, calls)))
        self._world.after(LATENCY, lambda: self._answered(answers))

    def _carried_out(self, call: Call) -> object:
        try:
            answer = self._make(call)
        except BitbucketError as error:
            answer = error
        return self._settled(call, answer)

    def _answered(self, answers: list[object]) -> None:
        self.at = self._after(answers)
        self._go_on()


def simulate(starts: Sequence[float], seed: int, *, expect: int, red: float = 0.0) -> Cost:
    """Have a step put its record at each of these moments, in seconds; a share of them is red.

    Raises RuntimeError where it does not end with one comment and one build status, both as they have to be.
    """
    random.seed(seed)  # for the publishers' jitter
    chance = random.Random(seed)
    world = World()
    memory = Memory(world)
    pages = Pages("https://bitbucket.org/acme/shop/pipelines/results/")
    place = Place("https://bitbucket.org/acme/shop", COMMIT, step_report.Scope("nx", NUMBER, f"heads/{BRANCH}"), pages)
    said = [
        _said(number, world.at(moment), expect, failed=chance.random() < red) for number, moment in enumerate(starts)
    ]
    teller = Teller(place, "nx", dict(said), only_failures=False)
    steps: list[Step] = []

    def begin(word: StepReport) -> None:
        steps.append(Step(world, memory, place, teller))
        steps[-1].begin(Publication.begin([word], COMMIT, comments=True))

    for moment, (word, _) in zip(starts, said, strict=True):
        world.after(moment, partial(begin, word))
    world.run()
    now = round(world.now().timestamp() * 1000)
    every = counted(word for word, _ in said)
    status = teller.status(every, None, now)
    if _shown(memory.texts[-1][1]) != teller.digest(COMMIT, every, now) or [*memory.statuses.values()] != [status]:
        raise RuntimeError(f"{len(starts)} steps with seed {seed} end without all in the comment or the build status")
    late = _complete(memory.texts) - memory.last_record
    return Cost(tuple(one.requests for one in steps), tuple(one.depth for one in steps), late)


def _said(number: int, moment: datetime, expect: int, *, failed: bool) -> tuple[StepReport, Held]:
    """A step's word at that moment, and what it ran."""
    build = Build("acme", "shop", COMMIT, 417, "/", step_uuid=f"{{{number}}}", exit_code=str(int(failed)))
    task = Task(f"project-{number}:test", TaskStatus.FAILURE if failed else TaskStatus.SUCCESS)
    summary = summarise([Run(result_of([task]), (task,), command="nx affected -t test")], build.exit_code)
    word = StepReport(
        build.number,
        build.step_run,
        f"part-{number}",
        step_report.step_digest(build.step_uuid),
        Stage.REPORT,
        round(moment.timestamp() * 1000),
        link=build.step_url,
        expect=expect,
    )
    return step_report.of(summary, word, "npx nx"), Held(summary, Frame(build, COMMIT))


def _shown(texts: Sequence[str]) -> str | None:
    """What stands for all that the one comment of ours shows; None where there is none, or several."""
    ours = [line for text in texts for line in text.splitlines() if line.startswith("[nx-report:nx]: ")]
    return dict(parse_qsl(ours[0].partition("?")[2])).get("of") if len(ours) == 1 else None


def _complete(texts: Sequence[tuple[float, tuple[str, ...]]]) -> float:
    """Since when the comment shows what it shows in the end."""
    since, last = texts[-1]
    for moment, then in reversed(texts):
        if _shown(then) != _shown(last):
            break
        since = moment
    return since


def _starts(number: int, seed: int) -> list[float]:
    """Moments at which steps end, in seconds."""
    chance = random.Random(f"{number} {seed}")
    return [chance.uniform(0, WITHIN) for _ in range(number)]


# --- processes over HTTP ----------------------------------------------------------------------------------------------


class Watch:
    """Counts what each step asks of a sandbox. Steps are told apart by their tokens, which are of one account.

    What it asks of the destination branch's commits comes before it publishes, and is counted apart.
    """

    def __init__(self) -> None:
        """Start the sandbox."""
        self.sandbox = Sandbox(on_exchange=self._exchanged, latency=LATENCY)
        self._begun = time.monotonic()
        self._answered: Counter[str] = Counter()
        self._depth: Counter[str] = Counter()
        self._texts: list[tuple[float, tuple[str, ...]]] = []
        self._records: list[float] = []
        self.starts: list[float] = []

    def token(self, number: int) -> dict[str, str]:
        """The variables with a step's own token."""
        known = self.sandbox.api_token
        own = self.sandbox.state.add_api_token(known.user, f"ci-{number}@acme.example", f"ATATT-{number}", known.scopes)
        return {"ATLASSIAN_ACCOUNT_EMAIL": own.email or "", "ATLASSIAN_API_TOKEN": own.token}

    def baseline(self) -> int:
        """How many requests the steps made about other commits."""
        return sum(map(_of_baseline, self.sandbox.requests))

    def cost(self, since: int = 0) -> Cost:
        """What it came to, of the requests from that one on."""
        of_steps = Counter(
            one.headers["Authorization"] for one in self.sandbox.requests[since:] if not _of_baseline(one)
        )
        # A rerun puts its record and writes the comment at once, so either may be first.
        late = max(0.0, _complete(self._texts) - self._records[-1])
        return Cost(tuple(of_steps.values()), tuple(self._depth[one] for one in of_steps), late)

    def _exchanged(self, exchange: Exchange) -> None:
        if _of_baseline(exchange):
            return
        moment, whose = time.monotonic() - self._begun, exchange.headers["Authorization"]
        self._answered[whose] += 1
        # What is asked at once has all arrived when the first of it is answered.
        asked = sum(one.headers["Authorization"] == whose and not _of_baseline(one) for one in self.sandbox.requests)
        self._depth[whose] += asked == self._answered[whose]
        if exchange.method == "PUT" and "/reports/" in exchange.path:
            self._records.append(moment)
            self.starts.append(moment - LATENCY)
        elif "/comments" in exchange.path and exchange.method != "GET":
            self._texts.append((moment, tuple(one.raw for one in self.sandbox.pull_request.visible_comments)))


def _of_baseline(request: Exchange) -> bool:
    commit = re.search("/commit/([0-9a-f]+)", request.path)
    return commit is not None and not COMMIT.startswith(commit[1])


def alone(folder: Path) -> tuple[dict[str, Cost], int]:
    """A step alone as a process: with a page of other comments, run again with another result, with a short commit.

    With them the requests of the first for the baseline.
    """
    found, baseline = {}, 0
    watch = Watch()
    with watch.sandbox as sandbox:
        for number in range(OTHERS):
            sandbox.repository.add_comment(sandbox.reviewer, sandbox.pull_request, f"Looks good ({number})")
        red, green = lay_out(folder / "red", VERSION, (1,)), lay_out(folder / "green", VERSION, (GREEN,))
        for name, clone, run in (("alone", green, 1), ("run again", red, 2)):
            before = len(sandbox.requests)
            own = {"BITBUCKET_EXIT_CODE": "1" if clone == red else "0", "BITBUCKET_STEP_RUN_NUMBER": str(run)}
            _end([start(clone, sandbox.url, {**own, **watch.token(run)})])
            found[name] = watch.cost(before)
            if name == "alone":
                baseline = watch.baseline()
    watch = Watch()
    with watch.sandbox as sandbox:
        clone = lay_out(folder / "short", VERSION, (GREEN,), commit="0" * 40)  # its `.git` names another commit alone
        _end([start(clone, sandbox.url, {"BITBUCKET_EXIT_CODE": "0", **watch.token(0)})])
        found["short commit"] = watch.cost()
    return found, baseline


def together(folder: Path, number: int, seed: int) -> tuple[Cost, list[float]]:
    """Processes of a build that end like the steps of a simulation; with it when each put its record."""
    watch = Watch()
    with watch.sandbox as sandbox:
        clones = [lay_out(folder / f"{number}-{seed}-{at}", VERSION, (GREEN,)) for at in range(number)]
        begun, processes = time.monotonic(), []
        for at, moment in enumerate(sorted(_starts(number, seed))):
            own = {
                "BITBUCKET_EXIT_CODE": "0",
                "BITBUCKET_STEP_UUID": f"{{{at:08d}-1111-4222-8333-444444444444}}",
                "STEP_NAME": f"part-{at}",
                "EXPECT": str(number),
                **watch.token(at),
            }
            time.sleep(max(0.0, begun + moment - time.monotonic()))
            processes.append(start(clones[at], sandbox.url, own))
        _end(processes)
    return watch.cost(), watch.starts


def _end(processes: Sequence[Process]) -> None:
    for one in processes:
        if one.end():
            raise RuntimeError(one.log)


# --- the table --------------------------------------------------------------------------------------------------------


def measure(folder: Path) -> tuple[list[Figure], list[str]]:
    """The figures that have limits, and the lines of the table; `folder` is for clones."""
    one = [simulate([0.0], 0, expect=0)]
    rows = {"1": one}
    limits = {}
    for number, times, limit in BUILDS:
        rows[f"{number}"] = [simulate(_starts(number, seed), seed, expect=number) for seed in range(times)]
        limits[f"{number}"] = limit
        rows[f"{number}, a fifth red"] = [
            simulate(_starts(number, seed), seed, expect=number, red=RED) for seed in range(times)
        ]
    real, baseline = alone(folder)
    rows |= {f"1 process, {name}": [cost] for name, cost in real.items()}
    over_http, as_simulated = [], []
    for seed in range(REAL):
        cost, starts = together(folder, 10, seed)
        over_http.append(cost)
        as_simulated += [simulate(starts, again, expect=10) for again in range(10)]
    rows |= {f"10 processes, {REAL} builds": over_http, "the same, simulated": as_simulated}
    (requests,), (depth,), _ = real["alone"]
    figures = [
        Figure("1 step: requests", requests, 11, f"with {OTHERS} other comments; simulated {one[0].requests[0]}"),
        Figure("1 step: requests for the baseline", baseline, 3, "before those"),
        Figure("1 step: calls in sequence", depth, 4, f"simulated {one[0].depth[0]}"),
        Figure("1 step: more requests for a short commit", real["short commit"].requests[0] - requests, 1, ""),
        Figure("1 step: more requests for a rerun", real["run again"].requests[0] - requests, 1, "one old record"),
    ]
    for name, limit in limits.items():
        late = max(cost.late for cost in rows[name])
        figures += [
            Figure(f"{name} steps: requests of each, mean", _mean(rows[name]), limit, f"{len(rows[name])} builds"),
            Figure(f"{name} steps: ms from last record to all shown", late * 1000, 1000, "the longest"),
        ]
    ratio = _mean(over_http) / _mean(as_simulated)
    how = f"{_mean(over_http):.2f} / {_mean(as_simulated):.2f} a step"
    figures.append(Figure("10 processes: requests / simulated", max(ratio, 1 / ratio), 1.25, how))
    return figures, list(_table(rows))


def _mean(costs: Sequence[Cost]) -> float:
    return mean(number for cost in costs for number in cost.requests)


def _table(rows: dict[str, list[Cost]]) -> list[str]:
    lines = [
        f"{'steps that end within 10 s,':30}{'requests':>12}{'in sequence':>16}{'ms to all shown':>18}{'of an':>10}",
        f"{'at 100 ms a request':30}{'mean':>7}{'max':>5}{'mean':>11}{'max':>5}{'mean':>12}{'max':>6}{'hour':>10}",
    ]
    for name, costs in rows.items():
        requests = [number for cost in costs for number in cost.requests]
        depth = [number for cost in costs for number in cost.depth]
        late = [cost.late * 1000 for cost in costs]
        share = mean(sum(cost.requests) for cost in costs) / HOUR
        lines.append(
            f"{name:30}{mean(requests):>7.2f}{max(requests):>5}{mean(depth):>11.2f}{max(depth):>5}"
            f"{mean(late):>12.0f}{max(late):>6.0f}{share:>10.1%}"
        )
    return lines
