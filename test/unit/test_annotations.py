"""Problems that tools printed, as annotations."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pipe.model import Annotation, AnnotationKind, AnnotationSeverity, Log, Problem, Severity, Task, TaskStatus
from pipe.render.annotations import Made, annotate

ERROR, WARNING = Severity.ERROR, Severity.WARNING


def locate(path: str, project_root: str | None, line: int | None = None) -> str | None:
    """Each path is one of the project's folder, but those that are absolute, or have a line beyond 10,000."""
    if path.startswith("/") or (line or 0) > 10_000:
        return None
    return f"{project_root}/{path}" if project_root else path


def problem(message: str = "It is wrong", line: int | None = 3, column: int | None = 7, **own: object) -> Problem:
    """A problem in a file."""
    return Problem("a.ts", line, column, ERROR, message, "TS2322", "tsc")._replace(**own)  # type: ignore[arg-type]


def task(*problems: Problem, name: str = "cart:build", failed: bool = True, root: str = "cart") -> Task:
    """A task whose log tells of problems."""
    status = TaskStatus.FAILURE if failed else TaskStatus.SUCCESS
    return Task(name, status, log=Log(0, 0, 0, problems), root=root)


def make(*tasks: Task) -> Made:
    """Annotations of tasks."""
    return annotate(tasks, locate, "key")


def test_an_error_of_a_failed_task() -> None:
    """It is at its line, says the message, and below it the tool, the rule and the task."""
    (only,) = make(task(problem())).annotations
    assert only == Annotation(
        id=only.id,
        path="cart/a.ts",
        line=3,
        kind=AnnotationKind.BUG,
        severity=AnnotationSeverity.HIGH,
        summary="It is wrong",
        details="tsc TS2322\nTask cart:build",
        failed=True,
        link=None,
    )
    assert make(Task("cart:build", TaskStatus.FAILURE), task()) == Made((), 0, 0)


def test_a_task_that_passed_on_retry() -> None:
    """What it printed when it failed is no more than what a task that passed prints."""
    (only,) = annotate([task(problem())], locate, "key", retried=["cart:build"]).annotations
    assert (only.severity, only.failed) == (AnnotationSeverity.MEDIUM, False)


def test_severities() -> None:
    """An error of a task that passed is less than that of one that failed, and a warning is least and no bug."""
    found = make(
        task(problem("passed"), failed=False, name="a:a"),
        task(problem("warned", severity=WARNING), problem("failed")),
    ).annotations
    assert [(one.summary, one.kind.value, one.severity.value, one.failed) for one in found] == [
        ("failed", "BUG", "HIGH", True),
        ("passed", "BUG", "MEDIUM", False),
        ("warned", "CODE_SMELL", "LOW", False),
    ]


def test_order() -> None:
    """The worst come first, and alike ones by path, line and column."""
    one = task(problem("b", 10), problem("c", 10, 2), problem("d", 2), problem("e", None, None), root="b")
    other = task(problem("f", 99), root="a")
    found = make(one, task(problem("w", 1, severity=WARNING), root="a"), other).annotations
    assert [each.summary for each in found] == ["f", "e", "d", "c", "b", "w"]


def test_the_same_problem_is_told_once() -> None:
    """Runs and tasks tell of one problem, in other case and spaces: it is one, the worst, and names them all."""
    found = make(
        task(problem("It is  WRONG", severity=WARNING, tool="eslint"), name="cart:lint", failed=False),
        task(problem("it is wrong"), name="cart:build"),
        task(problem("It is wrong", column=None), name="web:build"),
        task(problem("It is wrong"), name="cart:build"),
    ).annotations
    assert [(one.summary, one.severity, one.details) for one in found] == [
        ("it is wrong", AnnotationSeverity.HIGH, "tsc TS2322\nTasks cart:lint, cart:build, web:build")
    ]


def test_columns_tell_problems_apart() -> None:
    """The same words at two columns of a line are two problems; without a column they are the first of them."""
    found = make(task(problem(column=None), problem(column=9), problem(column=2), problem(column=None))).annotations
    assert len(found) == 2
    assert len({one.id for one in found}) == 2


def test_same_words_elsewhere() -> None:
    """Another line, file or message is another problem."""
    found = make(task(problem(), problem(line=4), problem("More"), problem(path="b.ts")), task(problem(), root="web"))
    assert len(found.annotations) == len({one.id for one in found.annotations}) == 5


def test_ids_are_stable() -> None:
    """An id follows from the report's key and from what is told, not from who tells it or of what else."""
    (one,) = make(task(problem())).annotations
    (other,) = annotate([task(problem(severity=WARNING), name="web:x")], locate, "key").annotations
    assert one.id == other.id == "nx-report-0ea33acc518fcb22ef467597b599cbb0"
    assert annotate([task(problem())], locate, "other").annotations[0].id != one.id


def test_files_elsewhere() -> None:
    """What is in no file of the repository is no annotation; each is counted once."""
    found = make(task(problem(path="/etc/x"), problem(path="/etc/x"), problem(path="/etc/y"), problem(line=20_000)))
    assert found == Made((), 0, 3)


def test_at_most_a_thousand() -> None:
    """Bitbucket takes a thousand: the worst of them, and the rest is counted."""
    warnings = [problem("w", line, severity=WARNING) for line in range(1, 1001)]
    made = make(task(*warnings), task(*(problem("e", line) for line in range(1, 301))))
    assert (len(made.annotations), made.left_out) == (1000, 300)
    assert [one.summary for one in made.annotations] == ["e"] * 300 + ["w"] * 700
    assert len({one.id for one in made.annotations}) == 1000


def test_logs_that_were_not_looked_through() -> None:
    """How many logs were not looked through for problems is counted, as the rest is not all there is then."""
    made = make(task(problem()), replace(task(), log=Log(1, 10, 1, unread=True)), Task("a:b", TaskStatus.SUCCESS))
    assert (len(made.annotations), made.left_out, made.unread) == (1, 0, 1)


def test_long_and_empty_messages() -> None:
    """A message of several lines is one line, a long one is cut, and both are whole below; an empty one is its rule."""
    long = "\U0001f41e" + "x" * 600
    found = make(
        task(problem("One\n  two", 1), problem(long, 2), problem(" ", 3), problem("", 4, rule=None))
    ).annotations
    assert [one.summary for one in found[:1] + found[2:]] == ["One two", "TS2322", "tsc"]
    assert found[0].details.endswith("Task cart:build\nOne\n  two")
    assert found[1].summary == "\U0001f41e" + "x" * 447 + "…"
    assert found[1].details.endswith(long)
    (bare,) = make(task(problem("", rule=None, tool=""))).annotations
    assert (bare.summary, bare.details) == ("Problem", "Task cart:build")


def test_many_tasks() -> None:
    """Ten tasks are named, the others counted."""
    (only,) = make(*(task(problem(), name=f"p{number:02}:test") for number in range(12))).annotations
    assert only.details.endswith("p08:test, p09:test and 2 more")


def test_links() -> None:
    """An annotation leads to the log of the first of its tasks that has an address, by https alone."""
    links = {"a:a": None, "b:b": "https://ci.example/report.html#task=b:b", "c:c": "javascript:alert(1)"}
    tasks = [task(problem(), name="a:a"), task(problem(), problem("other", 9), name="b:b")]
    tasks += [task(problem("third", 10), name="c:c")]
    found = annotate(tasks, locate, "key", links.get).annotations
    assert [one.link for one in found] == [links["b:b"], links["b:b"], None]


TEXTS = st.text(max_size=5) | st.text("x\n ", min_size=440, max_size=2100) | st.sampled_from(["e", "E", "e ", " e"])
PROBLEMS = st.builds(
    Problem,
    st.sampled_from(["a.ts", "b/c.ts", "/d"]) | st.text(max_size=3),
    st.none() | st.integers(-1, 3) | st.integers(),
    st.none() | st.integers(0, 3),
    st.sampled_from(Severity),
    TEXTS,
    st.none() | TEXTS,
    TEXTS,
)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.builds(lambda found, failed: task(*found, failed=failed), st.lists(PROBLEMS), st.booleans())))
def test_whatever_is_found(tasks: list[Task]) -> None:
    """Whatever tools print, each annotation is within Bitbucket's limits, and no id is there twice."""
    made = make(*tasks)
    assert len({one.id for one in made.annotations}) == len(made.annotations)
    for one in made.annotations:
        assert 0 < len(one.summary.encode("utf-16-le", "replace")) <= 900
        assert one.summary.strip()
        assert len(one.details.encode("utf-16-le", "replace")) <= 4000
        assert one.line is None or one.line >= 1
    assert make(*tasks, *tasks) == made
