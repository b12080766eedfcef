"""Compare the pipe with danger on the same embedded Data Center, and print a table.

Both write the same comment, first for a build that failed, then for one that succeeded, and a build status each time.
The pipe reads what Nx left and composes its comment; danger's dangerfile finds the text ready in a file. Each run is a
process of its own, counted with all that it starts; the two take turns, and the figures are medians.

What danger does not do is counted apart: the pipe keeps its word as a Code Insights report, and waits for a second or
more before it looks whether its comment is the only one and says all. On a quiet pull request that takes it longer.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from flask import Blueprint, Flask, request

from bench.process import measure
from bench.run import PIPE, ROOT, VERSION
from test.command import execute
from test.sandbox import data_center
from test.sandbox.seed import seed
from test.sandbox.server import Server
from test.sandbox.state import State
from test.workspaces import COMMIT, exit_code, lay_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from test.sandbox.seed import Seed
    from test.sandbox.server import Exchange

DANGER = "14.0.7"
PEERS = ROOT / ".venv" / "peers"
REPEATS = 5
RUNS = {"first run, failed": 1, "second run, succeeded": 4}  # the captured ones
OTHERS = 500
# How many comments of others there are, and the seconds that each request takes.
SCENARIOS = {
    "no other comments": (0, 0.0),
    f"{OTHERS} other comments": (OTHERS, 0.0),
    "no other comments, 50 ms a request": (0, 0.05),
    f"{OTHERS} other comments, 50 ms a request": (OTHERS, 0.05),
}
DANGERFILE = """\
const { readFileSync } = require("fs");
markdown(readFileSync("comment.md", "utf8"));
if (process.env.EXIT_CODE !== "0") fail("A task failed");
"""
SLEPT = "slept for "
# The pipe, which also tells how long it slept: nothing else goes on in it meanwhile.
TELLING_PIPE = f"""
import os, sys, time
sys.path.append({str(ROOT)!r})
from pipe.clock import Clock
def sleep(_, seconds):
    begun = time.perf_counter()
    time.sleep(seconds)
    os.write(2, f"{SLEPT}{{time.perf_counter() - begun}}\\n".encode())
Clock.sleep = sleep
{PIPE}
"""
# A child's peak memory is at least that of the process which started it, so a small one does.
LAUNCHER = """
import json, os, sys, time
begun = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - begun
print("", json.dumps([wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]), sep="\\n")
sys.exit(os.waitstatus_to_exitcode(status))
"""
NAMES = (
    "wall time in ms",
    "  without waiting until it looks again",
    "CPU in ms",
    "peak memory in MB",
    "requests",
    "  of them Code Insights",
    "  of them looking again once it wrote",
    "  the rest",
)


class Cost(NamedTuple):
    """What a run took, in the order of `NAMES`: times in milliseconds, the memory of its largest process in MB."""

    wall: float
    awake: float
    cpu: float
    memory: float
    requests: int
    insights: int
    looks: int
    rest: int


class Bitbucket:
    """A Data Center with the sandbox's pull request, and with what only danger asks for, to be used in a `with`."""

    def __init__(self, others: int, latency: float) -> None:
        """Start serving, with so many comments of others."""
        state = State()
        self.start = seed(state)
        for number in range(others):
            self.start.repository.add_comment(
                self.start.reviewer, self.start.pull_request, f"Looks good to me ({number})"
            )
        app = Flask(__name__, static_folder=None)
        app.register_blueprint(data_center.blueprint(state, data_center.Server()), url_prefix=data_center.CONTEXT)
        app.register_blueprint(_for_danger(self.start), url_prefix=data_center.CONTEXT)
        app.before_request(_trust)
        self._server = Server(app, state.lock, None, latency)
        self.address = f"{self._server.address}{data_center.CONTEXT}"
        self.requests = self._server.requests

    @property
    def token(self) -> str:
        """The robot's token."""
        return self.start.http_token.token

    def comments(self) -> list[tuple[int, int, str]]:
        """ID, version and text of each comment that the robot has written."""
        robot = self.start.http_token.user
        comments = self.start.pull_request.visible_comments
        return [(one.id, one.version, one.raw) for one in comments if one.user == robot]

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self._server.close()


def _trust() -> None:
    """Let danger write: it sends no header against XSRF, which the sandbox wants of everybody."""
    request.environ.setdefault("HTTP_X_ATLASSIAN_TOKEN", "no-check")


def _for_danger(start: Seed) -> Blueprint:
    """The pull request's commits, and its changes, of which there are none."""
    routes = Blueprint("for_danger", __name__)
    place = "/rest/api/1.0/projects/ACME/repos/shop/pull-requests/17"
    commit = start.repository.commits[COMMIT]
    author = {"name": commit.author.display_name, "emailAddress": "ada@acme.example"}
    moment = int(commit.date.timestamp() * 1000)
    value = {
        "id": commit.hash,
        "displayId": commit.hash[:11],
        "message": commit.message,
        "author": author,
        "authorTimestamp": moment,
        "committer": author,
        "committerTimestamp": moment,
        "parents": [{"id": commit.parent, "displayId": commit.parent[:11]}] if commit.parent else [],
    }

    def page(values: list[dict[str, Any]]) -> dict[str, Any]:
        return {"values": values, "size": len(values), "start": 0, "limit": 25, "isLastPage": True}

    @routes.get(f"{place}/commits")
    def commits() -> dict[str, Any]:
        return page([value])

    @routes.get(f"{place}/changes")
    def changes() -> dict[str, Any]:
        ends = {"fromHash": start.pull_request.destination_commit, "toHash": COMMIT}
        return {**ends, **page([])}

    return routes


def install() -> None:
    """Put danger where the measurements look for it; raises RuntimeError where npm fails."""
    known = PEERS / "node_modules" / "danger" / "package.json"
    if known.exists() and json.loads(known.read_text())["version"] == DANGER:
        return
    PEERS.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--prefix", str(PEERS), "--no-audit", "--no-fund", f"danger@{DANGER}"]
    ran = execute(command, PEERS, os.environ)
    if ran.code:
        raise RuntimeError(ran.printed)


def pipe(bitbucket: Bitbucket, folder: Path, run: int, build: int) -> Cost:
    """Run the pipe in a clone that the captured run left, as that build."""
    clone = lay_out(folder / str(build), VERSION, (run,))
    own = {
        "BITBUCKET_ACCESS_TOKEN": bitbucket.token,
        "BITBUCKET_URL": bitbucket.address,
        "BUILD_NUMBER": str(build),
        "BUILD_URL": f"https://ci.example/{build}/",
        "COMMIT": COMMIT,
        "EXIT_CODE": exit_code(VERSION, run),
        "PROJECT_KEY": "ACME",
        "PULL_REQUEST_ID": "17",
        "REPOSITORY_SLUG": "shop",
        "SOURCE_BRANCH": "feature/cart-totals",
    }
    return _cost(bitbucket, [sys.executable, "-I", "-c", TELLING_PIPE], own, clone)


def danger(bitbucket: Bitbucket, folder: Path, run: int, text: str) -> Cost:
    """Run danger in a folder that has nothing but its dangerfile and the text, as in a multibranch job of Jenkins."""
    (folder / "dangerfile.js").write_text(DANGERFILE)
    (folder / "comment.md").write_text(text)
    own = {
        "CHANGE_ID": "17",
        "CHANGE_URL": f"{bitbucket.address}/projects/ACME/repos/shop/pull-requests/17",
        "DANGER_BITBUCKETSERVER_HOST": bitbucket.address,
        "DANGER_BITBUCKETSERVER_TOKEN": bitbucket.token,
        "DANGER_BITBUCKETSERVER_USERNAME": "ci-reporter",
        "DANGER_NO_BITBUCKET_JIRA_INTEGRATION": "1",
        "EXIT_CODE": exit_code(VERSION, run),
        "GIT_COMMIT": COMMIT,
        "JENKINS_URL": "https://ci.example/",
    }
    node = shutil.which("node")
    if node is None:
        raise RuntimeError("danger needs Node: there is no `node` on the PATH")
    program = PEERS / "node_modules" / "danger" / "distribution" / "commands" / "danger.js"
    return _cost(bitbucket, [node, str(program), "ci"], own, folder)


def _cost(bitbucket: Bitbucket, command: Sequence[str], own: dict[str, str], folder: Path) -> Cost:
    """Run a command, and count what it took; raises RuntimeError where it fails, or a request of it was refused."""
    before = len(bitbucket.requests)
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), **own}
    printed = measure([sys.executable, "-I", "-S", "-c", LAUNCHER, *command], environ, folder).printed
    lines = printed.splitlines()
    wall, cpu, memory = json.loads(lines[-1])
    slept = sum(float(line.removeprefix(SLEPT)) for line in lines if line.startswith(SLEPT))
    made = bitbucket.requests[before:]
    # That there is no build status of that key yet is the one answer of this kind.
    if any(one.status is None or (one.status >= 400 and not one.path.endswith("/builds")) for one in made):
        raise RuntimeError(f"{[(one.method, one.path, one.status) for one in made]}\n{printed}")
    insights = [one for one in made if "/insights/" in one.path]
    looks = _looks(one for one in made if one not in insights)
    rest = len(made) - len(insights) - looks
    return Cost(wall * 1000, (wall - slept) * 1000, cpu * 1000, memory, len(made), len(insights), looks, rest)


def _looks(made: Iterable[Exchange]) -> int:
    """How many of the requests read once the comment was written."""
    wrote, looks = False, 0
    for one in made:
        looks += wrote and one.method == "GET"
        wrote = wrote or (one.method != "GET" and "/comments" in one.path)
    return looks


def _written(bitbucket: Bitbucket, before: list[tuple[int, int, str]]) -> str:
    """The text of the one comment, which is new, or the one from before with another text; else a RuntimeError."""
    found = bitbucket.comments()
    if len(found) != 1:
        raise RuntimeError(f"{len(found)} comments")
    number, version, text = found[0]
    if any((number, version) != (known, old + 1) or text == then for known, old, then in before):
        raise RuntimeError(f"{before} became {found}")
    return text


def _twice(bitbucket: Bitbucket, runs: Sequence[Callable[[], Cost]]) -> tuple[list[Cost], list[str]]:
    costs, texts = [], []
    for run in runs:
        before = bitbucket.comments()
        costs.append(run())
        texts.append(_written(bitbucket, before))
    return costs, texts


def of_pipe(others: int, latency: float) -> tuple[list[Cost], list[str]]:
    """What each run takes with the pipe on a Bitbucket of its own, and the text that it leaves, without the marker."""
    with tempfile.TemporaryDirectory() as folder, Bitbucket(others, latency) as bitbucket:
        runs = [partial(pipe, bitbucket, Path(folder), run, build) for build, run in enumerate(RUNS.values(), 417)]
        costs, texts = _twice(bitbucket, runs)
    return costs, [text.partition("\n[nx-report:")[0] for text in texts]


def of_danger(others: int, latency: float, texts: Sequence[str]) -> list[Cost]:
    """The same with danger; raises RuntimeError where it leaves other texts than these."""
    with tempfile.TemporaryDirectory() as folder, Bitbucket(others, latency) as bitbucket:
        runs = [
            partial(danger, bitbucket, Path(folder), run, text) for run, text in zip(RUNS.values(), texts, strict=True)
        ]
        costs, left = _twice(bitbucket, runs)
    if any(text not in comment for text, comment in zip(texts, left, strict=True)):
        raise RuntimeError(f"danger left {left}")
    return costs


def compare(others: int, latency: float, texts: Sequence[str]) -> list[str]:
    """The lines of the table for one scenario."""
    ours: list[list[Cost]] = []
    theirs: list[list[Cost]] = []
    for turn in range(REPEATS):
        if turn % 2:
            theirs.append(of_danger(others, latency, texts))
        ours.append(of_pipe(others, latency)[0])
        if not turn % 2:
            theirs.append(of_danger(others, latency, texts))
    lines = []
    for at, name in enumerate(RUNS):
        lines.append(f"  {name}")
        of_run = zip(*(each[at] for each in ours), strict=True), zip(*(each[at] for each in theirs), strict=True)
        for row, mine, other in zip(NAMES, *(map(median, figures) for figures in of_run), strict=True):
            ratio = f"{mine / other:>16.2f}" if other else ""
            lines.append(f"    {row:42}{mine:>8.0f}{other:>10.0f}{ratio}")
    return lines


def main() -> None:
    """Compare them in every scenario."""
    install()
    # This round makes the compiled files where there are none yet, and the texts.
    _, texts = of_pipe(0, 0.0)
    of_danger(0, 0.0, texts)
    print(f"medians of {REPEATS} runs; danger {DANGER}{'pipe':>22}{'danger':>10}{'pipe / danger':>16}")
    for name, (others, latency) in SCENARIOS.items():
        print("\n".join([name, *compare(others, latency, texts)]), flush=True)
    print(f"load average {os.getloadavg()[1]:.1f}, {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
