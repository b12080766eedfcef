"""The image does its work as Bitbucket Pipelines runs it, whatever the user, the folder and the files in the clone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from test.acceptance import container
from test.conftest_tools import need
from test.workspaces import lay_out, variables

if TYPE_CHECKING:
    from pathlib import Path

    from test.sandbox import Sandbox

VERSION = "24.0.6"
ANYBODY = "--user=12345:12345"


@pytest.fixture(scope="session", autouse=True)
def _image() -> None:
    """Build the image once."""
    need("engine")
    container.build()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Lay out a clone directory after a run with one failing task."""
    return lay_out(tmp_path / "build", VERSION)


def token(sandbox: Sandbox) -> dict[str, str]:
    """Give the entry's own variables: where Bitbucket is, and the token for it."""
    return {"BITBUCKET_API_URL": sandbox.url, "BITBUCKET_ACCESS_TOKEN": sandbox.access_token.token}


def states(sandbox: Sandbox) -> list[str]:
    """List the states of the head's build statuses."""
    return [status.state for status in sandbox.repository.statuses_of_pull_request(sandbox.pull_request)]


def assert_reported(sandbox: Sandbox, ran: container.Ran) -> None:
    """Check that the pull request has one comment that names the failed task, and one failed build status."""
    assert ran.code == 0, ran.output
    (comment,) = sandbox.pull_request.visible_comments
    assert "1 of 15 tasks failed" in comment.raw
    assert "`cart:test`" in comment.raw
    assert states(sandbox) == ["FAILED"], ran.output


def test_reports_with_the_variables_of_a_plain_step(sandbox: Sandbox, clone: Path) -> None:
    """With every variable that Pipelines documents, comment and build status are written."""
    assert_reported(sandbox, container.pipe(clone, variables(clone, token(sandbox))))


def test_reports_with_the_fewest_variables_and_the_recipe(sandbox: Sandbox, clone: Path) -> None:
    """The variables known to reach every pipe are enough where the entry passes the others, as the README's does."""
    recipe = {"BITBUCKET_PR_ID": "17", "BITBUCKET_EXIT_CODE": "1"}
    assert_reported(sandbox, container.pipe(clone, variables(clone, recipe | token(sandbox), short=True)))


def test_without_a_pull_request_id_the_build_status_is_written(sandbox: Sandbox, clone: Path) -> None:
    """Where no pull request id arrives, the log names the setting that helps and the build status is written."""
    ran = container.pipe(clone, variables(clone, token(sandbox), short=True))
    assert ran.code == 0, ran.output
    assert "PULL_REQUEST_ID" in ran.output
    assert sandbox.pull_request.visible_comments == []
    assert states(sandbox) == ["FAILED"]


@pytest.mark.parametrize("options", [(ANYBODY,), ("--read-only",), (ANYBODY, "--read-only")], ids=" ".join)
def test_any_user_and_a_read_only_root(sandbox: Sandbox, clone: Path, options: tuple[str, ...]) -> None:
    """Neither an unknown user nor a read-only root file system changes what is reported."""
    assert_reported(sandbox, container.pipe(clone, variables(clone, token(sandbox)), *options))


def test_any_working_directory_inside_the_clone(sandbox: Sandbox, clone: Path) -> None:
    """A script that went into a project's folder gets the same report."""
    assert_reported(
        sandbox, container.pipe(clone, variables(clone, token(sandbox)), workdir=clone / "packages" / "cart")
    )


def test_nothing_is_imported_from_the_clone(sandbox: Sandbox, clone: Path) -> None:
    """Modules in the working directory, and Python's own variables that point there, are never run."""
    names = (
        "pipe/__init__.py", "pipe/__main__.py", "pipe/app.py", "requests.py", "json.py", "re.py", "runpy.py",
        "encodings.py", "bitbucket_pipes_toolkit.py", "sitecustomize.py", "usercustomize.py", "startup.py",
        ".local/lib/python3.13/site-packages/usercustomize.py",
    )  # fmt: skip
    for name in names:
        path = clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"open({str(clone / 'hijacked')!r}, 'a').write({name!r})\n")
    hostile = {
        "HOME": str(clone),
        "PYTHONPATH": str(clone),
        "PYTHONUSERBASE": str(clone / ".local"),
        "PYTHONSTARTUP": str(clone / "startup.py"),
        "PYTHONINSPECT": "",
    }
    ran = container.pipe(clone, variables(clone, hostile | token(sandbox)))
    assert not (clone / "hijacked").exists(), (clone / "hijacked").read_text()
    assert_reported(sandbox, ran)


def test_what_is_written_belongs_to_the_owner_of_its_folder(sandbox: Sandbox, clone: Path) -> None:
    """Files that root's pipe leaves in somebody's clone are that somebody's, who can delete them."""
    hand_over = "import os, sys\nfor folder, _, names in os.walk(sys.argv[1]):\n"
    hand_over += "  for name in ['', *names]: os.chown(os.path.join(folder, name), 12345, 12345)"
    assert container.pipe(clone, {}, arguments=("-c", hand_over, str(clone))).code == 0
    before = set(clone.rglob("*"))
    assert_reported(sandbox, container.pipe(clone, variables(clone, token(sandbox))))
    written = set(clone.rglob("*")) - before
    assert written, "nothing was written into the clone"
    assert {(path.stat().st_uid, path.stat().st_gid) for path in written} == {(12345, 12345)}


def test_a_clone_that_cannot_be_written_is_said_in_one_line(sandbox: Sandbox, clone: Path) -> None:
    """Where the user may not write, the report goes out all the same and one line says what is missing."""
    for path in (clone, *clone.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = set(clone.rglob("*"))
    ran = container.pipe(clone, variables(clone, token(sandbox)), ANYBODY)
    assert set(clone.rglob("*")) == before
    assert_reported(sandbox, ran)
    assert len(re.findall(r"^.*(?:cannot|could not) (?:be )?writ.*$", ran.output, re.MULTILINE)) == 1, ran.output


def test_a_large_log_takes_little_memory(sandbox: Sandbox, clone: Path) -> None:
    """A printed log of 60 MB is read within the 128 MB that Pipelines gives a container at the least."""
    log = clone / ".nx-report" / "nx.log"
    noise = b"GET /api/items?page=17 200 in 12 ms\n" * 30_000
    with log.open("ab") as file:
        for _ in range(60):
            file.write(noise)
    measure = (
        "import os, sys\n"
        "child = os.spawnv(os.P_NOWAIT, sys.executable, ['python3', '-I', '-m', 'pipe'])\n"
        "_, status, usage = os.wait4(child, 0)\n"
        "print(f'peak {usage.ru_maxrss} KB')\n"
        "sys.exit(os.waitstatus_to_exitcode(status))\n"
    )
    ran = container.pipe(clone, variables(clone, token(sandbox)), arguments=("-I", "-c", measure))
    assert_reported(sandbox, ran)
    peak = re.search(r"^peak (\d+) KB$", ran.output, re.MULTILINE)
    assert peak is not None
    assert int(peak[1]) < 128 * 1024


@pytest.mark.parametrize("name", ["gcc", "cc", "make", "ld", "git", "node", "pytest", "flask"])
def test_the_image_holds_no_tools(name: str) -> None:
    """No compiler, no git, nothing of the tests: what is not there can't be used against the token."""
    assert container.shell(f"command -v {name} || echo none") == "none\n"


def test_the_image_holds_the_program_alone() -> None:
    """Of this repository only the package, its licence, README and metadata are in the image."""
    listing = "import os, pipe; print(*os.listdir('/'), *os.listdir(os.path.dirname(os.path.dirname(pipe.__file__))))"
    shipped = set(container.python(listing).split())
    assert shipped & {path.name for path in container.ROOT.iterdir()} == {"LICENSE", "README.md", "pipe", "pipe.yml"}


def test_everything_that_runs_is_compiled() -> None:
    """No start has to compile a module, of the standard library or ours: on a read-only root each one would."""
    listing = "import os, sys, pipe.app; print(*(m.__name__ for m in sys.modules.values() if "
    listing += "getattr(m, '__cached__', None) and not os.path.exists(m.__cached__)))"
    assert container.python(listing).split() == []


def test_the_image_holds_the_locked_versions() -> None:
    """Exactly what requirements.txt names is installed, and nothing beside it."""
    # What another platform alone needs has its condition after the version.
    locked = re.findall(r"^(\S+==\S+) \\$", (container.ROOT / "requirements.txt").read_text(), re.MULTILINE)
    listing = "import importlib.metadata as m; print(*(f'{d.name.lower()}=={d.version}' for d in m.distributions()))"
    assert sorted(container.python(listing).split()) == sorted(locked)
