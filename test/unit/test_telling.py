"""The telling lines of a failed task, from what real tools print about seeded errors."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipe.telling import Excerpt, Telling
from pipe.terminal import plain
from test.conftest_tools import captures

ROOT = "/opt/atlassian/pipelines/agent/build"
DATA = Path(__file__).parent.parent / "data"
OUTPUTS = sorted((DATA / "outputs").glob("*.txt"))
UNSEEN = sorted((DATA / "outputs" / "unseen").glob("*.txt"))


def output_of(name: str) -> str:
    """Give what the tool printed (its name in test/data/outputs, without the version)."""
    (path,) = [path for path in OUTPUTS if path.stem.rpartition("-")[0] == name]
    return path.read_bytes().decode()


def telling(output: str) -> Telling:
    """Read an output as a task has it: with the workspace's paths already made short."""
    return Telling(output.replace(f"file://{ROOT}/", "").replace(f"{ROOT}/", ""))


def tell(name: str, limit: int) -> list[str]:
    """Give the telling lines of a tool's output."""
    return list(telling(output_of(name)).excerpt(limit).lines)


def shows(excerpt: Excerpt, text: str) -> bool:
    """Whether the text, with workspace-relative paths, is in one of the lines."""
    return any(text.replace(f"{ROOT}/", "") in line for line in excerpt.lines)


def share(output: str, essential: list[str], limit: int) -> tuple[int, int]:
    """Count the essential texts that are shown, and all."""
    excerpt = telling(output).excerpt(limit)
    return sum(shows(excerpt, text) for text in essential), len(essential)


@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: path.stem)
def test_real_outputs(path: Path) -> None:
    """At 12 lines the most telling text of each tool's output is there, and half of the others."""
    essential = path.with_suffix(".essential").read_text().splitlines()
    output = path.read_bytes().decode()
    excerpt = telling(output).excerpt(12)
    assert shows(excerpt, essential[0]), excerpt
    shown, known = share(output, essential, 12)
    assert shown * 2 >= known, excerpt


def recall(paths: list[Path], limit: int) -> float:
    """Give the share of all essential texts that are shown."""
    counts = [
        share(path.read_bytes().decode(), path.with_suffix(".essential").read_text().splitlines(), limit)
        for path in paths
    ]
    return sum(shown for shown, _ in counts) / sum(known for _, known in counts)


@pytest.mark.parametrize(("limit", "least"), [(40, 0.97), (12, 0.9), (6, 0.72)])
def test_real_outputs_recall(limit: int, least: float) -> None:
    """Of all essential texts nearly all are there at 40 lines, and most at 12; many outputs have more than 6."""
    assert recall(OUTPUTS, limit) >= least


def test_real_outputs_first() -> None:
    """With room for three lines, nearly each output's most telling text is among them."""
    firsts = [
        shows(
            telling(path.read_bytes().decode()).excerpt(3), path.with_suffix(".essential").read_text().splitlines()[0]
        )
        for path in OUTPUTS
    ]
    assert sum(firsts) >= 0.95 * len(firsts)


@pytest.mark.parametrize(("limit", "least"), [(40, 0.85), (12, 0.8)])
def test_unseen_outputs_recall(limit: int, least: float) -> None:
    """Of tools whose output nobody looked at when the shapes were made, most essential texts are there too."""
    assert recall(UNSEEN, limit) >= least


@cache
def captured() -> list[tuple[str, str, list[str]]]:
    """Give the failed tasks of the captured workspaces: name, terminal output, essential texts."""
    tasks = []
    for folder in sorted((captures() / "nx-workspaces").iterdir()):
        records = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
        for run in json.loads((folder / "expected.json").read_text())["runs"]:
            if not isinstance(run.get("record"), int):
                continue
            results = records[run["record"] - 1]["taskResults"]
            for task in run["tasks"]:
                output = results.get(task["id"], {}).get("terminalOutput")
                if task.get("essential") and output:
                    tasks.append((f"{run['name']} {task['id']}", output, task["essential"]))
    return tasks


def test_captured_workspaces() -> None:
    """Of each failed task of the captured workspaces every essential text is there at 40 lines, and half at 12."""
    assert len(captured()) > 40
    for name, output, essential in captured():
        shown, known = share(output, essential, 40)
        assert shown == known, name
        excerpt = telling(output).excerpt(12)
        assert shows(excerpt, essential[0]), (name, excerpt)
        shown, known = share(output, essential, 12)
        assert shown * 2 >= known, (name, excerpt)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("tsc", "packages/ts/src/lib.ts(1,25): error TS2307: Cannot find module './nothing'"),
        ("pytest-no", "FAILED test_ledger.py::test_fee - AssertionError: assert 2 == 3"),
        ("go-vet", "vet/vet.go:7:2: fmt.Printf format %s has arg n of wrong type int"),
        ("node-refused", "TypeError: fetch failed"),
        ("bash", "packages/sh/deploy.sh: line 4: not-a-command: command not found"),
        ("node-heap", "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"),
        ("eslint-stylish", "packages/lint/src/a.ts:1:29  error    Unexpected any. Specify a different type"),
        ("jest", "Expected: 22 Received: 21"),
        ("jest30-esm", "Must use import to load ES Module: "),
        ("vitest2", "AssertionError: expected 180 to be 190 // Object.is equality"),
        ("playwright-page", "Error: expect(locator).toHaveText(expected) failed"),
        ("mocha", "AssertionError [ERR_ASSERTION]: Expected values to be strictly equal: 2 !== 3"),
        ("node-test", "Expected values to be strictly deep-equal: +   day: 31,"),
        ("cargo-test", "thread 'tests::empty' (17740) panicked at src/lib.rs:17:14: a price"),
        ("go-test", "cart_test.go:7: Total() = 2, want 3"),
        ("pytest-long", "FAILED test_ledger.py::test_fee - AssertionError: assert 2 == 3"),
        ("pytest-collect", "ModuleNotFoundError: No module named 'ledgers'"),
        ("webpack", "ERROR in ./src/index.ts 2:0-17 Module not found: Error: Can't resolve './style'"),
    ],
)
def test_a_single_line(name: str, line: str) -> None:
    """With room for one line, it is the one that says what is wrong, and where if that stands beside it."""
    (shown,) = tell(name, 1)
    assert shown.startswith(line)


def test_failures_share_the_room() -> None:
    """Each failure's name stands before the second failure's details, all in the order of the output."""
    lines = tell("jest", 8)
    assert [line for line in lines if line.startswith("●")] == [
        "● cart › totals the items",
        "● cart › prints a receipt",
        "● cart › describes a cart",
        "● cart › takes the money",
        "● cart › breaks",
    ]
    assert lines[1:3] == ["  Expected: 22", "  Received: 21"]


def test_left_out_counts_what_had_no_room() -> None:
    """What did not fit is counted, and nothing is left out where there is room."""
    few, all_of_them = (telling(output_of("jest")).excerpt(limit) for limit in (5, 200))
    assert len(few.lines) == 5
    assert all_of_them.left_out == 0
    assert few.left_out == len(all_of_them.lines) - 5


EPILOGUES = """npm error Lifecycle script `test` failed with error:
npm error code 1
npm error path /shop
npm error workspace shop@1.0.0
npm error location /shop
npm error command failed
npm error command sh -c jest
npm ERR! code ELIFECYCLE
npm ERR! errno 1
npm ERR! Exit status 1
npm ERR! Failed at the shop@1.0.0 test script.
npm ERR! A complete log of this run can be found in:
\u2009ELIFECYCLE\u2009 Test failed. See above for more details.
\u2009ERR_PNPM_RECURSIVE_RUN_FIRST_FAIL\u2009 shop@1.0.0 test: `jest`
error Command failed with exit code 1.
info Visit https://yarnpkg.com/en/docs/cli/run for documentation about this command.
error: script "test" exited with code 1
Error: Process completed with exit code 1.
Error: Command failed: npm test
Warning: command "npm test" exited with non-zero status code
  --coverage" exited with non-zero status code
ERROR: "test:unit" exited with 1.
 NX   Running target test for project shop failed
Failed tasks:
Hint: run the command with --verbose for more details.
Node.js v20.20.2""".splitlines()


@pytest.mark.parametrize("limit", [3, 40])
@pytest.mark.parametrize("epilogue", EPILOGUES)
def test_no_epilogue(epilogue: str, limit: int) -> None:
    """The wrappers' epilogues, the command's echo, passing tests and printing of tests are not telling."""
    output = f"> npm run test\n\n> shop@1.0.0 test\n> jest\n\n{output_of('jest')}\n{epilogue}\n"
    lines = telling(output).excerpt(limit).lines
    assert next(line.strip() for line in lines if "●" in line) == "● cart › totals the items"
    assert not [line for line in lines if "npm run" in line or "> jest" in line or epilogue in line]
    assert not [line for line in lines if "PASS" in line or "✓" in line or "rate is fine" in line]


def test_no_epilogue_of_one_line() -> None:
    """Beside a single line that tells, the epilogues say nothing more."""
    output = "\n".join(["src/a.ts(1,2): error TS2304: Cannot find name 'x'.", *EPILOGUES])
    assert telling(output).excerpt(12).lines == ("src/a.ts(1,2): error TS2304: Cannot find name 'x'.",)


def test_an_output_printed_twice() -> None:
    """Output that is printed twice, as Nx 21 does, yields each failure once."""
    for name in ("jest", "eslint-stylish", "tsc-pretty", "pytest-long"):
        once, twice = (telling(output_of(name) * times).excerpt(60).lines for times in (1, 2))
        assert set(twice) == set(once)
        assert len(twice) == len(once)


def test_warnings_only_without_errors() -> None:
    """A linter's warnings are left out beside errors, and shown where they are what failed."""
    assert not [line for line in tell("eslint-stylish", 40) if "  warning  " in line]
    assert "  1:1  warning  Unexpected console statement  no-console" in tell("eslint-warnings", 5)


def test_a_row_brings_its_file() -> None:
    """A linter's row stands under the line with its file's name."""
    lines = tell("eslint-stylish", 8)
    assert lines.index("packages/lint/src/b.ts") + 1 == next(
        number for number, line in enumerate(lines) if "'debugger'" in line
    )


NAMES = [
    "app/(shop)/card.ts",
    "app/[slug].tsx",
    "app/[[...slug]]/(.)photo/page.tsx",
    "src/routes/(app)/[page=fruit]/+page.svelte",
    "app/(home,search)/[user].tsx",
    "app/routes/($lang)._index.tsx",
    "src/nested (old)/parse.ts",
    "src/Cart Item.vue",
    "src/übersicht für alle.ts",
    "src/日本/表.ts",
    "src/broken@2x.ts",
    "[id].tsx",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("tool", "file"),
    [
        ("eslint-stylish", "packages/lint/src/a.ts"),
        ("eslint-compact", "packages/lint/src/a.ts"),
        ("eslint-unix", "packages/lint/src/a.ts"),
        ("stylelint", "packages/bad/style.css"),
        ("tsc", "packages/ts/src/order.ts"),
        ("tsc-pretty", "packages/ts/src/order.ts"),
        ("svelte-check", "apps/web/src/Counter.svelte"),
        ("next-types", "./app/page.tsx"),
        ("biome", "packages/bad/main.js"),
        ("gcc", "packages/c/main.c"),
        ("rollup", "packages/bad/main.js"),
        ("mocha", "packages/mo/stock.mocha.js"),
    ],
)
def test_any_name_of_a_file(tool: str, file: str, name: str) -> None:
    """Brackets, spaces and letters of any language in a file's name change nothing of what is told."""
    output = plain(output_of(tool)).replace(f"{ROOT}/", "")
    assert file in output
    for limit in (3, 12, 40):
        expected = telling(output).excerpt(limit)
        found = telling(output.replace(file, name)).excerpt(limit)
        assert (found.lines, found.left_out) == (
            tuple(line.replace(file, name) for line in expected.lines),
            expected.left_out,
        )


def test_a_place_in_words() -> None:
    """A sentence with a place in it is no path, and neither is a date, a count, or a call."""
    for text in (
        "2026/11/30 19:23:05 main.go:12: listening",
        "Compiled 3 files, see dist/a b.js:1:2 for more",
        "[5/4] shop.spec.js:5:1 › lists",
        "java.base/java.lang.reflect.Method.invoke(Method.java:569)",
    ):
        error = "src/a.ts(1,2): error TS2304: Cannot find name 'x'."
        assert telling(f"{text}\n\n{error}\n").excerpt(12).lines == (error,)


def test_json_of_eslint() -> None:
    """ESLint's JSON, one long line, is read as its rows."""
    assert tell("eslint-json", 2) == [
        "packages/lint/src/a.ts",
        "  1:29  error  Unexpected any. Specify a different type.  @typescript-eslint/no-explicit-any",
    ]


def test_json_is_shown_as_text() -> None:
    """What JSON says is shown without what a terminal would act on, each message on one line; JSON of others stays."""
    message = {"line": 1, "column": 2, "severity": 2, "message": "no\x1b[31m\nway\u202e" + "!" * 200}
    rows = json.dumps([{"filePath": "a.ts", "messages": [message]}], separators=(",", ":"))
    file, row = Telling(rows).excerpt(5).lines
    assert (file, row[:17]) == ("a.ts", "  1:2  error  no way"[:17])
    assert row.isprintable()
    event = {"Action": "output", "Package": "shop", "Output": "Error: \x1b[31mno\u202e\n"}
    other = '{"Action":"deploy","msg":"Error: the disk is full"}'
    deep = '{"Action":"output","a":' + "[" * 3_900
    output = "\n".join([json.dumps(event, separators=(",", ":")), other, deep])
    assert telling(output).excerpt(5).lines == (other, "Error: no")


def test_events_of_go_by_package() -> None:
    """What `go test -json` says of a package is read together, whatever other packages print in between."""
    output = output_of("go-test-json")
    events = output.splitlines(keepends=True)
    other = '{"Action":"output","Package":"other","Output":"=== RUN   TestFine\\n"}\n'
    assert telling(other.join(events)).excerpt(40) == telling(output).excerpt(40)
    assert not [line for line in telling(output).excerpt(40).lines if "Action" in line]


def test_the_same_error_in_two_files() -> None:
    """An error that two files have is told with each of them."""
    lines = tell("routes-svelte-check", 40)
    for file in ("src/übersicht für alle.ts:1:14", "src/(shop)/card.ts:1:14"):
        assert lines[lines.index(f"apps/routes/{file}") + 1] == (
            "Error: Type 'string' is not assignable to type 'number'."
        )


def test_the_first_failure_comes_with_its_reason() -> None:
    """Where there is room for three lines, the first of many failures is told with why, not three by name."""
    assert tell("jest", 3) == ["● cart › totals the items", "  Expected: 22", "  Received: 21"]
    assert tell("vitest2", 3)[1] == "AssertionError: expected 180 to be 190 // Object.is equality"
    assert tell("jasmine", 3)[1] == "    Expected 16 to be 17."
    assert tell("node-test", 3)[1:] == ["    Expected values to be strictly deep-equal:", "    +   day: 31,"]


def test_logged_errors_come_after_failures() -> None:
    """Errors that the code under test logs (Nest, Winston, a stack) stand behind the runner's failures, or nowhere."""
    assert tell("jest30-logged", 3) == ["● finds", "  Expected: 2", "  Received: 1"]
    assert not [line for line in tell("jest30-logged", 16) if "ERROR" in line or "rror:" in line]
    lines = tell("jest30-logged", 40)
    assert lines[0] == "● finds"
    logged = next(number for number, line in enumerate(lines) if "[Orders] lookup failed" in line)
    assert not [line for line in lines[logged:] if "●" in line or "pected" in line or "Tests:" in line]


def test_an_error_that_ends_a_file_is_a_failure() -> None:
    """What keeps a test's file from being loaded is the first reason, though no test bears it."""
    output = (DATA / "problems" / "suites" / "node22-spec-22.23.3.txt").read_bytes().decode()
    assert telling(output).excerpt(3).lines[0].startswith("Error [ERR_MODULE_NOT_FOUND]: Cannot find module")


def test_a_suite_that_cannot_run() -> None:
    """Of a file that Jest could not run, the reason comes first, before Jest's heading and its advice."""
    assert tell("jest30-esm", 3) == [
        "FAIL esm src/esm/ids.spec.js",
        "    Must use import to load ES Module: apps/storefront/node_modules/nanoid/index.js",
        "FAIL esm src/esm/order.spec.js",
    ]


def test_two_runs_of_a_runner() -> None:
    """Where a command runs a test runner twice, the same failures are told once, and as of one run."""
    lines = tell("playwright-twice", 6)
    assert lines[:4] == [
        "1) shop.spec.js:3:1 › shows the heading",
        "  Error: expect(locator).toHaveText(expected) failed",
        '  Expected: "Store"',
        '  Received: "Shop"',
    ]
    once, twice = (telling(output_of("playwright-page") * times).excerpt(60).lines for times in (1, 2))
    assert set(twice) == set(once)


def test_colours_as_text() -> None:
    """Colours that webpack made readable are colours."""
    output = (DATA / "problems" / "javascript" / "webpack-checked-colour@5.113.0.txt").read_bytes().decode()
    assert "\\x1b[" in output
    lines = telling(output).excerpt(40).lines
    assert lines[:2] == (
        "ERROR in ./src/main.ts:2:14",
        "TS2322: Type 'string' is not assignable to type 'number'.",
    )
    assert not [line for line in lines if "x1b" in line]


def test_a_file_above_a_place_is_no_reason() -> None:
    """A file's name right above an error that has its own place is not told."""
    output = "../../dist/apps/shop/package.json\n" + output_of("tsc-pretty")
    assert telling(output).excerpt(12) == telling(output_of("tsc-pretty")).excerpt(12)


def test_templates_of_angular() -> None:
    """Of an error in a template the error is told, not each time whose template it is, and where that is named."""
    assert [line.partition(" - ")[0] for line in tell("ngc", 3)] == [
        "src/orders.component.html:2:29",
        "src/orders.component.html:2:52",
        "src/orders.component.html:3:1",
    ]
    assert not [line for line in tell("ngc", 40) if "Error occurs in" in line or "component.ts" in line]


def test_a_list_of_what_was_told() -> None:
    """Where there is room for all failures of pytest, its list at the end does not tell each of them again."""
    lines = tell("pytest-short", 16)
    assert [line for line in lines if line.startswith(("ERROR", "test_")) and ":" not in line] == [
        "ERROR at setup of test_database",
        "test_fee",
        "test_tariff[gold]",
        "test_words",
        "test_raises",
    ]
    assert not [line for line in lines if line.startswith("FAILED")]
    assert [line for line in tell("pytest-short", 6) if line.startswith("FAILED")]


@pytest.mark.parametrize("name", ["routes-mocha", "routes-mocha-min"])
def test_what_tests_print_comes_after_failures(name: str) -> None:
    """An error that a passing part of a test prints is no failure: those are numbered, each told once."""
    assert tell(name, 3) == [
        "1) Queue takes the first:",
        "   Error: the queue is empty",
        "2) Queue counts:",
    ]
    heads = [line.strip() for line in tell(name, 40) if ") " in line[:6]]
    assert heads == ["1) Queue takes the first:", "2) Queue counts:"]


def test_a_test_that_may_fail() -> None:
    """TAP's TODO is not why a task failed."""
    output = (DATA / "problems" / "suites" / "node20-tap-20.20.2.txt").read_bytes().decode()
    lines = telling(output).excerpt(200).lines
    assert "not ok 8 - throws text" in [line.strip() for line in lines]
    assert not [line for line in lines if "TODO" in line or "todo tests may fail" in line]


@pytest.mark.parametrize(
    "name", ["node-missing", "node-refused", "pytest-native", "vitest", "babel", "go-test", "java"]
)
def test_frames_of_libraries_are_left_out(name: str) -> None:
    """Of a stack the workspace's own frames are shown, not those of libraries and of the runtime."""
    lines = tell(name, 60)
    assert not [
        line
        for line in lines
        if "node_modules" in line or "node:internal" in line or "site-packages" in line or "/usr/lib" in line
    ]


def test_long_lines_are_cut_around_what_they_say() -> None:
    """A line has at most 200 characters, and the error in it stays."""
    output = "x" * 5_000 + " Error: the disk is full " + "y" * 5_000 + "\n"
    (line,) = Telling(output).excerpt(3).lines
    assert len(line) <= 200
    assert "Error: the disk is full" in line
    assert line.startswith("…")
    assert line.endswith("…")


@pytest.mark.parametrize("prefix", ["@shop/cart: ", "[types] ", "cart:typecheck: "])
def test_stream_style(prefix: str) -> None:
    """What `--output-style=stream` or a prefix of a command puts before each line is no part of it."""
    output = "> nx run cart\n\n" + "".join(f"{prefix}{line}\n" for line in output_of("tsc").splitlines())
    assert telling(output).excerpt(3).lines == tuple(tell("tsc", 3))


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "javascript/tsc-stream@7.0.2",
            [
                "web/till/src/(pay)/price.ts(6,96): error TS18048: 'each.quantity' is possibly 'undefined'.",
                "web/till/src/(pay)/price.ts(7,14): error TS2322: Type 'number' is not assignable to type 'string'.",
            ],
        ),
        ("native/cargo-stream-1.95.0", ["error[E0382]: use of moved value: `names`", " --> src/shelf.rs:3:5"]),
    ],
)
def test_heads_in_pieces(name: str, lines: list[str]) -> None:
    """Heads of errors that a streaming Nx breaks into lines are told whole."""
    output = (DATA / "problems" / f"{name}.txt").read_bytes().decode()
    found = telling(output).excerpt(40).lines
    assert list(found[found.index(lines[0]) :][:2]) == lines


def test_parallel_streams() -> None:
    """The lines of commands that ran at the same time are read one command after the other."""
    streams = [
        [f"[{name}] {line}\n" for line in output_of(tool).splitlines()]
        for name, tool in (("types", "tsc"), ("test", "jest"))
    ]
    mixed = "".join("".join(pair) for pair in zip(*streams, strict=False))
    mixed += "".join(streams[1][len(streams[0]) :])
    apart = output_of("tsc") + output_of("jest")
    assert telling(mixed).excerpt(20) == telling(apart).excerpt(20)


def test_a_file_is_no_stream() -> None:
    """A file's name before each line stays."""
    output = "".join(f"src/a.css: line {number}, col 1, error - Unexpected empty block\n" for number in range(1, 9))
    assert Telling(output).excerpt(1).lines == ("src/a.css: line 1, col 1, error - Unexpected empty block",)


def test_every_limit_from_one_reading() -> None:
    """One reading gives the excerpt of any limit, in any order, as a fresh reading would."""
    for name in ("jest", "eslint-stylish", "pytest-long"):
        read = telling(output_of(name))
        for limit in (30, 1, 6, 0, 30):
            assert read.excerpt(limit) == telling(output_of(name)).excerpt(limit)


def test_very_many_failures() -> None:
    """Of thousands of failures the first are told, and the count at the end."""
    rows = "".join(f"src/{number}.ts:1:2 - error TS1: no\n" for number in range(20_000))
    lines = Telling(f"{rows}\nFound 20000 errors.\n").excerpt(10_000).lines
    assert lines[0] == "src/0.ts:1:2 - error TS1: no"
    assert "Found 20000 errors." in lines


def test_a_short_output_is_shown_whole() -> None:
    """Where little is known and all of it fits, all is shown; where it does not fit, what sounds discontented."""
    output = "Sizes\n  a.js  10 kB\n  b.js  90 kB  too large by 40 kB\n  c.js  5 kB\n"
    assert len(Telling(output).excerpt(4).lines) == 4
    assert Telling(output).excerpt(1).lines == ("b.js  90 kB  too large by 40 kB",)


def test_best_guess() -> None:
    """Without any known shape it is the lines with error-like words, else the last lines before the epilogue."""
    assert Telling("starting\nthe widget is missing\nbye\n").excerpt(2).lines == ("the widget is missing",)
    assert Telling('one\ntwo\nWarning: command "x" exited with non-zero status code').excerpt(1).lines == ("two",)
    assert Telling('Warning: command "x" exited with non-zero status code').excerpt(1).lines != ()
    assert Telling(" \n\x1b[0m\r\n").excerpt(5) == Excerpt((), 0)


@given(
    st.lists(
        st.sampled_from(
            [line for path in OUTPUTS for line in path.read_bytes().decode().split("\n")[:60]]
            + ["\x1b[2K\r", "  ", "x" * 300]
        ),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 12),
)
def test_any_mixture(lines: list[str], limit: int) -> None:
    """Whatever the lines' order: within the limit, plain, not too long, and something where there is something."""
    output = "\n".join(lines)
    excerpt = telling(output).excerpt(limit)
    assert len(excerpt.lines) <= limit
    assert all(len(line) <= 200 and "\x1b" not in line and "\n" not in line for line in excerpt.lines)
    assert excerpt.left_out >= 0
    assert excerpt.lines or not Telling(output).excerpt(1).lines
