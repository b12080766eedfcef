"""What is common to the readers of tools' output, and the places that are found without knowing the tool."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipe.problems
from pipe.model import Problem, Severity
from pipe.problems import MOST, find
from pipe.terminal import plain

OUTPUTS = Path(__file__).parents[1] / "data" / "outputs"
LOUD = Path(__file__).parents[1] / "data" / "problems" / "loud"
ROOT = "/opt/atlassian/pipelines/agent/build/"
ERROR, WARNING = Severity.ERROR, Severity.WARNING

# What tools without a reader of their own printed about the files in test/data/outputs/sources: places read there.
GENERIC = {
    "cspell": [
        ("notes.txt", 1, 6, ERROR, "Unknown word (sentense)"),
        ("notes.txt", 1, 21, ERROR, "Unknown word (speling)"),
    ],
    "eslint8-visualstudio": [
        ("libs/legacy/lint/empty.js", 1, 38, ERROR, "Empty block statement."),
        ("libs/legacy/lint/pay.js", 1, 7, ERROR, "'fee' is assigned a value but never used."),
        ("libs/legacy/lint/pay.js", 2, 1, ERROR, "Function 'pay' has a complexity of 3. Maximum allowed is 2."),
        ("libs/legacy/lint/pay.js", 3, 9, ERROR, "'fee' is already declared in the upper scope"),
        ("libs/legacy/lint/pay.js", 4, 14, ERROR, "Expected '===' and instead saw '=='."),
        ("libs/legacy/lint/pay.js", 6, 10, ERROR, "'amuont' is not defined."),
    ],
    "gcc": [
        ("packages/c/main.c", 4, 15, WARNING, "initialization of ‘int’ from ‘char *’ makes integer from pointer"),
        ("packages/c/main.c", 5, 18, ERROR, "‘cuont’ undeclared (first use in this function)"),
        ("packages/c/main.c", 6, 11, ERROR, "expected ‘;’ before ‘}’ token"),
    ],
    "unseen/clang": [
        ("third/cpp/bad.cpp", 6, 38, ERROR, "no member named 'vta' in 'Row'"),
        ("third/cpp/bad.cpp", 7, 24, ERROR, "invalid operands to binary expression"),
        ("third/cpp/bad.cpp", 8, 10, ERROR, "use of undeclared identifier 'totl'"),
    ],
    "next-types": [("./app/page.tsx", 2, 9, ERROR, "Type 'string' is not assignable to type 'number'.")],
    "pyright": [
        ("tools/quality/py/rates.py", 2, 8, ERROR, 'Import "nosuchmodule" could not be resolved'),
        ("tools/quality/py/rates.py", 6, 12, ERROR, 'Type "int | None" is not assignable to return type "int"'),
        ("tools/quality/py/rates.py", 9, 12, ERROR, 'Argument of type "Literal[3]" cannot be assigned to parameter'),
        ("tools/quality/py/rates.py", 9, 16, ERROR, '"undefined_thing" is not defined'),
    ],
    "shellcheck-gcc": [
        ("scripts/deploy.sh", 2, 10, ERROR, "Iterating over ls output is fragile. Use globs."),
        ("scripts/deploy.sh", 2, 15, WARNING, "Use ./*glob* or -- *glob* so names with dashes won't become options."),
        ("scripts/deploy.sh", 3, 8, WARNING, "Double quote to prevent globbing and word splitting."),
        ("scripts/deploy.sh", 5, 1, WARNING, "Use 'cd ... || exit' or 'cd ... || return' in case cd fails."),
        ("scripts/deploy.sh", 5, 4, WARNING, "Double quote to prevent globbing and word splitting."),
        ("scripts/deploy.sh", 6, 6, WARNING, "x is referenced but not assigned."),
        ("scripts/deploy.sh", 6, 6, WARNING, "Double quote to prevent globbing and word splitting."),
        ("scripts/deploy.sh", 6, 27, WARNING, "Quote this to prevent word splitting."),
        ("scripts/deploy.sh", 6, 27, WARNING, "Useless echo? Instead of 'echo $(cmd)', just use 'cmd'."),
        ("scripts/deploy.sh", 6, 27, WARNING, "Use $(...) notation instead of legacy backticks `...`."),
    ],
    "svelte-check": [
        ("apps/web/src/Counter.svelte", 7, 1, WARNING, "`<img>` element should have an alt attribute"),
        ("apps/web/src/Counter.svelte", 2, 14, WARNING, "Component has unused export property 'start'."),
        ("apps/web/src/Counter.svelte", 2, 14, ERROR, "Type 'string' is not assignable to type 'number'."),
        ("apps/web/src/Counter.svelte", 3, 15, ERROR, "Cannot find name 'strat'. Did you mean 'start'?"),
        ("apps/web/src/Counter.svelte", 6, 29, ERROR, "Argument of type 'string' is not assignable to parameter"),
    ],
}

# Lines with what looks like a place, and no problem there.
NO_PROBLEMS = [
    "src/t.cpp:7:14:   required from here",
    "http://localhost:4200/main.js:1:2: error: what the server says",
    "12:30:01 error: the build has begun",
    "db.example.org:5432: Error: the database is not up yet",
    "    at load (/srv/app/src/rates.ts:12:5)",
    "    at async file:///srv/app/src/rates.ts:12:5",
    "    at /srv/app/node_modules/left-pad/index.js:1:2",
    "/srv/app/node_modules/left-pad/index.js:1:2: error: not ours",
    "node:internal/modules/cjs/loader:1210",
    "/srv/app/src/rates.ts:12",
    "src/rates.ts:12:  return rates[0];",
    "src/rates.ts:12:const error = new Error();",
    "src/rates.ts:7:3: note: declared here",
    "src/rates.ts:7:3 - info: consider a default",
    "see src/rates.ts:7:3 for what an error means",
    "> 7 | import { rates } from './rates.ts:7:3: error: x';",
    "  7 │ // src/rates.ts:7:3: error: an old comment",
    "+ src/rates.ts:7:3: error: in a snapshot",
    "webpack://shop/src/rates.ts:7:3: error: x",
    "<anonymous>.js:1:2: error: x",
    "src/rates.ts:7:3: error:",
    "rates.ts:0: error: no line has this number",
    "  ✓ src/rates.test.ts (3 tests) 12ms",
    "[warn] the cache in cache.db is old",
    "asset main.js 5.11 KiB [emitted] (name: main)",
    "\n  12:5  error  under no file's name",
    "WARNING in ./src/rates.ts 7:3\nbuilt",
]


def output_of(name: str) -> str:
    """Give what the tool printed (its name in test/data/outputs, without the version), as plain text."""
    (path,) = [
        path for path in OUTPUTS.glob(f"{name}-*.txt") if path.stem.rpartition("-")[0] == name.rpartition("/")[2]
    ]
    return plain(path.read_bytes().decode())


@pytest.mark.parametrize("name", GENERIC)
def test_generic(name: str) -> None:
    """Of a tool without a reader each problem is found, with its place, level and words; a note is one if a rule's."""
    found = find(output_of(name))
    expected = GENERIC[name]
    assert [(p.path.removeprefix(ROOT), p.line, p.column, p.severity) for p in found] == [e[:4] for e in expected]
    for problem, (*_, words) in zip(found, expected, strict=True):
        assert words in problem.message


def test_generic_rules() -> None:
    """The tool's name for a kind of problem is no part of the message, before it or behind."""
    rules = {
        problem.rule
        for name in ("shellcheck-gcc", "eslint8-visualstudio", "pyright")
        for problem in find(output_of(name))
    }
    assert {"SC2045", "SC2154", "no-empty", "eqeqeq", "reportMissingImports"} <= rules
    assert all(rule not in problem.message for rule in rules if rule for problem in find(output_of("shellcheck-gcc")))


@pytest.mark.parametrize("line", NO_PROBLEMS)
def test_no_problem(line: str) -> None:
    """A line that only looks like a place of a problem is none, alone and among others."""
    assert find(line) == ()
    assert find(f"the build has begun\n{line}\n\n1 error\n") == ()


def unix(number: int, level: str = "Error", path: str = "src/a.ts") -> str:
    """Give a line as `eslint -f unix` prints it."""
    return f"{path}:{number}:1: Unexpected var [{level}/no-var]"


def test_each_once() -> None:
    """What a tool prints twice, as Nx does of some, is one problem; other words at the place are another."""
    lines = [unix(1), unix(2), unix(1), unix(1).replace("var ", "let ")]
    assert [(p.line, p.message) for p in find("\n".join(lines))] == [
        (1, "Unexpected var"),
        (2, "Unexpected var"),
        (1, "Unexpected let"),
    ]


def test_order() -> None:
    """Problems come in the order in which they are printed, whichever readers find them."""
    lines = ["a.c:1:1: error: first", unix(2), "b.c:3:1: warning: third", unix(4, "Warning")]
    assert [p.line for p in find("\n".join(lines))] == [1, 2, 3, 4]


def test_most() -> None:
    """Of more problems than can be shown errors come before warnings, and each kind in its order."""
    warnings = [unix(number, "Warning") for number in range(1, MOST + 1)]
    errors = [unix(number, path="src/b.ts") for number in range(1, 11)]
    found = find("\n".join(warnings + errors))
    assert len(found) == MOST
    assert [p.line for p in found] == [*range(1, 11), *range(1, MOST - 9)]
    assert [p.severity for p in found] == [ERROR] * 10 + [WARNING] * (MOST - 10)
    assert find("\n".join(warnings)) == found[10:] + find("\n".join(warnings[-10:]))


def test_a_readers_line_is_its_own() -> None:
    """What a tool's reader has read is not read again as a generic place."""
    found = find("src/a.ts(1,2): error TS2322: Type 'a' is not assignable to type 'b'.\n  a.ts:9:9: error: continued")
    assert found == (Problem("src/a.ts", 1, 2, ERROR, "Type 'a' is not assignable to type 'b'.", "TS2322", "tsc"),)


def test_large_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """A very large output is read in pieces, and the same is found, in the same order."""
    lines = "\n".join(unix(number, path=f"src/{number % 7}.ts") + "\nfiller" for number in range(1, 400))
    whole = find(lines)
    assert len(whole) == 399
    monkeypatch.setattr(pipe.problems, "_PIECE", 1_000)
    assert find(lines) == whole
    assert find("x" * 5_000 + "\n" + lines) == whole


def test_nothing_is_read_without_a_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """An output without anything like a place or a word for trouble is not looked through for each tool's signs."""
    monkeypatch.setattr(pipe.problems, "_signs", lambda: pytest.fail("the signs were looked for"))
    assert find("> jest\n\n  ✓ adds the tax (3 ms)\n10:30:01 12 tests done in 3.2 s, see coverage/index.html\n") == ()


def test_prefix() -> None:
    """A project's name before each line is not taken for a file's, nor a file's for a project's."""
    lines = ["a.ts:1:1: error: one", "a.ts:1:3: error: two", "done"]
    assert [p.path for p in find("\n".join(f"@shop/cart: {line}" for line in lines))] == ["a.ts", "a.ts"]
    compact = [f"a.css: line {number}, col 1, error - Unexpected unit (unit)" for number in (1, 2)]
    assert [p.path for p in find("\n".join(compact))] == ["a.css", "a.css"]
    assert [p.severity for p in find("warning: a.c:1:1: odd\nwarning: a.c:2:1: odd")] == [WARNING, WARNING]


def test_long_message() -> None:
    """A message is cut at 500 characters, and one sees it."""
    (problem,) = find(f"a.c:1:1: error: {'too long ' * 200}")
    assert 490 < len(problem.message) <= 500
    assert problem.message.endswith("…")


SIGNS = "".join(f"{sign.decode()}\n" for _, sign in pipe.problems._signs())
WIDE = [
    "a",
    " ",
    "\t",
    "(",
    "[",
    "{",
    '"',
    ":",
    "1:1 ",
    ".a:1",
    "a.ts:1:2: ",
    "[plugin a] ",
    "(1:2) ",
    "at (a.ts:1:2) ",
    "é",
]
MANY = [
    "\n",
    "a\n",
    "  1:2  error  x\n",
    "/a:1\na\n^\n",
    "file: a\n",
    "[!] a\n",
    "● a\n",
    "FAIL a.ts\n",
    "ERROR in a.ts 1:2\n",
    "error TS1:\n",
    " - error TS1: \n:\n",
    "error\n[E1]\n: a\n --> a.rs:1:1\n",
]


@pytest.mark.parametrize("shape", WIDE)
@pytest.mark.parametrize(
    "sign", ["error TS1: ", "  1:2  error  ", "a.ts:1:2: ", "[ERROR] ", ",-[", "    at ", '[{"filePath":']
)
def test_hostile_line(sign: str, shape: str) -> None:
    """A line of a megabyte, whatever it is made of, is read through; a pattern that repeats would never end."""
    line = sign + shape * (1_000_000 // len(shape))
    find(f"{SIGNS}{line}\n{line[:1_000]}\n")


@pytest.mark.parametrize("shape", MANY)
def test_hostile_lines(shape: str) -> None:
    """So are a great many lines of a kind, with all readers at work."""
    assert len(find(SIGNS + shape * 30_000)) <= MOST


PIECES = [
    *SIGNS.split("\n"),
    *NO_PROBLEMS,
    *WIDE,
    "\n",
    "\n\n",
    "  ",
    "src/a.ts",
    "/a b/c.py",
    ":1",
    ":2:3",
    "(4,5): ",
    "error",
    "^",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=60).map("".join))
def test_any_text(text: str) -> None:
    """Whatever an output holds, reading it ends, and what is found has a file, a message and numbers from 1."""
    text = plain(text)
    for problem in find(text):
        assert problem.path
        assert problem.path in text
        assert problem.message
        assert problem.message == " ".join(problem.message.split())
        assert len(problem.message) <= 500
        assert problem.line is None or problem.line > 0
        assert problem.column is None or problem.column > 0


@pytest.mark.parametrize("path", sorted(LOUD.glob("*.txt")), ids=lambda path: path.stem)
def test_what_passing_tests_print(path: Path) -> None:
    """What a test prints while it passes is no problem, whatever it looks like, where the runner shows it as such."""
    output = plain(path.read_text())
    assert "src/basket.js:1:1: error: printed by a passing test" in output
    assert find(output) == ()
