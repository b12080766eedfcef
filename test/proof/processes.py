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
LAST = 80  # requests of a build by which the last of them is killed
AT_ONCE = 3  # builds: most of the time processes only wait
GREEN, RED = (("24.0.6", 4), ("21.6.11-orders", "01")), (("24.0.6", 1), ("24.0.6-jobs", "05"))
EXPECTATIONS = ("number", "names", "none", "parallel")
SYMBOLS = {"PASSED": "✓", "FAILED": "✗", "PENDING": "■"}
FAULTS = ("fault of its own", "Traceback", "✗ Comment", "✗ Build status", "✗ Nx Report", "NO CREDENTIAL", "TIMEOUT")


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


class Case(NamedTuple):
    """A build. `known` says whether its steps say how many they are, `existing` whether there is a comment before."""

    steps: tuple[Step, ...]
    known: bool
    existing: bool
    own: dict[str, str]


class Seen(NamedTuple):
    """What a build came to: its requests, and how many of its steps were killed."""

    requests: int
    killed: int


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
                chance.randrange(-LAST // 10, LAST) if at in killed else None,
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
        self._dying: list[tuple[int, Process]] = []
        self.logs: list[str] = []

    def run(self) -> Seen:
        """Run it to its end; raises AssertionError where anything is not as it has to be."""
        steps = self.case.steps
        with Sandbox(on_exchange=self._exchanged) as sandbox:
            self.sandbox = sandbox
            if self.case.existing:
                self._at_once([({"BITBUCKET_BUILD_NUMBER": "416", "STEP_NAME": "old"}, RED[0], None)])
            if starting := [({**one.own, "STAGE": "start"}, one.capture, None) for one in steps if one.starts]:
                self._at_once(starting)
            codes = self._at_once([(one.own, one.capture, one.dies) for one in steps])
            killed = sum(code == -9 for code in codes)
            if any(one.dies is not None for one in steps):
                self._at_once([({**self.case.own, "STAGE": "final", "BITBUCKET_STEP_UUID": "{f}"}, None, None)])
            self._judge(codes)
            return Seen(len(sandbox.requests), killed)

    def _at_once(self, entries: Sequence[tuple[Mapping[str, str], tuple[str, int | str] | None, int | None]]) -> list[int]:
        """Run pipes that put their records all together; entry, captured run and death of each. Gives exit codes."""
        processes: list[Process] = []
        awaited = sum(dies is None or dies >= 0 for _, _, dies in entries)
        holds = [self.sandbox.faults.add("PUT", "/reports/", Action.HOLD) for _ in range(awaited)]
        email, token = self.sandbox.api_auth
        signed = {"ATLASSIAN_ACCOUNT_EMAIL": email, "ATLASSIAN_API_TOKEN": token}
        try:
            for own, capture, dies in entries:
                clone = self._clone(capture)
                processes.append(start(clone, self.sandbox.url, {**signed, **own}))
                if dies is not None and dies < 0:
                    processes[-1].kill()
            for hold in holds:
                assert hold.reached.wait(SECONDS), f"{self._what}: a process never came to put its record"
            with self.sandbox.state.lock:
                self._answered = 0
                self._dying = [
                    (dies, process)
                    for process, (_, _, dies) in zip(processes, entries, strict=True)
                    if dies is not None
                ]
            for hold in holds:
                hold.release()
            codes = [one.end() for one in processes]
        finally:
            for one in processes:
                one.kill()
        self.logs += [one.log for one in processes]
        for code, one, (_, _, dies) in zip(codes, processes, entries, strict=True):
            assert code == 0 or (code == -9 and dies is not None), f"{self._what}: exit code {code}\n{one.log}"
            assert not any(text in one.log for text in FAULTS), f"{self._what}:\n{one.log}"
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

    def _judge(self, codes: Sequence[int]) -> None:
        """Compare what stands on the pull request with the records that are there, and these with what ran."""
        steps = self.case.steps
        head = self.sandbox.pull_request.source_commit
        said = [one.values for one in self.sandbox.repository.reports_of_commit(head)]
        records = {one["title"].removeprefix("Nx · "): SYMBOLS[one["result"]] for one in said if one["title"] != "Nx"}
        ran = {one.name.strip("`"): "✗" if one.red else "✓" for one in steps}
        alive = [one.name.strip("`") for one, code in zip(steps, codes, strict=True) if code == 0]
        told = "\n".join([self._what, *self.logs])
        assert {name: records.get(name) for name in alive} == {name: ran[name] for name in alive}, told
        (comment,) = self.sandbox.pull_request.visible_comments
        rows = re.findall(r"^(?:\*\*|\| )(`part-\d+`|step \d+ of \d+)(?:\*\*| \|) (\S+)", comment.raw, re.MULTILINE)
        assert sorted(rows) == sorted(
            (one.name, records[one.name.strip("`")]) for one in steps if one.name.strip("`") in records
        ), f"{comment.raw}\n{told}"
        assert {name for name, _ in rows} == {one.name for one in steps if one.name.strip("`") in records}
        absent = "■" in records.values() or (self.case.known and len(records) < STEPS)
        state = "FAILED" if "✗" in records.values() else "STOPPED" if absent else "SUCCESSFUL"
        (status,) = self.sandbox.repository.build_statuses
        assert (status.state, status.commit) == (state, head), f"{status.description}\n{told}"
