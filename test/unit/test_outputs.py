"""The output variables: what they say, and that nothing in them makes another."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path  # noqa: TC003 - pytest reads the annotations of fixtures

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipe.checkout import Unreadable
from pipe.insights import Answer, Summary
from pipe.model import Task, TaskStatus
from pipe.outputs import append, outputs, shell

HOSTILE = 'a\nNX_REPORT_RESULT=succeeded\r\nb\u2028c\x85d\x00e\'; touch /tmp/x; echo "$(id)" `id` \\ \x1b[31m\u202e'


def test_what_is_said() -> None:
    """The result in one word, counts, seconds and the links; what is not known is empty."""
    failed = (Task("cart:test", TaskStatus.FAILURE),)
    summary = Summary(
        Answer.TASKS_FAILED, (), failed, flaky=("a:b",), not_run=("c:d", "e:f"), total=41, cached=38, seconds=243.0
    )
    links = {"COMMENT": "https://bitbucket.org/acme/shop/pull-requests/17#comment-1", "PAGE": None}
    assert shell(outputs(summary, links)) == (
        "NX_REPORT_RESULT='tasks-failed'\n"
        "NX_REPORT_TASKS='41'\n"
        "NX_REPORT_FAILED='1'\n"
        "NX_REPORT_CACHED='38'\n"
        "NX_REPORT_NOT_RUN='2'\n"
        "NX_REPORT_FLAKY='1'\n"
        "NX_REPORT_SECONDS='243.000'\n"
        "NX_REPORT_COMMENT_URL='https://bitbucket.org/acme/shop/pull-requests/17#comment-1'\n"
        "NX_REPORT_PAGE_URL=''\n"
    )
    assert outputs(Summary(Answer.NOTHING_RAN, ()), {})["NX_REPORT_SECONDS"] == ""


@pytest.mark.parametrize("answer", Answer)
def test_each_result_is_one_word(answer: Answer) -> None:
    """Every result can be compared in a shell without quotes."""
    word = outputs(Summary(answer, ()), {})["NX_REPORT_RESULT"]
    assert word.replace("-", "").isalpha()
    assert word.islower()


@given(st.text() | st.just(HOSTILE))
def test_a_value_is_one_line(text: str) -> None:
    """Whatever a value holds, it is one line, and the file has one line for each variable."""
    values = outputs(Summary(Answer.SUCCEEDED, ()), {"PAGE": text})
    assert len(values["NX_REPORT_PAGE_URL"].splitlines()) <= 1
    assert len(shell(values).splitlines()) == len(values)


def test_a_shell_reads_what_was_meant(tmp_path: Path) -> None:
    """Quotes, substitutions and line ends of a value are text to a shell that sources the file."""
    values = outputs(Summary(Answer.TASKS_FAILED, ()), {"PAGE": HOSTILE})
    file = tmp_path / "outputs.env"
    file.write_text(shell(values))
    script = f'set -eu; . {file}; printf "%s|%s" "$NX_REPORT_RESULT" "$NX_REPORT_PAGE_URL"'
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={}).stdout
    assert said == f"tasks-failed|{values['NX_REPORT_PAGE_URL']}"
    assert values["NX_REPORT_PAGE_URL"].startswith("a NX_REPORT_RESULT=succeeded b c d e'; touch")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "A=1\nB=x y\n"),
        ("", "A=1\nB=x y\n"),
        ("OLD=1\n", "OLD=1\nA=1\nB=x y\n"),
        ("OLD=1", "OLD=1\nA=1\nB=x y\n"),
    ],
)
def test_the_file_of_pipelines_is_added_to(tmp_path: Path, before: str | None, after: str) -> None:
    """What is there stays, each variable is a line of its own, and a file that is not there is made."""
    file = tmp_path / "variables"
    if before is not None:
        file.write_text(before)
    append(str(file), {"A": "1", "B": "x\ny"})
    assert file.read_text() == after


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A link, also one to nowhere, a FIFO, a folder and a missing folder are said and left as they are."""
    (tmp_path / "target").write_text("x\n")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "loose").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "loose", "fifo", ".", "missing/variables", "\0"):
        with pytest.raises(Unreadable):
            append(str(tmp_path / name), {"A": "1"})
    assert (tmp_path / "target").read_text() == "x\n"
    assert not (tmp_path / "nowhere").exists()
