"""The recipes of the README for Data Center, as they are printed: run with the image against the sandbox's Data Center.

What each CI does itself is not run, as none of them is here.

- Jenkins: its `sh` steps are run, with the variables that a build has. That it reads the Jenkinsfile so is held to
  Groovy's grammar and to the names of the blocks alone. The scripted pipeline is read only.
- Bamboo: the script is run. When the task runs, and that the plan's variable gets there, is not.
- TeamCity: both command lines are run. That a message sets a parameter for the next step is done here as its manual
  says; that the last step is always executed is not tried.
- nx and npm do not run: what nx leaves is a captured run.

Stand-ins on the PATH change what a line means as little as can be: the containers get the host's network, where the
sandbox is, and `id` names a user who is not root, as agents have one.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from groovy_parser.parser import parse_and_digest_groovy_content
from lark.exceptions import LarkError

from test.acceptance import container
from test.command import Ran, execute
from test.conftest_tools import need
from test.sandbox.seed import HEAD
from test.unit.test_ci import BAMBOO, BRANCH_SOURCE, COMMIT, PLAIN_GIT, SERVER, TEAMCITY_RECIPE
from test.workspaces import lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from test.sandbox import Sandbox

README = (container.ROOT / "README.md").read_text()
USER = os.geteuid() or 12345
CHECKS = ("pipeline", "stages", "stage", "steps")
REPORT = ("pipeline", "post", "always", "withCredentials", "withEnv")
TOOLS = {
    "docker": 'if [ "$1" = run ]; then shift; set -- run --network=host "$@"; fi\nexec "$DOCKER" "$@"',
    "id": f'case "$1" in -u | -g) echo {USER} ;; *) exit 1 ;; esac',
    "git": f'[ "$*" = "rev-parse HEAD" ] && echo {HEAD}',
    "hostname": 'echo "$AGENT"',
    "npm": '[ "$*" = ci ]',
    # One task has failed, and its record is where the recipe says.
    "npx": '[ "$NX_CACHE_DIRECTORY: $*" = "$PWD/.nx/cache: nx run-many -t lint test build" ] && exit 1\nexit 99',
}


# --- the README -------------------------------------------------------------------------------------------------------


def snippets(heading: str, language: str) -> list[str]:
    """What the README prints in that language below a heading; what is part of a list is less indented."""
    (section,) = re.findall(rf"^### {heading}\n(.*?)(?=^##)", README, re.MULTILINE | re.DOTALL)
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", section, re.MULTILINE | re.DOTALL)
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def shell_steps(node: Mapping[str, Any], blocks: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The text of each `sh` step in a parsed Jenkinsfile, with the names of the blocks that it is in."""
    if node.get("rule", ())[-1:] == ["command_expression"]:  # one with arguments
        blocks = (*blocks, next(names(node)))
    if node.get("leaf") == "STRING_LITERAL" and blocks[-1:] == ("sh",):
        # Groovy itself joins lines that end in a backslash.
        yield blocks[:-1], node["value"].replace("\\\n", "")
    for child in node.get("children", ()):
        yield from shell_steps(child, blocks)


def names(node: Mapping[str, Any]) -> Iterator[str]:
    """All names below a node, in their order."""
    if node.get("leaf") == "IDENTIFIER":
        yield node["value"]
    for child in node.get("children", ()):
        yield from names(child)


def jenkinsfile() -> dict[tuple[str, ...], str]:
    """The `sh` steps of the README's Jenkinsfile."""
    text, _ = snippets("Jenkins", "groovy")
    return dict(shell_steps(parse_and_digest_groovy_content(text)))


def test_jenkinsfile() -> None:
    """The Jenkinsfile is Groovy: what nx runs is in a stage, and the report is in what always comes after all."""
    steps = jenkinsfile()
    assert list(steps) == [CHECKS, REPORT]
    assert "npx nx run-many" in steps[CHECKS]
    assert "docker run" in steps[REPORT]


def test_scripted_pipeline() -> None:
    """The other pipeline is Groovy too, and both parts of it have the variables of the checkout."""
    _, text = snippets("Jenkins", "groovy")
    tree = parse_and_digest_groovy_content(text)
    assert list(shell_steps(tree)) == [(("node", "withEnv"), "npm ci && npx nx run-many -t lint test build")]
    assert list(names(tree))[-1] == "echo"
    assert re.search(r"\} finally \{\n +echo '", text)


@pytest.mark.parametrize(("old", "new"), [("post {", "post"), ("withEnv([", "withEnv("), ("\n}\n", "\n")])
def test_a_broken_jenkinsfile_is_refused(old: str, new: str) -> None:
    """What is missing a brace or a bracket does not pass for Groovy."""
    text, _ = snippets("Jenkins", "groovy")
    assert old in text
    with pytest.raises(LarkError):
        parse_and_digest_groovy_content(text.replace(old, new))


# --- the agent --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def image() -> str:
    """Build the image once, under the name that the README gives it."""
    need("engine")
    container.build()
    (image,) = set(re.findall(r"nxreport/nx-report:[\w.]+", README))
    tagged = execute(["docker", "tag", container.IMAGE, image], container.ROOT, os.environ)
    assert tagged.code == 0, tagged.printed
    return str(image)


class Agent:
    """A machine of a CI, with a workspace in which a captured run with one failed task has ended."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox, self.clone, self.tools = sandbox, lay_out(folder / "clone", "24.0.6", log=False), folder / "tools"
        self.name = f"nx-report-test-{os.getpid()}"
        self.token = sandbox.http_token.token
        self.tools.mkdir()
        for name, text in TOOLS.items():
            (self.tools / name).write_text(f"#!/bin/sh\n{text}\n")
            (self.tools / name).chmod(0o755)
        if not os.geteuid():
            for path in (self.clone, *self.clone.rglob("*")):
                os.chown(path, USER, USER)

    def shell(self, script: str, environ: Mapping[str, str], *options: str) -> Ran:
        """Run a script of the README as its CI does, with the sandbox for the Bitbucket that it names."""
        engine = {name: text for name, text in os.environ.items() if name in ("HOME", "DOCKER_HOST", "CONTAINERS_CONF")}
        environ = {
            **engine,
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "DOCKER": str(shutil.which("docker")),
            "AGENT": self.name,
            **environ,
        }
        script = script.replace(SERVER, self.sandbox.server_url)
        return execute(["sh", *options, "-c", script], self.clone, environ)

    def as_on(self, environ: Mapping[str, str], **own: str) -> dict[str, str]:
        """A CI's variables, in a build of the sandbox's pull request on this machine."""
        here = {SERVER: self.sandbox.server_url, COMMIT: HEAD}
        if "WORKSPACE" in environ:
            own["WORKSPACE"] = str(self.clone)
        replaced = dict(environ)
        for old, new in here.items():
            replaced = {name: text.replace(old, new) for name, text in replaced.items()}
        return replaced | own

    def assert_reported(self, ran: Ran) -> None:
        """Check what stands on the pull request, who owns what is left here, and that nobody has seen the token."""
        (comment,) = (one.raw for one in self.sandbox.pull_request.visible_comments)
        assert "1 of 15 tasks failed" in comment.partition("\n")[0], ran.printed
        assert "`cart:test`" in comment
        (status,) = self.sandbox.repository.statuses_of_pull_request(self.sandbox.pull_request)
        assert (status.state, status.more["parent"], status.refname) == ("FAILED", "nx", "feature/cart-totals")
        assert self.token not in ran.printed
        left = list(self.clone.rglob("*"))
        assert self.clone / ".nx-report" / "report.html" in left
        assert {path.stat().st_uid for path in left} == {USER}
        assert not any(self.token.encode() in path.read_bytes() for path in left if path.is_file())


@pytest.fixture
def agent(image: str, sandbox: Sandbox, tmp_path: Path) -> Agent:
    """A machine of a CI, which has the image."""
    assert image
    return Agent(sandbox, tmp_path)


# --- the recipes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("-e",)], ids=["sh", "sh-e"])
def test_any_other_ci(agent: Agent, options: tuple[str, ...]) -> None:
    """The script reports, by the branch's open pull request, and ends as nx did, in either kind of shell."""
    (script,) = snippets("Any other CI", "sh")
    ran = agent.shell(script, {"BITBUCKET_ACCESS_TOKEN": agent.token}, *options)
    assert ran.code == 1, ran.printed
    agent.assert_reported(ran)


def test_jenkins(agent: Agent) -> None:
    """A multibranch job knows its pull request; after the failed stage the report says so."""
    steps = jenkinsfile()
    environ = agent.as_on(BRANCH_SOURCE)
    ran = agent.shell(steps[CHECKS], environ, "-xe")
    assert ran.code == 1, ran.printed
    environ |= {"EXIT_CODE": "FAILURE", "BITBUCKET_ACCESS_TOKEN": agent.token}
    ran = agent.shell(steps[REPORT], environ, "-xe")
    assert ran.code == 0, ran.printed
    assert re.search(r"pull request +17 +from CHANGE_ID", ran.printed)
    assert re.search(r"exit code +FAILURE +from EXIT_CODE", ran.printed)
    agent.assert_reported(ran)


def test_jenkins_without_a_pull_request(agent: Agent) -> None:
    """A job with the git plugin alone reports on the open pull request of its branch."""
    environ = agent.as_on(
        PLAIN_GIT,
        GIT_URL="ssh://git@bitbucket.example.com:7999/acme/shop.git",
        GIT_BRANCH="origin/feature/cart-totals",
        GIT_COMMIT=HEAD,
        EXIT_CODE="FAILURE",
        BITBUCKET_ACCESS_TOKEN=agent.token,
    )
    ran = agent.shell(jenkinsfile()[REPORT], environ, "-xe")
    assert ran.code == 0, ran.printed
    agent.assert_reported(ran)


def test_jenkins_in_a_container(agent: Agent) -> None:
    """A Jenkins that is a container lends its volume, by the other line that the README has."""
    (line,) = snippets("Jenkins", "sh")
    script = jenkinsfile()[REPORT]
    mounted = '-v "$WORKSPACE:$WORKSPACE" -w "$WORKSPACE" '
    assert mounted in script
    environ = agent.as_on(BRANCH_SOURCE, EXIT_CODE="FAILURE", BITBUCKET_ACCESS_TOKEN=agent.token)
    volume = f"{agent.clone}:{agent.clone}"
    made = ["docker", "create", "--network=host", f"--name={agent.name}", f"--volume={volume}", container.IMAGE]
    created = execute(made, container.ROOT, os.environ)
    assert created.code == 0, created.printed
    try:
        ran = agent.shell(script.replace(mounted, line.rstrip("\\\n")), environ, "-xe")
    finally:
        execute(["docker", "rm", agent.name], container.ROOT, os.environ)
    assert ran.code == 0, ran.printed
    agent.assert_reported(ran)


def test_bamboo(agent: Agent) -> None:
    """The final task of a plan branch of a pull request, in a build that has failed."""
    (script,) = snippets("Bamboo", "sh")
    environ = agent.as_on(
        BAMBOO,
        bamboo_build_working_directory=str(agent.clone),
        bamboo_buildFailed="true",
        bamboo_planRepository_repositoryUrl="ssh://git@bitbucket.example.com:7999/acme/shop.git",
        bamboo_planRepository_revision=HEAD,
        bamboo_planRepository_branchName="feature/cart-totals",
        bamboo_repository_pr_key="17",
        bamboo_repository_pr_sourceBranch="feature/cart-totals",
        bamboo_bitbucket_token_secret=agent.token,
    )
    ran = agent.shell(script, environ, "-e")
    assert ran.code == 0, ran.printed
    assert re.search(r"pull request +17 +from bamboo_repository_pr_key", ran.printed)
    agent.assert_reported(ran)


@pytest.mark.parametrize("options", [(), ("-e",)], ids=["sh", "sh-e"])
def test_teamcity(agent: Agent, options: tuple[str, ...]) -> None:
    """The first step ends as nx did and tells the next one, which reports on the pull request of its branch."""
    checks, report = snippets("TeamCity", "sh")
    environ = agent.as_on(TEAMCITY_RECIPE, BITBUCKET_ACCESS_TOKEN=agent.token)
    ran = agent.shell(checks, environ, *options)
    assert ran.code == 1, ran.printed
    message = r"^##teamcity\[setParameter name='env\.(\w+)' value='(\d+)'\]$"
    (parameter,) = re.findall(message, ran.printed, re.MULTILINE)
    assert parameter == ("EXIT_CODE", "1")
    ran = agent.shell(report, environ | dict([parameter]), *options)
    assert ran.code == 0, ran.printed
    assert re.search(r"pull request +17 +from SOURCE_BRANCH", ran.printed)
    agent.assert_reported(ran)
