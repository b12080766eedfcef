"""The clone directory, with files that an attacker or an accident put there, and what git wrote."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - pytest reads the annotations of fixtures

import pytest

from pipe.checkout import Checkout, Unreadable
from test.conftest_tools import need


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that stands for the clone directory, with a secret beside it."""
    (tmp_path / "secret").write_text("token")
    clone = tmp_path / "clone"
    clone.mkdir()
    return clone


def git(folder: Path, *words: str) -> str:
    """Run git and return what it prints."""
    need("git")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_reads_a_file(clone: Path) -> None:
    """A regular file is read whole, by its ends, and by its lines, of long ones both ends."""
    (clone / "a.log").write_bytes(b"0123456789")
    checkout = Checkout(str(clone))
    assert checkout.read("a.log", 10) == b"0123456789"
    (clone / "b.log").write_bytes(b"one\n" + b"x" * 100 + b"two\n\nthree")
    assert list(checkout.lines("b.log", 8)) == [
        (b"one\n", 0, b""),
        (b"xxxx", 96, b"two\n"),
        (b"\n", 0, b""),
        (b"three", 0, b""),
    ]
    assert checkout.ends("a.log", 4) == (b"01", 6, b"89")
    assert checkout.ends("a.log", 10) == (b"0123456789", 0, b"")


def test_link_out_of_the_clone(clone: Path) -> None:
    """A symbolic link that leads out of the clone is not followed, neither as a file nor as a folder on the way."""
    (clone / "a.log").symlink_to("../secret")
    (clone / "up").symlink_to("..")
    checkout = Checkout(str(clone))
    for path in ("a.log", "up/secret", "../secret", str(clone.parent / "secret")):
        with pytest.raises(Unreadable, match="outside the clone"):
            checkout.open(path)


def test_link_inside_the_clone(clone: Path) -> None:
    """A symbolic link inside the clone is a file like any other."""
    (clone / "a.log").write_text("x")
    (clone / "b.log").symlink_to("a.log")
    assert Checkout(str(clone)).read("b.log", 10) == b"x"


def test_no_regular_file(clone: Path) -> None:
    """A FIFO, a folder and a missing file are each said, and none holds the pipe up."""
    os.mkfifo(clone / "fifo")
    (clone / "folder").mkdir()
    checkout = Checkout(str(clone))
    for path, why in (("fifo", "regular"), ("folder", "regular"), ("missing", "no such file")):
        with pytest.raises(Unreadable, match=why):
            checkout.open(path)


def test_too_large(clone: Path) -> None:
    """A file beyond the limit is not read into memory."""
    with (clone / "run.json").open("wb") as file:
        file.truncate(3 << 20)
    with pytest.raises(Unreadable, match="larger than 2 MB"):
        Checkout(str(clone)).read("run.json", 2 << 20)


def test_find(clone: Path) -> None:
    """A glob is looked for in each base until one has files; `**` leaves Pipelines' own folder out."""
    for name in ("sub/x/a.log", "sub/b.log", "b.log", ".bitbucket/c.log"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).touch()
    checkout = Checkout(str(clone))
    sub = str(clone / "sub")
    assert checkout.find("*.log", (sub, checkout.root)) == [f"{sub}/b.log"]
    assert checkout.find("**/*.log", (sub,)) == [f"{sub}/b.log", f"{sub}/x/a.log"]
    assert checkout.find("b.log", (str(clone / "none"), checkout.root)) == [f"{clone}/b.log"]
    assert checkout.find("**/c.log", (checkout.root,)) == []


def test_clone_time_survives_git_config(clone: Path) -> None:
    """The clone's moment is when git first wrote its folder, whatever a script does to git's settings later."""
    git(clone, "init")
    moment = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
    os.utime(clone / ".git/description", (moment.timestamp(), moment.timestamp()))
    git(clone, "config", "user.name", "somebody")
    git(clone, "commit", "--allow-empty", "-m", "x")
    assert Checkout(str(clone)).cloned() == moment


def test_clone_time_unknown(clone: Path) -> None:
    """Without a .git the moment is not known."""
    assert Checkout(str(clone)).cloned() is None


@pytest.fixture
def repository(clone: Path) -> tuple[Path, str, str]:
    """A clone as a pull request pipeline makes it: HEAD is a merge, the commit is its parent and no ref's."""
    git(clone, "init", "-b", "main")
    git(clone, "commit", "--allow-empty", "-m", "one")
    git(clone, "checkout", "-b", "feature")
    git(clone, "commit", "--allow-empty", "-m", "two")
    commit = git(clone, "rev-parse", "HEAD")
    git(clone, "checkout", "main")
    git(clone, "commit", "--allow-empty", "-m", "three")
    git(clone, "merge", "--no-ff", "feature", "-m", "merge")
    git(clone, "branch", "-D", "feature")
    for log in (clone / ".git/logs").rglob("*"):
        if log.is_file():
            log.unlink()
    for name in ("ORIG_HEAD", "FETCH_HEAD"):
        (clone / ".git" / name).unlink(missing_ok=True)
    return clone, commit, git(clone, "rev-parse", "HEAD")


def test_what_a_merge_has_merged(repository: tuple[Path, str, str]) -> None:
    """Of a merge that was made in the clone it is known what was merged; of any other commit there is nothing."""
    clone, commit, merge = repository
    checkout = Checkout(str(clone))
    assert checkout.merged(merge) == commit
    assert checkout.merged(commit) is None
    assert checkout.merged("0" * 40) is None
    assert checkout.merged("x") is None
    git(clone, "gc", "--prune=now")
    assert checkout.merged(merge) is None


def test_clone_that_is_used_again(clone: Path) -> None:
    """A workspace that is kept from build to build was last fetched into for this one."""
    git(clone, "init", "-b", "main")
    git(clone, "commit", "--allow-empty", "-m", "one")
    checkout = Checkout(str(clone))
    assert checkout.cloned(fresh=False) == checkout.cloned()
    git(clone, "fetch", ".")
    os.utime(clone / ".git/FETCH_HEAD", (2_000_000_000, 2_000_000_000))
    assert checkout.cloned(fresh=False) == datetime.fromtimestamp(2_000_000_000, UTC)
    assert checkout.cloned() != checkout.cloned(fresh=False)


def test_what_the_clone_holds(repository: tuple[Path, str, str]) -> None:
    """A commit of the clone is known by its whole hash and by an abbreviated one, and no other commit is."""
    clone, commit, _ = repository
    checkout = Checkout(str(clone))
    assert checkout.holds(commit)
    assert checkout.holds(commit[:12])
    other = ("0" if commit[-1] != "0" else "1").join((commit[:-1], ""))
    assert not checkout.holds(other)
    assert not checkout.holds("0123456789abcdef0123456789abcdef01234567")


def test_full_hash_of_a_loose_object(repository: tuple[Path, str, str]) -> None:
    """A commit that no ref names is found among the loose objects."""
    clone, commit, head = repository
    checkout = Checkout(str(clone))
    assert checkout.full_hash(commit[:12]) == commit
    assert checkout.full_hash(head[:7]) == head
    assert checkout.full_hash(commit) == commit


def test_full_hash_in_a_pack(repository: tuple[Path, str, str]) -> None:
    """After a gc it is found in the pack's index, and a ref in the packed refs."""
    clone, commit, head = repository
    git(clone, "gc", "--quiet")
    assert not list((clone / ".git/objects" / commit[:2]).glob("*"))
    assert Checkout(str(clone)).full_hash(commit[:12]) == commit
    assert Checkout(str(clone)).full_hash(head[:12]) == head


def test_full_hash_in_a_shallow_clone(repository: tuple[Path, str, str], tmp_path: Path) -> None:
    """In a shallow clone of one commit it is found too."""
    clone, _, head = repository
    git(tmp_path, "clone", "--depth", "1", f"file://{clone}", "shallow")
    assert Checkout(str(tmp_path / "shallow")).full_hash(head[:12]) == head


def test_full_hash_unknown(repository: tuple[Path, str, str], tmp_path: Path) -> None:
    """A hash that the clone does not hold, or no clone at all, gives none."""
    assert Checkout(str(repository[0])).full_hash("000000000000") is None
    assert Checkout(str(tmp_path)).full_hash("1f3c9ab02d41") is None


def test_full_hash_of_a_tree_is_none(repository: tuple[Path, str, str]) -> None:
    """A loose object that is no commit does not count."""
    clone, _, head = repository
    tree = git(clone, "rev-parse", f"{head}^{{tree}}")
    assert Checkout(str(clone)).full_hash(tree[:12]) is None


def test_keeps_a_file(clone: Path) -> None:
    """What is kept lies behind a .gitignore of `*` that is there first, and an existing .gitignore stays."""
    git(clone, "init")
    checkout = Checkout(str(clone))
    checkout.keep(".nx-report/comment.md", "one")
    checkout.keep(".nx-report/comment.md", "two")
    assert (clone / ".nx-report/comment.md").read_text() == "two"
    assert (clone / ".nx-report/.gitignore").read_text() == "*\n"
    assert git(clone, "status", "--porcelain") == ""
    assert sorted(path.name for path in (clone / ".nx-report").iterdir()) == [".gitignore", "comment.md"]


@pytest.mark.parametrize("target", ["..", "."])
def test_keeps_nothing_through_a_link(clone: Path, target: str) -> None:
    """A folder that the checkout made a link of is not written through."""
    (clone / ".nx-report").symlink_to(target)
    with pytest.raises(OSError, match=r".+"):
        Checkout(str(clone)).keep(".nx-report/comment.md", "one")
    assert not (clone.parent / "comment.md").exists()
    assert not (clone / "comment.md").exists()


def test_replaces_a_link_in_place_of_the_file(clone: Path) -> None:
    """A link where the file should be is replaced, and what it led to stays as it was."""
    (clone / ".nx-report").mkdir()
    (clone / ".nx-report/comment.md").symlink_to("../../secret")
    Checkout(str(clone)).keep(".nx-report/comment.md", "one")
    assert (clone.parent / "secret").read_text() == "token"
    assert (clone / ".nx-report/comment.md").read_text() == "one"
