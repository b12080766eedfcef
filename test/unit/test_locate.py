"""Which file of the clone a printed path means, with paths and files that an attacker or an accident made."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path  # noqa: TC003 - pytest reads the annotations of fixtures

import pytest

from pipe import locate
from pipe.checkout import Checkout
from pipe.locate import Locator
from pipe.tracked import Tracked
from test.conftest_tools import need

FILES = (
    "packages/cart/src/index.ts",
    "packages/cart/src/my file.ts",
    "packages/cart/src/App.vue",
    "packages/cart/src/Checkout/Form.tsx",
    "packages/cart/internal/money/round.go",
    "packages/cart/dist/built.js",
    "packages/cart/node_modules/left/index.js",
    "packages/cart/node_modules/left/left.js",
    "packages/web/src/index.ts",
    "packages/web/src/routes/index.ts",
    "packages/web/test/routes/index.ts",
    "crates/Cargo.toml",
    "crates/core/src/lib.rs",
    "src/index.ts",
    "tools/check.py",
    "round.go",
    ".git/config",
    ".nx-report/outputs.env",
    ".bitbucket/pipelines/log",
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone directory with the files of a workspace, and a secret beside it."""
    (tmp_path / "secret.ts").write_text("token\n")
    clone = tmp_path / "clone"
    for name in FILES:
        path = clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("one\ntwo\n")
    return clone


@pytest.fixture
def locator(clone: Path) -> Locator:
    """A locator of the clone, which is the workspace too."""
    return Locator(Checkout(str(clone)))


@pytest.mark.parametrize(
    ("path", "project", "found"),
    [
        # From the workspace, from the project, and from a folder between both.
        ("packages/cart/src/index.ts", "packages/cart", "packages/cart/src/index.ts"),
        ("./packages/cart/src/index.ts", "packages/cart", "packages/cart/src/index.ts"),
        ("src/App.vue", "packages/cart", "packages/cart/src/App.vue"),
        ("core/src/lib.rs", "crates/core", "crates/core/src/lib.rs"),
        ("src/index.ts", "packages/cart", "packages/cart/src/index.ts"),
        ("src/index.ts", ".", "src/index.ts"),
        ("tools/check.py", "packages/cart", "tools/check.py"),
        ("../web/src/index.ts", "packages/cart", "packages/web/src/index.ts"),
        ("packages/cart/../web/./src//index.ts", "packages/cart", "packages/web/src/index.ts"),
        # By its end alone, where one file fits.
        ("round.go", "packages/cart", "packages/cart/internal/money/round.go"),
        ("./round.go", "packages/cart", "packages/cart/internal/money/round.go"),
        ("money/round.go", "packages/cart", "packages/cart/internal/money/round.go"),
        ("Form.tsx", None, "packages/cart/src/Checkout/Form.tsx"),
        ("routes/index.ts", "packages/web", None),
        ("index.ts", "packages/web", None),
        ("ound.go", "packages/cart", None),
        ("round.go", "packages/web", "round.go"),
        # Without a project, where one file of all fits.
        ("src/index.ts", None, None),
        ("packages/web/src/index.ts", None, "packages/web/src/index.ts"),
        ("cart/src/index.ts", None, "packages/cart/src/index.ts"),
        ("./src/App.vue", None, "packages/cart/src/App.vue"),
        ("core/src/lib.rs", None, "crates/core/src/lib.rs"),
        ("packages/cart/dist/built.js", None, "packages/cart/dist/built.js"),
        ("round.go", None, None),
        ("check.py", None, "tools/check.py"),
        ("../secret.ts", None, None),
        # What is built is found by a whole path, and not looked through.
        ("dist/built.js", "packages/cart", "packages/cart/dist/built.js"),
        ("built.js", "packages/cart", None),
        # Bundlers and runtimes.
        ("webpack:///./src/App.vue", "packages/cart", "packages/cart/src/App.vue"),
        ("webpack://shop/./src/App.vue", "packages/cart", "packages/cart/src/App.vue"),
        ("webpack-internal:///(rsc)/./src/App.vue", "packages/cart", "packages/cart/src/App.vue"),
        ("src/App.vue?vue&type=script&lang.ts", "packages/cart", "packages/cart/src/App.vue"),
        ("src/my file.ts", "packages/cart", "packages/cart/src/my file.ts"),
        # Nothing.
        ("src/missing.ts", "packages/cart", None),
        ("src", "packages/cart", None),
        ("packages/cart", "packages/cart", None),
        (".", "packages/cart", None),
        ("..", "packages/cart", None),
        ("", "packages/cart", None),
        ("?", "packages/cart", None),
        ("file://", "packages/cart", None),
        ("webpack:///", "packages/cart", None),
        ("node:internal/modules/cjs/loader", "packages/cart", None),
        # Not of the repository.
        ("node_modules/left/index.js", "packages/cart", None),
        ("left.js", "packages/cart", None),
        (".git/config", None, None),
        (".nx-report/outputs.env", None, None),
        ("outputs.env", None, None),
        (".bitbucket/pipelines/log", None, None),
    ],
)
def test_relative_paths(locator: Locator, path: str, project: str | None, found: str | None) -> None:
    """A relative path is tried from the project's folder upwards, then by its end below it."""
    assert locator(path, project) == found


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("{clone}/packages/cart/src/index.ts", "packages/cart/src/index.ts"),
        ("{clone}/packages/web/../cart/src/index.ts", "packages/cart/src/index.ts"),
        ("file://{clone}/packages/cart/src/my%20file.ts", "packages/cart/src/my file.ts"),
        ("/@fs{clone}/packages/cart/src/App.vue", "packages/cart/src/App.vue"),
        ("{clone}/src/missing.ts", None),
        # The clone was elsewhere.
        ("/opt/atlassian/pipelines/agent/build/packages/cart/src/index.ts", "packages/cart/src/index.ts"),
        ("/opt/atlassian/pipelines/agent/build/index.ts", None),
        ("/home/ada/shop/packages/cart/src/index.ts", "packages/cart/src/index.ts"),
        ("/home/ada/shop/packages/web/src/index.ts", "packages/web/src/index.ts"),
        ("/packages/cart/src/App.vue", "packages/cart/src/App.vue"),
        ("/home/ada/shop/src/index.ts", None),
        ("/home/ada/shop/node_modules/x/packages/cart/src/index.ts", None),
        # Somewhere else.
        ("{clone}/../secret.ts", None),
        ("{clone}x/packages/cart/missing.ts", None),
        ("/etc/passwd", None),
        ("/", None),
        ("//", None),
    ],
)
def test_absolute_paths(clone: Path, locator: Locator, path: str, found: str | None) -> None:
    """An absolute path counts inside this clone, and of another clone where it names the same folders."""
    assert locator(path.format(clone=clone), "packages/cart") == found


def test_workspace_below_the_clone(clone: Path) -> None:
    """Where the workspace is a folder of the repository, paths begin there, and the answer at the repository's."""
    (clone / "web/libs/ui").mkdir(parents=True)
    (clone / "web/libs/ui/button.ts").write_text("")
    for workspace in ("web", str(clone / "web")):
        locator = Locator(Checkout(str(clone)), workspace)
        assert locator("button.ts", "libs/ui") == "web/libs/ui/button.ts"
        assert locator("libs/ui/button.ts", "libs/ui") == "web/libs/ui/button.ts"
        assert locator("web/libs/ui/button.ts", "libs/ui") == "web/libs/ui/button.ts"
        assert locator("/home/ada/shop/web/libs/ui/button.ts", "libs/ui") == "web/libs/ui/button.ts"


def test_paths_that_lead_out(clone: Path, locator: Locator) -> None:
    """Neither `..`, nor a link to a file, a folder or a project's folder outside leads out of the clone."""
    (clone / "packages/cart/link.ts").symlink_to("../../../secret.ts")
    (clone / "packages/cart/up").symlink_to("../../..")
    (clone / "away").symlink_to("..")
    for path in ("../../../secret.ts", "link.ts", "up/secret.ts", "secret.ts", "../../../clone/../secret.ts"):
        assert locator(path, "packages/cart") is None
    for project in ("away", "..", "../..", str(clone.parent)):
        assert locator("secret.ts", project) is None
    assert locator("up/clone/tools/check.py", "packages/cart") == "tools/check.py"


def test_links_inside(clone: Path, locator: Locator) -> None:
    """A file that is reached through a link is named as the repository has it: npm links workspaces so."""
    (clone / "node_modules/@acme").mkdir(parents=True)
    (clone / "node_modules/@acme/cart").symlink_to("../../packages/cart")
    assert locator("node_modules/@acme/cart/src/index.ts", ".") == "packages/cart/src/index.ts"


@pytest.mark.parametrize(
    "path",
    [
        "a\0b.ts",
        "\0",
        "file:///%00",
        "\ud800.ts",
        "a" * 300,
        "a" * 10_000,
        "a/" * 5_000 + "b",
        "../" * 3_000 + "etc/passwd",
        "/x" * 3_000 + "/packages/cart/src/index.ts",
        "packages/cart/src/index.ts\n",
        "\x1b[31mpackages/cart/src/index.ts",
        "webpack:" + "/" * 10_000,
        "(" * 10_000,
    ],
)
def test_hostile_paths(locator: Locator, path: str) -> None:
    """A path that can be none is none, whatever it is made of."""
    assert locator(path, "packages/cart") is None
    assert locator("secret.ts", path) is None


def test_no_regular_file(clone: Path, locator: Locator) -> None:
    """A FIFO is not opened, and a file whose folder has a name that nobody prints is not named."""
    os.mkfifo(clone / "packages/cart/pipe.ts")
    assert locator("pipe.ts", "packages/cart", 5) is None
    for name in (b"packages/cart/\xff", "packages/cart/\u202e".encode()):
        os.mkdir(os.fsencode(clone) + b"/" + name)  # noqa: PTH102
        os.close(os.open(os.fsencode(clone) + b"/" + name + b"/odd.ts", os.O_CREAT))
        assert locator("odd.ts", "packages/cart") is None


@pytest.mark.parametrize(("line", "there"), [(None, True), (1, True), (2, True), (3, True), (4, False), (10**9, False)])
def test_lines(locator: Locator, line: int | None, there: bool) -> None:  # noqa: FBT001
    """A line beyond the end is in no file of ours; the end of a file counts as a line, where a brace is missing."""
    assert (locator("tools/check.py", None, line) is not None) is there


def test_line_of_an_empty_file(clone: Path, locator: Locator) -> None:
    """An empty file has a first line."""
    (clone / "empty.ts").write_text("")
    assert locator("empty.ts", None, 1) == "empty.ts"
    assert locator("empty.ts", None, 2) is None


def test_bounds(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a folder with too many entries no bare name is told, and of a file that is too long any line is believed."""
    monkeypatch.setattr(locate, "_ENTRIES", 10)
    monkeypatch.setattr(locate, "_FILE", 4)
    locator = Locator(Checkout(str(clone)))
    assert locator("round.go", "packages/cart/internal") == "packages/cart/internal/money/round.go"
    assert locator("Form.tsx", "packages") is None
    assert locator("tools/check.py", None, 99) == "tools/check.py"
    monkeypatch.setattr(locate, "_PATHS", 3)
    assert locator("src/index.ts", None) is None
    assert locator("tools/check.py", None) == "tools/check.py"


def test_bounds_of_all_together(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All folders together are looked through no further than a bound, and all files read no further than another."""
    monkeypatch.setattr(locate, "_ALL_ENTRIES", 4)
    monkeypatch.setattr(locate, "_ALL_FILES", 10)
    locator = Locator(Checkout(str(clone)))
    assert locator("lib.rs", "crates/core") == "crates/core/src/lib.rs"
    assert locator("round.go", "packages/cart/internal") == "packages/cart/internal/money/round.go"
    assert locator("check.py", "tools") == "tools/check.py"
    assert locator("App.vue", "packages/cart") is None
    assert locator("src/index.ts", ".", 9) is None
    assert locator("tools/check.py", ".", 9) == "tools/check.py"


def test_a_file_is_read_once(clone: Path, locator: Locator) -> None:
    """Where a path leads and how long the file is does not change while one report is made."""
    assert locator("tools/check.py", None, 3)
    (clone / "tools/check.py").write_text("")
    assert locator("tools/check.py", None, 3)
    assert re.fullmatch("[a-z/.]+", locator("tools/check.py", None) or "")


# --- git's index ------------------------------------------------------------------------------------------------------


def git(clone: Path, *words: str) -> None:
    """Run git in the clone."""
    need("git")
    subprocess.run(["git", *words], cwd=clone, check=True, capture_output=True)


@pytest.fixture
def repository(clone: Path) -> Path:
    """The clone, as a repository that has some of the files."""
    (clone / ".git/config").unlink()
    git(clone, "init")
    os.makedirs(clone / "packages/cart/src/generated")  # noqa: PTH103
    for name in ("packages/cart/src/generated/api.ts", "packages/cart/src/generated/Form.tsx", "untracked.ts"):
        (clone / name).write_text("one\n")
    (clone / "ünïcode.ts").write_text("one\n")
    git(clone, "add", "packages/cart/src/index.ts", "packages/cart/src/Checkout", "src", "tools", "ünïcode.ts")
    return clone


def test_only_files_of_the_repository(repository: Path) -> None:
    """A file that git does not have is generated, and no place for a remark; of two that fit, git's is meant."""
    locator = Locator(Checkout(str(repository)))
    assert locator("src/index.ts", "packages/cart") == "packages/cart/src/index.ts"
    assert locator("ünïcode.ts", None) == "ünïcode.ts"
    assert locator("Form.tsx", "packages/cart") == "packages/cart/src/Checkout/Form.tsx"
    assert locator("src/generated/api.ts", "packages/cart") is None
    assert locator("untracked.ts", None) is None
    assert locator("src/App.vue", "packages/cart") is None


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
@pytest.mark.parametrize("words", [[], ["--index-version", "4"], ["--assume-unchanged", "tools/check.py"]])
@pytest.mark.parametrize("more", [[], ["untracked.ts"]])
def test_kinds_of_index(clone: Path, kind: str, words: list[str], more: list[str]) -> None:
    """The names are found in whatever index git writes; what is yet to be added is not there (and makes version 3)."""
    (clone / ".git/config").unlink()
    git(clone, "init", f"--object-format={kind}")
    (clone / "untracked.ts").write_text("one\n")
    git(clone, "add", "tools", "packages/web", "src/index.ts")
    if more:
        git(clone, "add", "--intent-to-add", *more)
    if words:
        git(clone, "update-index", *words)
    tracked = Tracked(Checkout(str(clone)))
    names = ["packages/web/src/index.ts", "packages/web/src/routes/index.ts", "src/index.ts", "tools/check.py"]
    assert all(name in tracked for name in names)
    for name in ("check.py", "tools", "tools/check.p", "index.ts", "untracked.ts", "packages/web", "src/index.tsx"):
        assert name not in tracked
    version = 4 if "--index-version" in words else 3 if more else 2
    assert (clone / ".git/index").read_bytes()[7] == version


def test_an_index_that_cannot_be_read(clone: Path) -> None:
    """Without an index, with one of another kind, cut or empty, or with a link in its place, every name is believed."""
    assert "any.ts" in Tracked(Checkout(str(clone)))
    index = clone / ".git/index"
    entry = bytes(60) + b"\0\x03a.x\0"
    head = b"DIRC\0\0\0"
    for content in (
        b"",
        b"DIRC",
        head + b"\x09\0\0\0\x01" + entry,
        b"x" * 100,
        head + b"\x02\0\0\0\x01" + b"\x01" * 200,
        head + b"\x02\0\0\0\x01" + entry[:-1],
        head + b"\x02\xff\xff\xff\xff" + entry,
        head + b"\x04\0\0\0\x01" + b"\x80" * 200,
    ):
        index.write_bytes(content)
        assert "any.ts" in Tracked(Checkout(str(clone)))
    index.write_bytes(head + b"\x02\0\0\0\x01" + entry)
    assert "any.ts" not in Tracked(Checkout(str(clone)))
    assert "a.x" in Tracked(Checkout(str(clone)))
    index.unlink()
    index.symlink_to("../../secret.ts")
    assert "any.ts" in Tracked(Checkout(str(clone)))


def test_a_name_of_any_length(clone: Path) -> None:
    """The longest names are found too: an entry has no room for their length."""
    name = "d" * 5000 + "/a.ts"
    entries = bytes(60) + b"\x0f\xff" + name.encode() + b"\0" * (8 - (62 + len(name)) % 8)
    entries += bytes(60) + b"\0\x03b.x" + b"\0" * 7
    (clone / ".git/index").write_bytes(b"DIRC\0\0\0\x02\0\0\0\x02" + entries)
    tracked = Tracked(Checkout(str(clone)))
    assert name in tracked
    assert "b.x" in tracked
    assert name[:-1] not in tracked
