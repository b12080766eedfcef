"""Ten steps of one build as processes of their own, all at once against the sandbox; then with some of them killed.

    python -m test.proof.processes 100

runs that many builds of each kind, and prints what it saw.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from test.sandbox import Action, Sandbox
from test.workspaces import exit_code, lay_out, variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from test.sandbox import Exchange

ROOT = Path(__file__).parents[2]
SECONDS = 240  # more than a pipe takes that works to its TIMEOUT, on a slow machine
STEPS = 10
KILLED = STEPS // 5
FIRST, LAST = -20, 80  # answered requests by which a step dies; below 0: as soon as it is started
AT_ONCE = 4  # builds: most of the time their processes only wait
GREEN, RED = (("24.0.6", 4), ("21.6.11-orders", "01")), (("24.0.6", 1), ("24.0.6-jobs", "05"))
EXPECTATIONS = ("number", "names", "none", "parallel")
SYMBOLS = {"PASSED": "✓", "FAILED": "✗", "PENDING": "■"}
FAULTS = ("fault of its own", "Traceback", "✗ Comment", "✗ Build status", "✗ Nx Report", "NO CREDENTIAL", "TIMEOUT")
# Werkzeug makes a sandbox's routes of syntax trees, and Python 3.11 fails where two threads do
# (https://github.com/python/cpython/issues/106905).
_MAKING = threading.Lock()


class Process:
    """The pipe in a process. What it prints goes to a file, so that it never waits for a reader."""

    def __init__(self, clone: Path, environ: Mapping[str, str]) -> None:
        """Start it."""
        self.log = ""
        with tempfile.NamedTemporaryFile(delete=False) as output:
            self._output = Path(output.name)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pipe"],
                cwd=clone,
                env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """End it by SIGKILL, if it is not over."""
        self._process.kill()

    def end(self) -> int:
        """Wait for its end, and give its exit code, which is negative for a signal; one that hangs is killed."""
        try:
            return self._process.wait(SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            if self._output.exists():
                self.log = self._output.read_text(encoding="utf-8", errors="replace")
                self._output.unlink()


def start(clone: Path, url: str, own: Mapping[str, str]) -> Process:
    """Start the pipe in a step's clone, with an API's address and with what is set for this step."""
    return Process(clone, variables(clone, {"BITBUCKET_API_URL": url, **own}))


class Step(NamedTuple):
    """A step of a build: what it is called, what it ran, whether it has said that it runs, and the entry's variables.

    It is killed when so many requests of the build were answered, right at its start where that is negative, and not
    at all where it is None.
    """

    name: str
    red: bool
    starts: bool
    capture: tuple[str, int | str]
    own: dict[str, str]
    dies: int | None


class Entry(NamedTuple):
    """The pipe in a step: what is set for it, what the step ran (None: nothing), and its death, as a step's."""

    own: Mapping[str, str]
    capture: tuple[str, int | str] | None = None
    dies: int | None = None


class Case(NamedTuple):
    """A build. `known` says whether its steps say how many they are, `existing` whether there is a comment before."""

    steps: tuple[Step, ...]
    known: bool
    existing: bool
    own: dict[str, str]


class Seen(NamedTuple):
    """What a build came to: its requests, how many of its steps were killed, and how many are shown as stopped."""

    requests: int
    killed: int
    stopped: int


def case(seed: int, *, deaths: bool) -> Case:
    """Draw a build."""
    chance = random.Random(f"{seed} {deaths}")
    expectation = EXPECTATIONS[seed % len(EXPECTATIONS)]
    names = [f"part-{at + 1}" for at in range(STEPS)]
    own = {"number": {"EXPECT": str(STEPS)}, "names": {"EXPECT": ", ".join(names)}}.get(expectation, {})
    reds = set(chance.sample(range(STEPS), chance.choice((0, 1, 3))))
    some_start = deaths or chance.random() < 0.3
    killed = set(chance.sample(range(STEPS), KILLED)) if deaths else set()
    steps = []
    for at, name in enumerate(names):
        place = {"BITBUCKET_PARALLEL_STEP": str(at), "BITBUCKET_PARALLEL_STEP_COUNT": str(STEPS)}
        parallel = expectation == "parallel"
        capture = chance.choice(RED if at in reds else GREEN)
        of_step = {
            "BITBUCKET_STEP_UUID": f"{{{at:08d}-1111-4222-8333-444444444444}}",
            "BITBUCKET_EXIT_CODE": exit_code(*capture),
            **(place if parallel else {"STEP_NAME": name}),
        }
        steps.append(
            Step(
                f"step {at + 1} of {STEPS}" if parallel else f"`{name}`",
                at in reds,
                some_start and chance.random() < (0.7 if at in killed else 0.2),
                capture,
                {**own, **of_step},
                chance.randrange(FIRST, LAST) if at in killed else None,
            )
        )
    return Case(tuple(steps), expectation != "none", chance.random() < 0.5, own)


class Build:
    """A build of ten steps and its sandbox; `folder` is for the clones."""

    def __init__(self, seed: int, folder: Path, *, deaths: bool) -> None:
        """Draw it."""
        self.case = case(seed, deaths=deaths)
        self._what = f"build {seed} {'with' if deaths else 'without'} deaths"
        self._folder = folder
        self._answered = 0
        self._dying: list[tuple[int | None, Process]] = []
        self.logs: list[str] = []

    def run(self) -> Seen:
        """Run it to its end; raises AssertionError where anything is not as it has to be."""
        steps = self.case.steps
        with _MAKING:
            made = Sandbox(on_exchange=self._exchanged)
        with made as sandbox:
            self.sandbox = sandbox
            if self.case.existing:
                self._at_once([Entry({"BITBUCKET_BUILD_NUMBER": "416", "STEP_NAME": "old"}, RED[0])])
            if starting := [Entry({**one.own, "STAGE": "start"}, one.capture) for one in steps if one.starts]:
                self._at_once(starting)
            codes = self._at_once([Entry(one.own, one.capture, one.dies) for one in steps])
            if any(one.dies is not None for one in steps):
                final = {"STAGE": "final", "STEP_NAME": "the end", "BITBUCKET_STEP_UUID": "{f}"}
                self._at_once([Entry({**self.case.own, **final})])
            symbols = self._judge(codes)
            return Seen(len(sandbox.requests), sum(code != 0 for code in codes), symbols.count("■"))

    def _at_once(self, entries: Sequence[Entry]) -> list[int]:
        """Run pipes that put their records all together; gives their exit codes."""
        url, (email, token) = self.sandbox.url, self.sandbox.api_auth
        signed = {"ATLASSIAN_ACCOUNT_EMAIL": email, "ATLASSIAN_API_TOKEN": token}
        processes: list[Process] = []
        awaited = sum(one.dies is None or one.dies >= 0 for one in entries)
        holds = [self.sandbox.faults.add("PUT", "/reports/", Action.HOLD) for _ in range(awaited)]
        try:
            for one in entries:
                processes.append(start(self._clone(one.capture), url, {**signed, **one.own}))
                if one.dies is not None and one.dies < 0:
                    processes[-1].kill()
            for hold in holds:
                assert hold.reached.wait(SECONDS), f"{self._what}: a process never came to put its record"
            with self.sandbox.state.lock:
                self._answered = 0
                self._dying = [(one.dies, process) for one, process in zip(entries, processes, strict=True)]
            for hold in holds:
                hold.release()
            codes = [process.end() for process in processes]
        finally:
            for process in processes:
                process.kill()
        self.logs += [process.log for process in processes]
        for one, process, code in zip(entries, processes, codes, strict=True):
            assert code == 0 or (code == -9 and one.dies is not None), f"{self._what}: exit code {code}\n{process.log}"
            assert not any(text in process.log for text in FAULTS), f"{self._what}:\n{process.log}"
        return codes

    def _clone(self, capture: tuple[str, int | str] | None) -> Path:
        clone = Path(tempfile.mkdtemp(dir=self._folder))
        if capture is None:
            return lay_out(clone, "24.0.6", log=False, record=False)
        version, run = capture
        return lay_out(clone, version, (run,))

    def _exchanged(self, _: Exchange) -> None:
        """Count an answer, and kill who is to die by now."""
        self._answered += 1
        for dies, process in self._dying:
            if dies == self._answered:
                process.kill()

    def _judge(self, codes: Sequence[int]) -> list[str]:
        """Hold what stands on the pull request to the records, and these to what ran; gives the steps' symbols."""
        repository, pull_request = self.sandbox.repository, self.sandbox.pull_request
        told = "\n".join([self._what, *self.logs])
        said = [one.values for one in repository.reports_of_commit(pull_request.source_commit)]
        of_steps = {one["title"]: SYMBOLS[one["result"]] for one in said}
        of_steps.pop("Nx: the end", None)
        titles = {f"Nx: {one.name.strip('`')}": one for one in self.case.steps}
        assert of_steps.keys() <= titles.keys(), told
        for (title, step), code in zip(titles.items(), codes, strict=True):
            ran, unheard = "✗" if step.red else "✓", "■" if step.starts else None
            assert of_steps.get(title) in ((ran,) if code == 0 else (ran, unheard)), f"{title}\n{told}"
        comments, statuses = pull_request.visible_comments, repository.build_statuses
        assert (len(comments), len(statuses)) == (1, 1), told
        rows = re.findall(r"^(?:\*\*|\| )(`part-\d+`|step \d+ of \d+)(?:\*\*| \|) (\S+)", comments[0].raw, re.MULTILINE)
        wanted = [(titles[title].name, symbol) for title, symbol in of_steps.items()]
        assert sorted(rows) == sorted(wanted), f"{comments[0].raw}\n{told}"
        symbols = list(of_steps.values())
        absent = "■" in symbols or (self.case.known and len(symbols) < STEPS)
        state = "FAILED" if "✗" in symbols else "STOPPED" if absent else "SUCCESSFUL"
        status = statuses[0]
        assert (status.state, status.commit) == (state, pull_request.source_commit), f"{status.description}\n{told}"
        return symbols


def run(seed: int, *, deaths: bool) -> Seen:
    """Run a build in a folder of its own; raises AssertionError where anything is not as it has to be."""
    with tempfile.TemporaryDirectory() as folder:
        return Build(seed, Path(folder), deaths=deaths).run()


def many(seeds: Sequence[int], *, deaths: bool) -> list[Seen]:
    """Run several builds, some at once, each with a sandbox of its own; raises an ExceptionGroup of what was wrong."""
    wrong: list[Exception] = []
    seen = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for build in [pool.submit(run, seed, deaths=deaths) for seed in seeds]:
            try:
                seen.append(build.result())
            except Exception as error:  # noqa: BLE001 - the others are of interest too
                wrong.append(error)
    if wrong:
        raise ExceptionGroup(f"{len(wrong)} of {len(seeds)} builds", wrong)
    return seen


def main() -> int:
    """Run so many builds of each kind and print a table; an exception where one was wrong."""
    number = int(sys.argv[1])
    print(f"{f'{STEPS} processes at once':32}{'builds':>8}{'requests a step':>17}{'killed':>8}{'shown as stopped':>18}")
    for name, deaths in (("each to its end", False), ("a fifth killed, then final", True)):
        seen = many(range(number), deaths=deaths)
        requests = sum(one.requests for one in seen) / number / STEPS
        killed, stopped = sum(one.killed for one in seen), sum(one.stopped for one in seen)
        print(f"{name:32}{number:>8}{requests:>17.1f}{killed:>8}{stopped:>18}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
