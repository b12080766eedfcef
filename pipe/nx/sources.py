"""The files of a clone that tell of this step's runs: which of them count, read as sources for `merge`.

In a `final` step those of every step of the build count, as artifacts bring them (`BuildSteps`).
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from operator import itemgetter
from typing import TYPE_CHECKING

from pipe.build import PIPELINES
from pipe.checkout import Unreadable
from pipe.ci import number_of
from pipe.model import Run, Task, TaskStatus, result_of
from pipe.nx import history, printed, record, run_json
from pipe.nx.join import Kind, Source
from pipe.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from pipe.build import Build
    from pipe.checkout import Checkout
    from pipe.nx.record import Keep

RECORDS = (".nx-report/*.jsonl", ".nx-report/*.jsonl.part")
DEFAULT_LOGS = ".nx-report/*.log"
_RUN_JSON_LIMIT = 16 << 20
_OUTPUT_LIMIT = 8 << 20  # bytes of one output
_OUTPUTS_LIMIT = 24 << 20  # of all that lie beside run.json
_SHORT_OUTPUT = 4 << 10  # of each once there are so many
_RECORD_LINE = 8 << 20
_RECORDS_LIMIT = 24 << 20  # characters of the outputs of all records
_LOGS_LIMIT = 32 << 20  # of those of all logs
_MOST_STEPS = 500  # of one build; the records of more are told without a step
_LEEWAY = timedelta(seconds=5)  # how much later than its last recorded run a log may have been written
_NAMES = {PIPELINES: "Bitbucket Pipelines", "jenkins": "Jenkins", "bamboo": "Bamboo", "teamcity": "TeamCity"}
_UUID = re.compile(r"\{?[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}?")


class BuildSteps:
    """The steps of a build, as far as its records tell: which runs of each there are, and when they were going on.

    `began` is the earliest time at which this build is known to have been running: what its caller knows, or the first
    start that a record of another step has. A record of the step that reads tells no more than its clone does.
    """

    def __init__(self, build: Build, since: datetime | None) -> None:
        self.began = since
        self._own = record.step_uuid(build.step_uuid or "")
        # When the last recorded nx command of each run of each step ended.
        self._ends: dict[str, dict[int, datetime | None]] = {}
        if self._own:
            self._ends[self._own] = {build.step_run: None}

    def learn(self, head: record.Header, build: record.Identity) -> None:
        """Take what the first line of a record of this build tells."""
        step = self.step(build.step)
        if head.run.start and (step is None or step != self._own):
            self.began = min(self.began or head.run.start, head.run.start)
        if step and build.run:
            known = self._ends[step].get(build.run)
            self._ends[step][build.run] = max(filter(None, (known, head.run.end)), default=None)

    def step(self, text: str) -> str | None:
        """The step of that UUID; None where it is none, or one of too many, or the pipe does not know its own."""
        step = record.step_uuid(text) if self._own else None
        if step is None or (step not in self._ends and len(self._ends) >= _MOST_STEPS):
            return None
        self._ends.setdefault(step, {})
        return step

    def of_log(self, name: str) -> str | None:
        """The step whose log it is by its name, which the recipe makes of the step's UUID."""
        found = re.fullmatch(r"nx-(.+)\.log", os.path.basename(name))  # noqa: PTH119
        given = found[1] if found else ""
        return self.step(given) if _UUID.fullmatch(given) or record.step_uuid(given) in self._ends else None

    def run(self, step: str) -> int:
        """The highest run of the step that is known, 1 where none is."""
        return max(self._ends.get(step, ()), default=1)

    def outdated(self, found: record.Identity) -> str | None:
        """Why a record of this build does not count: its step ran again since. One that names no run does."""
        step = self.step(found.step)
        if step is None or found.run is None or found.run >= self.run(step):
            return None
        return f"is of run {found.run} of step {step}, of which run {self.run(step)} counts"

    def outdated_log(self, step: str, ended: datetime | None) -> str | None:
        """Why a log of that step does not count: it was last written when a run of the step was on that does not."""
        run = self.run(step)
        earlier = [end for number, end in self._ends[step].items() if number < run and end]
        if ended is None or not earlier or ended > max(earlier) + _LEEWAY:
            return None
        return f"ended {_utc(ended)}, before run {run} of step {step} began"


@dataclass(slots=True, eq=False, repr=False)
class Search:
    """One search through a clone. The texts are lines for the log.

    `looked_in` names the places, `ignored` what was there and does not count, with the reason, `notes` what else there
    is to say, `found` what was read, as far as the search has come. `cloned` is when this build made the clone.
    `unreadable` says that a source cannot be read, and `records` how many records there are, of whichever build.
    `steps` is there where every step of the build counts; else this one alone does. Every output goes to `keep`. `over`
    says whether the time for it is: then the rest of a record is not read.
    """

    checkout: Checkout
    build: Build
    cloned: datetime | None
    looked_in: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    records: int = 0
    unreadable: bool = False
    found: list[Source] = field(default_factory=list)
    steps: BuildSteps | None = None
    keep: Keep | None = None
    over: Callable[[], bool] = lambda: False

    def ignore(self, path: str, why: str) -> None:
        """Say why a file does not count."""
        self.ignored.append(f"{self.checkout.name(path)}: {why}")

    def give_up(self, path: str, problem: Exception) -> None:
        """Say what is wrong with a source that might tell of a run."""
        self.ignore(path, str(problem))
        self.unreadable = True

    def belongs(self, path: str, ended: datetime | None) -> bool:
        """Whether a source that ended then is of this build; says so where it is not, or where nobody can know.

        What ended after the clone is. A `final` step clones when the others are done, so there the source may have
        ended before, if it was after `began`.
        """
        if ended and self.cloned and ended >= self.cloned:
            return True
        began, what = (self.steps.began, "first known step") if self.steps else (self.cloned, "clone")
        if began is None or ended is None:
            unknown = "end of this source" if began else f"time of this build's {what.replace(' known', '')}"
            self.notes.append(f"The {unknown} is not known: {self.checkout.name(path)} is taken as this build's")
            return True
        if ended >= began:
            return True
        self.ignore(path, f"ended {_utc(ended)}, before this build's {what} at {_utc(began)}")
        return False

    def of(self, kind: Kind) -> list[Source]:
        """What was read of that kind."""
        return [source for source in self.found if source.kind is kind]

    # --- the recorder's records ---------------------------------------------------------------------------------------

    def read_records(self, bases: Iterable[str]) -> None:
        """Read the records of this step, or of every one, in any of these folders."""
        found: dict[str | None, list[tuple[str | None, Run]]] = {}
        seen: dict[str, str] = {}
        room = _RECORDS_LIMIT
        self.looked_in.append(RECORDS[0])
        paths = sorted({path for base in bases for pattern in RECORDS for path in self._found(pattern, [base]) or ()})
        if self.steps:
            self._learn_of(paths, self.steps)
        try:
            for path in paths:
                self.records += 1
                try:
                    head, run = self._record(path, seen, room)
                except (Unreadable, ValueError) as problem:
                    self.give_up(path, problem)
                    continue
                if run is not None:
                    room -= sum(len(task.output or "") for task in run.tasks)
                    step = self.steps.step(head.build.step) if self.steps and head.build else None
                    found.setdefault(step, []).append((head.inside, run))
        finally:
            for step, some in found.items():
                runs = self._on_their_own(some)
                self.found += [Source(Kind.RECORD, run.sources[0], (run,), step=step) for run in runs]

    def _learn_of(self, paths: Iterable[str], steps: BuildSteps) -> None:
        """Have the steps learn of the records of this build; what is wrong with one is said where it is read."""
        for path in paths:
            with suppress(Unreadable, ValueError):
                line = next(self.checkout.lines(path, _RECORD_LINE), None)
                head = record.header(line, path) if line else None
                if head and head.build and not _other_build(head.build, self.build):
                    steps.learn(head, head.build)

    def _record(self, path: str, seen: dict[str, str], room: int) -> tuple[record.Header, Run | None]:
        """Read a record, if it is of this step and not a copy of one in `seen`. Raises Unreadable and ValueError."""
        name = self.checkout.name(path)
        lines = self.checkout.lines(path, _RECORD_LINE)
        first = next(lines, None)
        if first is None:
            raise ValueError("is empty")
        head = record.header(first, name)
        if head.build is None:
            if not self.belongs(path, head.run.end or self.checkout.modified(path)):
                return head, None
        elif other := self._other(head.build):
            self.ignore(path, other)
            return head, None
        if head.id and seen.setdefault(head.id, name) != name:
            self.ignore(path, f"is a copy of {seen[head.id]}")
            return head, None
        run, problem = record.read(head, takewhile(lambda _: not self.over(), lines), room, self.keep)
        if problem and self.over():
            problem = f"reading it took too long: only {len(run.tasks):,} of its tasks are told"
        if problem:
            self.notes.append(f"{name}: {problem}")
        return head, run

    def _other(self, found: record.Identity) -> str | None:
        """Why a record does not count, None where it does."""
        own = self.steps.outdated(found) if self.steps else _other_step(found, self.build)
        return _other_build(found, self.build) or own

    def _on_their_own(self, found: Sequence[tuple[str | None, Run]]) -> list[Run]:
        """The runs without those that a task started which succeeded all the same: what they did is its own affair."""
        inner = {inside for inside, _ in found if inside}
        passed: dict[str, list[Task]] = {}
        for task in (task for _, run in found for task in run.tasks if task.id in inner):
            if task.status is TaskStatus.SUCCESS:
                passed.setdefault(task.id, []).append(task)
        runs = []
        for inside, run in found:
            if any(_spans(task, run) for task in passed.get(inside or "", ())):
                self.ignored.append(f"{run.sources[0]}: ran within {inside}, which succeeded")
            else:
                runs.append(run)
        return runs

    # --- Nx's record of the last run ----------------------------------------------------------------------------------

    def read_last(self, directories: Iterable[str]) -> None:
        """Read the newest run.json of this build in these cache directories, with its failed tasks' outputs.

        Where every step counts, each is read: one may be of another step than the other.
        """
        found: list[tuple[datetime, Run, str]] = []
        for directory in directories:
            path = os.path.join(directory, "run.json")
            self.looked_in.append(self.checkout.name(path))
            if not os.path.lexists(path):
                continue
            self.records += 1
            try:
                run = run_json.read(self.checkout.read(path, _RUN_JSON_LIMIT), self.checkout.name(path))
            except (Unreadable, ValueError) as problem:
                self.give_up(path, problem)
                continue
            ended = run.end or self.checkout.modified(path)
            if self.belongs(path, ended):
                found.append((ended or datetime.fromtimestamp(0, UTC), run, directory))
        if found and not self.steps:
            found = [max(found, key=itemgetter(0))]
        for _, run, directory in found:
            self.found.append(Source(Kind.RUN_JSON, run.sources[0], (self._with_outputs(run, [directory]),)))

    def _with_outputs(self, run: Run, directories: Sequence[str]) -> Run:
        """The run with its tasks' outputs, which lie in a cache directory under the task's hash.

        They are raw: where the recorder has written them down without the environment's secrets none is kept from here.
        """
        keep = None if self.of(Kind.RECORD) else self.keep
        tasks, held = [], 0
        for task in run.tasks:
            output, log = None, None
            failed = task.status is TaskStatus.FAILURE
            if keep or failed:
                output = self._output(task, directories, _OUTPUT_LIMIT)
            if output and keep:
                log = keep(output, failed).log
            if output and failed:
                output = output if held < _OUTPUTS_LIMIT else _ends(output)
                held += len(output)
            tasks.append(replace(task, output=output if failed else None, log=log) if output else task)
        return replace(run, tasks=tuple(tasks))

    def _output(self, task: Task, directories: Sequence[str], limit: int) -> str | None:
        if not task.hash or not re.fullmatch(r"[0-9A-Za-z_-]{1,128}", task.hash):
            return None
        for directory in directories:
            path = os.path.join(directory, "terminalOutputs", task.hash)
            if os.path.lexists(path):
                try:
                    head, left_out, tail = self.checkout.ends(path, limit)
                except Unreadable as problem:
                    self.ignore(path, str(problem))
                    continue
                between = f"\n… {left_out:,} bytes left out …\n" if left_out else ""
                return head.decode("utf-8", "replace") + between + tail.decode("utf-8", "replace")
        return None

    # --- Nx's task history --------------------------------------------------------------------------------------------

    def read_history(self, folders: Iterable[str], directories: Sequence[str]) -> None:
        """Read the attempts at tasks of all commands since the clone, from the databases in any of these folders.

        Where every step counts, since the build began.
        """
        began = self.steps.began if self.steps else None
        since = min((moment for moment in (self.cloned, began) if moment), default=None)
        for folder in folders if since else ():
            for path in self._found(history.NAMES, [folder]) or ():
                try:
                    database, waiting = self._database(path)
                    attempts = history.read(database, waiting, since)
                except (Unreadable, ValueError) as problem:
                    self.give_up(path, problem)
                    continue
                if attempts:
                    name = self.checkout.name(path)
                    run = self._with_outputs(_run_of(attempts, name), directories)
                    self.found.append(Source(Kind.HISTORY, name, (run,)))

    def outcomes(self, folders: Iterable[str], hashes: Collection[str]) -> dict[str, frozenset[TaskStatus]]:
        """How tasks with these hashes have ended, whenever that was, by the databases in any of these folders."""
        found: dict[str, frozenset[TaskStatus]] = {}
        for path in (path for folder in folders for path in self._found(history.NAMES, [folder]) or ()):
            with suppress(Unreadable, ValueError):
                database, waiting = self._database(path)
                for hash_, ended in history.outcomes(database, waiting, hashes).items():
                    found[hash_] = found.get(hash_, frozenset()) | ended
        return found

    def _database(self, path: str) -> tuple[bytes, bytes]:
        """A database, and what waits to be written to it. Raises Unreadable."""
        wal = path + history.WAL
        waiting = self.checkout.read(wal, history.WAL_LIMIT) if os.path.lexists(wal) else b""
        return self.checkout.read(path, history.DATABASE_LIMIT), waiting

    # --- what the commands printed ------------------------------------------------------------------------------------

    def read_logs(self, given: tuple[str, ...], bases: Sequence[str], hosts: frozenset[str]) -> None:
        """Read the runs of every log of this build; a log without any is a source too."""
        room = _LOGS_LIMIT
        # The recorder has seen every command, and kept each output as it was.
        keep = None if self.of(Kind.RECORD) else self.keep
        for path, ended in self._logs(given, bases).items():
            name = self.checkout.name(path)
            try:
                with self.checkout.open(path) as file:
                    found = printed.read(file, source=name, hosts=hosts, keep=keep)
                if not found:
                    self.ignore(path, f"holds no output of nx; its last words: {self._last_words(path)}")
            except Unreadable as problem:
                self.ignore(path, str(problem))
            except OSError as error:
                self.ignore(path, (error.strerror or "cannot be read").lower())
            else:
                runs = tuple(_within(run, room) for run in found)
                room -= sum(len(task.output or "") for run in runs for task in run.tasks)
                step = self.steps.of_log(name) if self.steps else None
                self.found.append(Source(Kind.LOG, name, runs, ended, step))

    def _logs(self, given: tuple[str, ...], bases: Sequence[str]) -> dict[str, datetime | None]:
        """The real paths of the logs that count, and when each was finished."""
        files: dict[str, datetime | None] = {}
        for pattern in given or (DEFAULT_LOGS,):
            self.looked_in.append(pattern)
            found = self._found(pattern, bases)
            if found and self.steps and not given:
                # Each step may have had a working directory of its own.
                found = [path for base in bases for path in self._found(pattern, [base]) or ()]
            if found == [] and given:
                self.ignored.append(f"{pattern}: no such file")
            for path in found or ():
                real = self.checkout.inside(path)
                if real is None:
                    self.ignore(path, "lies outside the clone directory")
                elif (
                    real not in files
                    and self.belongs(real, ended := self.checkout.modified(real))
                    and self._is_current(real, ended)
                ):
                    files[real] = ended
        return files

    def _is_current(self, path: str, ended: datetime | None) -> bool:
        """Whether a log is of its step's last run, as far as anyone knows; says so where it is not."""
        step = self.steps.of_log(path) if self.steps else None
        why = self.steps.outdated_log(step, ended) if self.steps and step else None
        if why:
            self.ignore(path, why)
        return why is None

    def _found(self, pattern: str, bases: Iterable[str]) -> list[str] | None:
        """The files that a glob names, in the first folder where it names any; None where it leads outside."""
        try:
            return self.checkout.find(pattern, dict.fromkeys(bases))
        except Unreadable as problem:
            self.ignored.append(f"{pattern}: {problem}")
            return None

    def _last_words(self, path: str) -> str:
        """What stands at a log's end, at most 100 characters of it."""
        head, _, tail = self.checkout.ends(path, 2000)
        return " ".join(plain((head + tail).decode("utf-8", "replace")).split())[-100:] or "none"


def _run_of(attempts: Sequence[history.Attempt], source: str) -> Run:
    """Attempts as the tasks of a run, of which only the targets and projects are known."""
    tasks, hashes = [], set[str]()
    for one in reversed(attempts):
        # An output is kept for a hash, by the last attempt.
        last = one.hash not in hashes
        hashes.add(one.hash)
        hash_ = one.hash if last else None
        tasks.append(
            Task(
                one.id, one.status, one.target, cache=one.cache, code=one.code, start=one.start, end=one.end, hash=hash_
            )
        )
    tasks.reverse()
    return Run(result_of(tasks), tasks=tuple(tasks), sources=(source,))


def _ends(output: str) -> str:
    """What is held of an output where there are many."""
    left_out = len(output) - _SHORT_OUTPUT
    if left_out <= 0:
        return output
    return f"{output[: _SHORT_OUTPUT // 2]}\n… {left_out:,} characters left out …\n{output[-_SHORT_OUTPUT // 2 :]}"


def _within(run: Run, room: int) -> Run:
    """The run with short outputs, where there is no room for whole ones."""
    if room >= sum(len(task.output or "") for task in run.tasks):
        return run
    tasks = (replace(task, output=task.output[-_SHORT_OUTPUT:]) if task.output else task for task in run.tasks)
    return replace(run, tasks=tuple(tasks))


def _spans(task: Task, run: Run) -> bool:
    """Whether a run lies within the time of a task."""
    return bool(task.start and task.end and run.start and task.start <= run.start <= task.end)


def _other_build(found: record.Identity, mine: Build) -> str | None:
    """Why a record is not of this build, None where it is."""
    if mine.ci and found.ci != mine.ci:
        return f"was recorded by {_name(found.ci)}, this is {_name(mine.ci)}"
    if number_of(found.number) != mine.number:
        return f"is of build {found.number}, this is build {mine.number}"
    # What names a job may be more than the recorder knows of it.
    if mine.ci and found.job not in mine.job:
        return f"is of job {found.job}, this is job {mine.job}"
    return None


def _name(ci: str) -> str:
    return _NAMES.get(ci, "another CI")


def _other_step(found: record.Identity, mine: Build) -> str | None:
    """Why a record of this build is not of this step, None where it is."""
    step = (mine.step_uuid or "").strip("{}")
    if found.step and step and found.step.strip("{}") != step:
        return f"is of step {found.step} of this build, this is step {mine.step_uuid}"
    if found.step_run and found.step_run != str(mine.step_run):
        return f"is of run {found.step_run} of this step, this is run {mine.step_run}"
    return None


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
