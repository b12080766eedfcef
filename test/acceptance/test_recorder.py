"""The recorder's one function, called as Nx calls it: what is recorded, what is masked, what must not happen."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from test.conftest_tools import need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER = Path(__file__).parents[2] / "recorder"
SCHEMA = Draft202012Validator(json.loads((FOLDER / "record.schema.json").read_text()))
CALL = "require(process.argv[1]).postTasksExecution(undefined, eval(`(${process.argv[2]})`));"
MASK = "********"
# Characters: from more than these on, only so many of the beginning and of the end are kept.
LONGEST, HEAD, TAIL = 32_000_000, 8_000_000, 24_000_000

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def _node() -> None:
    need("node")


class Workspace:
    """A folder to record in, and what stands in it afterwards."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".nx-report"

    def start(self, context: str, variables: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Call the recorder with a JavaScript expression; `root` in it is the workspace's path."""
        environ = {"PATH": os.environ["PATH"], **(variables or {})}
        script = f"const root = {json.dumps(str(self.root))}; {CALL}"
        command = ["node", "-e", script, str(FOLDER / "index.js"), context]
        output = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.root, env=environ, stdout=output, stderr=output, text=True)

    def call(self, context: str, variables: dict[str, str] | None = None) -> None:
        """Call the recorder and wait; it must neither fail nor print."""
        process = self.start(context, variables)
        printed = process.communicate()
        assert (process.returncode, *printed) == (0, "", "")

    def record(self, context: Json, variables: dict[str, str] | None = None) -> list[Json]:
        """Record with a context of plain JSON, workspaceRoot added, and give the lines of the one record."""
        self.call(json.dumps({"workspaceRoot": str(self.root), **context}), variables)
        (lines,) = self.records()
        return lines

    def names(self) -> list[str]:
        """What the folder holds, .gitignore aside, sorted."""
        return sorted(path.name for path in self.folder.iterdir() if path.name != ".gitignore")

    def records(self) -> Iterator[list[Json]]:
        """Each record's lines, held to the schema."""
        for name in self.names():
            lines = [json.loads(line) for line in (self.folder / name).read_text().split("\n")[:-1]]
            for line in lines:
                SCHEMA.validate(line)
            assert lines[-1] == {"type": "end", "tasks": len(lines) - 2}
            yield lines


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    root = tmp_path / "shop"
    root.mkdir()
    return Workspace(root)


def printing(output: str, **task: object) -> Json:
    """Give a context of one task with that output."""
    return {"taskResults": {"cart:test": {"status": "failure", "code": 1, "terminalOutput": output, "task": task}}}


def test_whole_record(workspace: Workspace) -> None:
    """All that Nx hands over is recorded in the words of the format, but nx.json."""
    task = {
        "id": "cart:test:ci",
        "target": {"project": "cart", "target": "test", "configuration": "ci"},
        "projectRoot": "packages/cart",
        "hash": "123",
        "startTime": 1795508609000,
        "endTime": 1795508609500.4,
        "overrides": {"a": 1},
        "cache": True,
        "continuous": False,
    }
    output = '\x1b[32m✓\x1b[0m "é" \\ 😀\r\n\x00\x1f\u2028'
    context = {
        "taskResults": {"cart:test:ci": {"status": "success", "code": 0, "terminalOutput": output, "task": task}},
        "taskGraph": {"dependencies": {"cart:test:ci": ["core:build"]}},
        "nxJsonConfiguration": {"nxCloudAccessToken": "a-token-of-nx-json"},
        "argv": [
            "/usr/bin/node",
            "/shop/node_modules/.bin/nx",
            "run-many",
            "-t",
            "build,test",
            "--base=main~1",
            "a b'c",
        ],
        "startTime": 1795508608000,
        "endTime": 1795508610000,
    }
    run, recorded, _ = workspace.record(context)
    assert run == {
        "type": "run",
        "version": "1.1",
        "recorder": json.loads((FOLDER / "package.json").read_text())["version"],
        "id": run["id"],
        "build": None,
        "command": "nx run-many -t build,test --base=main~1 'a b'\\''c'",
        "inside": None,
        "nx": None,
        "workspaceRoot": str(workspace.root),
        "start": 1795508608000,
        "end": 1795508610000,
    }
    assert recorded == {
        "type": "task",
        "id": "cart:test:ci",
        "project": "cart",
        "target": "test",
        "configuration": "ci",
        "status": "success",
        "code": 0,
        "start": 1795508609000,
        "end": 1795508609500,
        "hash": "123",
        "cache": "miss",
        "cacheable": True,
        "continuous": False,
        "projectRoot": "packages/cart",
        "dependencies": ["core:build"],
        "output": output,
    }
    assert workspace.names() == [f"local-0-0-{run['id']}.jsonl"]
    assert (workspace.folder / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    ("status", "cache"),
    [
        ("success", "miss"),
        ("failure", "miss"),
        ("stopped", "miss"),
        ("local-cache", "local"),
        ("local-cache-kept-existing", "local"),
        ("remote-cache", "remote"),
        ("skipped", None),
        ("a new word", None),
    ],
)
def test_status_and_cache(workspace: Workspace, status: str, cache: str | None) -> None:
    """Nx's own word for the outcome is kept as it is; where the result came from follows from it, or is unknown."""
    _, task, _ = workspace.record({"taskResults": {"cart:test": {"status": status}}})
    assert (task["id"], task["status"], task["cache"]) == ("cart:test", status, cache)


@pytest.mark.parametrize(
    ("variables", "build", "name"),
    [
        (
            {
                "BITBUCKET_BUILD_NUMBER": "417",
                "BITBUCKET_STEP_UUID": "{5b0e-1}",
                "BITBUCKET_STEP_RUN_NUMBER": "2",
                "BITBUCKET_COMMIT": "1f3c",
                "BITBUCKET_REPO_SLUG": "shop",
            },
            {"ci": "bitbucket", "number": "417", "step": "{5b0e-1}", "stepRun": "2", "commit": "1f3c", "job": None},
            "417-5b0e-1-2-",
        ),
        (
            {
                "JENKINS_URL": "https://ci.example.com",
                "BUILD_NUMBER": "8",
                "JOB_NAME": "shop/main",
                "STAGE_NAME": "Unit tests/../ä",
                "GIT_COMMIT": "1f3c",
            },
            {
                "ci": "jenkins",
                "number": "8",
                "step": "Unit tests/../ä",
                "stepRun": None,
                "commit": "1f3c",
                "job": "shop/main",
            },
            "8-Unit_tests_..__-0-",
        ),
        (
            {
                "bamboo_buildNumber": "9",
                "bamboo_planKey": "SHOP-MAIN",
                "bamboo_shortJobKey": "JOB1",
                "bamboo_planRepository_revision": "1f3c",
            },
            {"ci": "bamboo", "number": "9", "step": "JOB1", "stepRun": None, "commit": "1f3c", "job": "SHOP-MAIN"},
            "9-JOB1-0-",
        ),
        (
            {
                "TEAMCITY_VERSION": "2026.1",
                "BUILD_NUMBER": "#10",
                "TEAMCITY_BUILDCONF_NAME": "Tests",
                "BUILD_VCS_NUMBER": "1f3c",
            },
            {"ci": "teamcity", "number": "#10", "step": None, "stepRun": None, "commit": "1f3c", "job": "Tests"},
            "_10-0-0-",
        ),
        ({"BUILD_NUMBER": "11", "GIT_COMMIT": "1f3c"}, None, "local-0-0-"),
        ({"BITBUCKET_BUILD_NUMBER": "../../x"}, None, "_._.._x-0-0-"),
    ],
    ids=["bitbucket", "jenkins", "bamboo", "teamcity", "none", "hostile"],
)
def test_identity(workspace: Workspace, variables: dict[str, str], build: Json | None, name: str) -> None:
    """A build is named in its CI's words, and the file by what of them is safe in a name; nothing else is recorded."""
    run, _ = workspace.record({}, {**variables, "SOMETHING_ELSE": "of the environment"})
    assert run["build"] == build or (build is None and run["build"]["number"] == "../../x")
    assert workspace.names() == [f"{name}{run['id']}.jsonl"]
    assert "of the environment" not in json.dumps(run)


KEY = "-----BEGIN KEY-----\r\nc2VjcmV0IGxpbmU=\r\nshort\r\n-----END KEY-----"


@pytest.mark.parametrize(
    ("variables", "output", "shown"),
    [
        ({"NPM_TOKEN": "abcd1234"}, "a abcd1234 b abcd1234", f"a {MASK} b {MASK}"),
        ({"NPM_TOKEN": "abc1234"}, "abc1234", "abc1234"),
        ({"my_Secret_name": "abcd1234", "DB_PASSWD": "efgh5678"}, "abcd1234efgh5678", MASK * 2),
        ({"SSH_PASSPHRASE": "abcd1234", "AWS_CREDENTIALS": "efgh5678"}, "abcd1234\nefgh5678", f"{MASK}\n{MASK}"),
        ({"ApiKey": "abcd1234", "FTP_PASS": "efgh5678"}, "abcd1234\tefgh5678", f"{MASK}\t{MASK}"),
        ({"HOME_DIR": "abcd1234", "COMPASS": "efgh5678"}, "abcd1234 efgh5678", "abcd1234 efgh5678"),
        ({"PWD": "/opt/shop", "OLDPWD": "/opt/other"}, "/opt/shop /opt/other", "/opt/shop /opt/other"),
        ({"A_TOKEN": "abcd1234", "B_TOKEN": "xxabcd1234yy"}, "xxabcd1234yy abcd1234", f"{MASK} {MASK}"),
        ({"A_TOKEN": "abcd1234", "B_TOKEN": "1234efgh"}, "-abcd1234efgh-", f"-{MASK}-"),
        ({"A_TOKEN": "aaaaaaaa"}, "a" * 19, MASK),
        ({"A_TOKEN": ".*+?^${}()|[]\\"}, "x.*+?^${}()|[]\\x xxxxxxxx", f"x{MASK}x xxxxxxxx"),
        ({"A_TOKEN": "$&abcd1234"}, "x$&abcd1234", f"x{MASK}"),
        ({"A_TOKEN": 'ab"cd\\1234'}, '{"token":"ab\\"cd\\\\1234"}', f'{{"token":"{MASK}"}}'),
        ({"A_TOKEN": "abcd1234"}, "\x1b[31mabcd1234\x1b[0m\r\n", f"\x1b[31m{MASK}\x1b[0m\r\n"),
        ({"A_TOKEN": "schlüssel✓😀"}, "é schlüssel✓😀 é", f"é {MASK} é"),
        ({"A_TOKEN": "abcd1234\n"}, "abcd1234 abcd1234\n", f"{MASK} {MASK}"),
        ({"A_TOKEN": "        "}, "        indented", "        indented"),
        ({"SSH_KEY": KEY}, KEY, MASK),
        ({"SSH_KEY": KEY}, KEY.replace("\r\n", "\n"), MASK),
        ({"SSH_KEY": KEY.replace("\r\n", "\n")}, KEY, MASK),
        ({"SSH_KEY": KEY}, json.dumps(KEY), f'"{MASK}"'),
        ({"SSH_KEY": KEY}, "  c2VjcmV0IGxpbmU= short", f"  {MASK} short"),
    ],
)
def test_masking(workspace: Workspace, variables: dict[str, str], output: str, shown: str) -> None:
    """What a variable with a telling name holds, from 8 characters on, is masked in whatever form it is printed."""
    _, task, _ = workspace.record(printing(output), variables)
    assert task["output"] == shown


def test_masking_of_the_command(workspace: Workspace) -> None:
    """The command line is masked as well: a word that quoting would change, and a secret passed as several words."""
    argv = ["node", "nx", "run", "a:b", "--one=it's a secret", "a", "long", "pass", "--two=abcd1234"]
    secrets = {"ONE_SECRET": "it's a secret", "PASSPHRASE": "a long pass", "TWO_TOKEN": "abcd1234"}
    run, _ = workspace.record({"argv": argv}, secrets)
    assert run["command"] == f"nx run a:b '--one={MASK}' {MASK} '--two={MASK}'"


def test_masking_across_slices(workspace: Workspace) -> None:
    """A large output stays as it is, secrets aside, wherever it is cut to be encoded."""
    piece = 'é😀"\\\n\r\x1b[1m\x01 plain text of some length ' * 37 + "abcd1234"
    expression = (
        f"{{workspaceRoot: root, taskResults: {{a: {{terminalOutput: 'x' + {json.dumps(piece)}.repeat(12000)}}}}}}"
    )
    workspace.call(expression, {"A_TOKEN": "abcd1234"})
    ((_, task, _),) = workspace.records()
    same = task["output"] == "x" + piece.replace("abcd1234", MASK) * 12_000  # more than can be shown where they differ
    assert same


@pytest.mark.parametrize("shift", [0, 3, 4, 7])
def test_long_output(workspace: Workspace, shift: int) -> None:
    """Of a very long output the beginning and the end are kept; of a secret across either edge nothing is left."""
    left, right = HEAD - 4 - shift, TAIL - 4 - shift  # the edges lie so far, and four characters, within the secrets
    expression = f"""{{workspaceRoot: root, taskResults: {{a: {{terminalOutput:
        '<'.repeat({left}) + 'abcd1234' + '-'.repeat({LONGEST}) + 'abcd1234' + '>'.repeat({right})}}}}}}"""
    workspace.call(expression, {"A_TOKEN": "abcd1234"})
    ((_, task, _),) = workspace.records()
    beyond = shift - 4  # characters between a secret and the edge
    head, tail = ("", "") if beyond < 0 else (MASK + "-" * beyond, "-" * beyond + MASK)
    same = task["output"] == "<" * left + head + tail + ">" * right
    assert same
    assert task["leftOut"] == 16 + LONGEST - len(head + tail)


def test_output_of_the_longest_length(workspace: Workspace) -> None:
    """Up to the limit an output is whole, and says nothing of what is left out."""
    workspace.call(f"{{workspaceRoot: root, taskResults: {{a: {{terminalOutput: 'x'.repeat({LONGEST})}}}}}}")
    ((_, task, _),) = workspace.records()
    assert len(task["output"]) == LONGEST
    assert "leftOut" not in task


@pytest.mark.parametrize(
    "context",
    [
        "undefined",
        "null",
        "{}",
        "{workspaceRoot: 5}",
        "{workspaceRoot: 'relative'}",
        "{workspaceRoot: root + '/no/such/folder', taskResults: {}}",
        "{workspaceRoot: '/proc', taskResults: {}}",  # nobody may write there, root neither
        "{get workspaceRoot() { throw new Error('no') }}",
        "{workspaceRoot: root, taskResults: {a: {get status() { throw new Error('no') }}}}",
    ],
)
def test_nothing_to_record(workspace: Workspace, context: str) -> None:
    """Without a workspace, or with results that throw, nothing is recorded, and nothing half written stays."""
    workspace.call(context)
    assert not workspace.folder.exists() or workspace.names() == []
    assert [path.name for path in workspace.root.iterdir()] in ([], [".nx-report"])


@pytest.mark.parametrize(
    "result",
    [
        "undefined",
        "null",
        "5",
        "'text'",
        "[]",
        "{task: null, status: {}, code: '1', terminalOutput: 5}",
        "{task: 'text', status: undefined, code: 10n, terminalOutput: Symbol('x')}",
        "{task: {id: 7, target: 'x', startTime: NaN, endTime: 1e300, hash: {}, projectRoot: []}, code: Infinity}",
        "{status: '__proto__', code: -1, task: {target: {project: null}}}",
        "(() => { const it = {status: 'failure'}; it.task = it; it.terminalOutput = it; return it; })()",
        "{terminalOutput: 'lone \\ud83d'}",
        "{terminalOutput: 'x'.repeat(536870000)}",
        "{task: {id: 'i'.repeat(5e6)}}",
    ],
)
def test_hostile_result(workspace: Workspace, result: str) -> None:
    """Values that no Nx hands over are left out, one by one; the other tasks are recorded."""
    good = "{status: 'success', code: 0, terminalOutput: 'fine'}"
    workspace.call(f"{{workspaceRoot: root, argv: [5, null], taskResults: {{bad: {result}, good: {good}}}}}")
    ((run, bad, task, _),) = workspace.records()
    assert run["command"] is None
    assert bad["id"] == "bad" or len(bad["id"]) == 5_000_000
    assert (task["id"], task["status"], task["output"]) == ("good", "success", "fine")


def test_writers_at_once(workspace: Workspace) -> None:
    """Commands that end at the same time leave a whole record each."""
    variables = {"BITBUCKET_BUILD_NUMBER": "417"}
    context = "{workspaceRoot: root, taskResults: {a: {terminalOutput: 'line\\n'.repeat(200000)}}}"
    processes = [workspace.start(context, variables) for _ in range(6)]
    assert [(*each.communicate(), each.returncode) for each in processes] == [("", "", 0)] * 6
    records = list(workspace.records())
    assert len(records) == 6
    assert {lines[1]["output"] for lines in records} == {"line\n" * 200_000}


def _as_file(path: Path) -> None:
    path.write_text("mine")


def _as_link(path: Path) -> None:
    (path.parent.parent / "elsewhere").mkdir()
    path.symlink_to(path.parent.parent / "elsewhere")


def _as_dangling_link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "nowhere")


@pytest.mark.parametrize("make", [_as_file, _as_link, _as_dangling_link])
def test_no_folder_to_write_to(workspace: Workspace, make: Callable[[Path], None]) -> None:
    """Where a file or a link stands in the folder's place it is left alone, and nothing is written behind it."""
    make(workspace.folder)
    before = sorted(workspace.root.parent.rglob("*"))
    workspace.call("{workspaceRoot: root, taskResults: {}}")
    assert sorted(workspace.root.parent.rglob("*")) == before


def test_gitignore_is_left_alone(workspace: Workspace) -> None:
    """A .gitignore that is there already stays as it is."""
    workspace.folder.mkdir()
    (workspace.folder / ".gitignore").write_text("mine\n")
    workspace.record({})
    assert (workspace.folder / ".gitignore").read_text() == "mine\n"


@pytest.mark.parametrize("limit", [0, 1, 100_000, 1_500_000])
def test_full_disk(workspace: Workspace, limit: int) -> None:
    """A disk that is full, from the first byte on or in the middle of a record, leaves nothing half written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        workspace.call("{workspaceRoot: root, taskResults: {a: {terminalOutput: 'line\\n'.repeat(400000)}}}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in workspace.folder.iterdir()] == ([".gitignore"] if limit > 1 else [])


def test_local_records_do_not_pile_up(workspace: Workspace) -> None:
    """Without a build the newest five records are kept; other files, links and builds' records are not touched."""
    workspace.folder.mkdir()
    others = ["417-0-0-a.jsonl", "local-0-0-a.jsonl.part", "local-notes.txt", "notlocal-0-0-a.jsonl"]
    for name in others:
        (workspace.folder / name).write_text("mine")
    old = [f"local-0-0-{number}.jsonl" for number in range(7)]
    for number, name in enumerate(old):
        (workspace.folder / name).write_text("old")
        os.utime(workspace.folder / name, (number, number))
    (workspace.folder / "local-0-0-link.jsonl").symlink_to(workspace.folder / "local-notes.txt")
    workspace.call("{workspaceRoot: root, taskResults: {}}")
    left = set(workspace.names()) - {*others, "local-0-0-link.jsonl"}
    assert len(left) == 5
    assert left & set(old) == set(old[3:])
    assert {*others, "local-0-0-link.jsonl"} <= set(workspace.names())


def test_records_of_builds_are_all_kept(workspace: Workspace) -> None:
    """A build's step may run any number of commands."""
    for _ in range(7):
        workspace.call("{workspaceRoot: root, taskResults: {}}", {"BITBUCKET_BUILD_NUMBER": "417"})
    assert len(workspace.names()) == 7


def hit(hash_: str, status: str = "local-cache", start: int = 1) -> Json:
    """Give a context of one task without output, as Nx up to 21 hands over a cache hit."""
    return {"taskResults": {"a:b": {"status": status, "task": {"hash": hash_, "startTime": start}}}}


@pytest.mark.parametrize(
    ("context", "output"),
    [
        (hit("123"), f"of the cache, {MASK}"),
        (hit("123", "remote-cache"), f"of the cache, {MASK}"),
        (hit("123", "failure"), f"of the cache, {MASK}"),
        (hit("123", "failure", 32503680000000), None),
        (hit("123", "skipped"), None),
        (hit("123", "stopped"), None),
        (hit("../123"), None),
        (hit("124"), None),
        (hit("folder"), None),
        (hit("link"), None),
        (hit("fifo"), None),
    ],
)
@pytest.mark.parametrize("cache", [".nx/cache", "elsewhere"])
def test_output_from_the_cache_directory(workspace: Workspace, cache: str, context: Json, output: str | None) -> None:
    """An output that Nx did not hand over is read from its cache directory: a file of that hash, and nothing else.

    A file older than a failure is another run's.
    """
    outputs = workspace.root / cache / "terminalOutputs"
    (outputs / "folder").mkdir(parents=True)
    (outputs / "123").write_text("of the cache, abcd1234")
    (outputs.parent / "123").write_text("outside")
    (outputs / "link").symlink_to(outputs / "123")
    os.mkfifo(outputs / "fifo")
    variables = {"A_TOKEN": "abcd1234"}
    if cache == "elsewhere":
        variables["NX_CACHE_DIRECTORY"] = cache
    _, task, _ = workspace.record(context, variables)
    assert task["output"] == output


def task(id_: str, **more: object) -> Json:
    """Give a result of a task as Nx hands it over; more is of the task."""
    project, target, *configuration = id_.split(":")
    names = {"project": project, "target": target, **dict(zip(["configuration"], configuration, strict=False))}
    return {"status": "success", "code": 0, "task": {"id": id_, "target": names, **more}}


def results(*tasks: Json) -> Json:
    """Give a context of these results."""
    return {"taskResults": {each["task"]["id"]: each for each in tasks}}


@pytest.mark.parametrize(
    ("result", "nx_json", "cacheable"),
    [
        (task("a:b", cache=True), {}, True),
        (task("a:b", cache=False), {}, False),
        (task("a:b"), {}, False),
        (task("a:b"), None, None),
        (task("a:b", cache="yes"), None, None),
        (task("a:b"), {"tasksRunnerOptions": {"default": {"options": {"cacheableOperations": ["b"]}}}}, True),
        (task("a:b"), {"tasksRunnerOptions": {"default": {"options": {"cacheableTargets": ["b"]}}}}, True),
        (task("a:b"), {"tasksRunnerOptions": {"default": {"options": {"cacheableOperations": ["c"]}}}}, False),
        (task("a:b"), {"tasksRunnerOptions": {"default": None}}, False),
        ({**task("a:b"), "status": "local-cache"}, None, True),
    ],
)
def test_cacheable(workspace: Workspace, result: Json, nx_json: Json | None, *, cacheable: bool | None) -> None:
    """Whether Nx may cache a task: the task says it, else nx.json does up to 22, and a cache hit always was."""
    _, recorded, _ = workspace.record({**results(result), "nxJsonConfiguration": nx_json})
    assert recorded["cacheable"] is cacheable


@pytest.mark.parametrize(("told", "continuous"), [(True, True), (False, False), (None, None), ("yes", None)])
def test_continuous(workspace: Workspace, told: object, *, continuous: bool | None) -> None:
    """Whether a task runs until it is stopped is what Nx says."""
    _, recorded, _ = workspace.record(results(task("a:serve", continuous=told)))
    assert recorded["continuous"] is continuous


def graph(projects: dict[str, list[str]], targets: dict[str, Json]) -> str:
    """Give a project graph as Nx writes it: what each project depends on, and its targets."""
    nodes = {
        name: {"name": name, "type": "lib", "data": {"root": f"packages/{name}", "targets": targets.get(name, {})}}
        for name in projects
    }
    edges = {name: [{"source": name, "target": other} for other in others] for name, others in projects.items()}
    return json.dumps({"nodes": nodes, "dependencies": edges})


def waits(workspace: Workspace, content: str, *ids: str, variables: dict[str, str] | None = None) -> Json:
    """Record a command of these tasks with that project graph, and give each one's dependencies."""
    folder = workspace.root / ".nx/workspace-data"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "project-graph.json").write_text(content)
    _, *tasks, _ = workspace.record(results(*(task(each, continuous="serve" in each) for each in ids)), variables)
    return {each["id"]: each["dependencies"] for each in tasks}


BUILD: Json = {"build": {"dependsOn": ["^build"]}}


def test_dependencies(workspace: Workspace) -> None:
    """A task waits for its own project's targets, for those of projects that its project depends on, and for no others.

    A project without the target is passed through, as is a configuration; tasks that were not part of the command, npm
    packages and continuous tasks are not waited for.
    """
    targets = {
        "core": BUILD,
        "cart": BUILD,
        "web": {**BUILD, "test": {"dependsOn": ["build", {"target": "lint"}]}, "lint": {}},
        "e2e": {"run": {"dependsOn": [{"target": "build", "dependencies": True}, "serve"]}, "serve": {}},
    }
    projects = {"core": ["npm:react"], "util": ["core"], "cart": ["util"], "web": ["cart", "util"], "e2e": ["web"]}
    ids = ["core:build", "cart:build:ci", "web:build", "web:test", "e2e:run", "e2e:serve"]
    assert waits(workspace, graph(projects, targets), *ids) == {
        "core:build": [],
        "cart:build:ci": ["core:build"],
        "web:build": ["cart:build:ci", "core:build"],
        "web:test": ["web:build"],
        "e2e:run": ["web:build"],
        "e2e:serve": [],
    }


CIRCLE = graph({"a": ["b"], "b": ["c"], "c": ["b", "d"], "d": []}, {"a": BUILD, "d": BUILD})
PAIR = graph({"a": ["d"], "d": []}, {"a": BUILD, "d": BUILD})


@pytest.mark.parametrize(
    ("content", "variables", "of_a", "of_d"),
    [
        (PAIR, None, ["d:build"], []),
        (PAIR, {"NX_CACHE_PROJECT_GRAPH": "false"}, None, None),
        (CIRCLE, None, None, []),
        (graph({"d": []}, {"d": BUILD}), None, None, []),
        (PAIR.replace('["^build"]', '["b*"]'), None, None, None),  # a pattern, and no Nx to expand it
        (PAIR.replace('["^build"]', "[null]"), None, None, None),
        (PAIR.replace('["^build"]', '{"build": 5}'), None, None, None),
        (PAIR.replace('"target": "d"', '"target": "__proto__"'), None, [], []),
        (PAIR[:-9], None, None, None),
        ("", None, None, None),
        ("null", None, None, None),
        ("[" * 100_000, None, None, None),
    ],
)
def test_dependencies_that_are_not_known(
    workspace: Workspace, content: str, variables: dict[str, str] | None, of_a: list[str] | None, of_d: list[str] | None
) -> None:
    """What does not follow from the graph of this command is null, and the record has everything else."""
    assert waits(workspace, content, "a:build", "d:build", variables=variables) == {"a:build": of_a, "d:build": of_d}


def test_dependencies_are_bounded(workspace: Workspace) -> None:
    """Of a graph in which everything depends on everything only so many dependencies are recorded; the rest is null."""
    names = [f"p{number}" for number in range(700)]
    projects = {name: names[:number] for number, name in enumerate(names)}
    found = waits(workspace, graph(projects, dict.fromkeys(names, BUILD)), *(f"{name}:build" for name in names))
    known = [each for each in found.values() if each is not None]
    assert [len(each) for each in known] == list(range(len(known)))
    assert 190_000 < sum(map(len, known)) <= 200_000


def test_no_project_graph(workspace: Workspace) -> None:
    """Where a pipe stands in the graph's place nothing waits for it, and dependencies are null."""
    folder = workspace.root / ".nx/workspace-data"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "project-graph.json")
    _, recorded, _ = workspace.record(results(task("a:build")))
    assert recorded["dependencies"] is None


def test_dependencies_that_nx_hands_over(workspace: Workspace) -> None:
    """Where Nx hands over its graph of tasks that counts, with ids or with objects as the edges."""
    told = {"a:test": ["a:build", {"id": "b:build"}], "a:build": []}
    context = {**results(task("a:test"), task("a:build"), task("a:lint")), "taskGraph": {"dependencies": told}}
    _, *tasks, _ = workspace.record(context)
    assert [each["dependencies"] for each in tasks] == [["a:build", "b:build"], [], None]


def test_times_where_nx_gives_none(workspace: Workspace) -> None:
    """Without Nx's own times a run starts with its first task and ends when it is recorded."""
    tasks = {name: {"task": {"startTime": start}} for name, start in (("a", 2000), ("b", 1000), ("c", None))}
    run, *_ = workspace.record({"taskResults": tasks})
    assert run["start"] == 1000
    assert run["end"] >= workspace.folder.stat().st_mtime_ns // 10**6 - 1000


def test_package(tmp_path: Path) -> None:
    """The package holds what its README names and nothing else, and needs no other package."""
    pack = ["npm", "pack", "--json", "--pack-destination", str(tmp_path)]
    (packed,) = json.loads(subprocess.run(pack, cwd=FOLDER, capture_output=True, check=True).stdout)
    files = {file["path"] for file in packed["files"]}
    assert files == {"LICENSE", "README.md", "index.js", "package.json", "record.schema.json"}
    manifest = json.loads((FOLDER / "package.json").read_text())
    assert (manifest["name"], manifest["license"]) == ("nx-report-recorder", "Apache-2.0")
    assert not {"dependencies", "peerDependencies", "optionalDependencies", "scripts"} & set(manifest)
    assert (FOLDER / "LICENSE").read_text() == (FOLDER.parent / "LICENSE").read_text()
