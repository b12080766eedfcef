"""What Nx prints, versions 16 to 24: the lines that only it prints, and the words in them.

The texts are those of `utils/output` and `tasks-runner` (https://github.com/nrwl/nx, packages/nx/src), as the captures
of test/data/printed show them. Where a text is not in all versions, those that have it are named.
"""

from __future__ import annotations

import re

from pipe.model import CacheStatus
from pipe.terminal import strip_escapes

LONGEST_LINE = 4096  # bytes; a longer line is none of Nx's, and of a longer one no more is looked at

# A task's header: `> nx run cart:test  [local cache]`. From 23 on, and with a terminal, a task that succeeded has a
# tick instead, and with a terminal one that failed has a cross. Arguments can follow the task.
HEADER = re.compile(r"^(?P<icon>>|\s*[✔✖])\s+nx run (?P<id>\S+:\S+)(?P<rest>.*)$")
# Lerna, which runs its scripts with Nx, has a badge and headers of its own (8.2: `> web:build`).
LERNA = b"Lerna (powered by Nx) "
LERNA_HEADER = re.compile(r"^(?P<icon>>) (?P<id>[^\s:]+:\S+)(?P<rest>.*)$")
TICK = "✔"
CROSS = "✖"
CACHES = {
    "[local cache]": CacheStatus.LOCAL,
    "[remote cache]": CacheStatus.REMOTE,
    "[existing outputs match the cache, left as is]": CacheStatus.LOCAL,
}

# Nx's badge: ` NX   Running target test for project cart:`; 16 and 17 have `>  NX   ...`.
BADGE = re.compile(r"^(?:> *)?(?:NX|Lerna \(powered by Nx\))\s+(?P<title>\S.*)$")
# An error's badge, where colours are on: red letters, or letters on red.
RED_BADGES = (b"\x1b[31m NX ", b"\x1b[31mNX", b"\x1b[41m")
YELLOW_BADGES = (b"\x1b[33m NX ", b"\x1b[33mNX", b"\x1b[43m")

# A run's start is `Running ...:`, with a terminal `Running ...`; the rest are ends. `Cancelled ...`: 21 and 22,
# `did not complete`: 23 on, `No projects ...` up to 18.
START_OR_END = re.compile(
    r"^(?P<verb>Running|Ran|Successfully ran|Cancelled while running|Cancelled running|No projects with) "
    r"targets? (?P<targets>.+?) for (?:project (?P<project>\S+?)|(?P<count>\d{1,9}) projects?)"
    r"(?: and (?P<more>\d+) (?:task\(s\)|tasks?) (?:it depends|they depend) on)?"
    r"(?P<end>:| failed| did not complete| were run)?(?: \((?P<time>[^()]+)\))?$"
)
NO_PROJECTS = "No projects with"
NO_TASKS = "No tasks were run"  # from 19 on
FLAKY = "Nx detected "  # `Nx detected a flaky task`, from 19 on
RECORDED = "Nx Cloud: Successfully recorded"  # `nx-cloud record`

# A run whose tasks Nx Cloud's agents run: what the main job prints before Nx's own end, with the link.
DISTRIBUTED = "Starting distributed command execution"
DISTRIBUTED_SUCCESS = "Successfully completed running the command."
DISTRIBUTED_ENDS = (DISTRIBUTED_SUCCESS, "Command execution failed.", "Unable to complete a run.")
# A failed task in Nx Cloud's table, whose frame is taken off; its link follows.
ROW = re.compile(r"^✖\s+(?P<id>[^\s:]+:\S+)\s+\d[\d.]*\s?(?:ms|h|m|s)\b")
ROW_LOGS = re.compile(r"^> (?:Task )?[Ll]ogs: https?://")

# The block under an end. `Tasks stopped`: 23 on. Runs of one target count the failed and name them only if several.
FAILED_TASKS = "Failed tasks:"
NOT_RUN_TASKS = "Tasks not run because"
STOPPED_TASKS = "Tasks stopped before"
COUNTS = re.compile(r"^\S+\s+(?P<some>\d{1,9})/(?P<all>\d{1,9})\s+(?:targets )?(?P<word>failed|succeeded)\b")
FAILED_ARE_NAMED = "including the following"
FROM_CACHE = re.compile(r"^Nx read the output from the cache instead of running the command for \d+ out of (\d{1,9}) ")
OTHERS_UNDER_AN_END = ("Hint: ", "Output of ", "Cache: ", "With additional flags:", "--")
# The run's report (`performance-report`, from 23 on) begins with its duration.
DURATION = "Run duration"
HITS = re.compile(r"(\d{1,9})/(\d{1,9}) hit \(\d+%\)$")  # else `Skipped (--skip-nx-cache)`
CRITICAL_PATH = re.compile(r"(.+) \((\d{1,9}) tasks?\)$")
TIME = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|h|m|s)")
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}

# Why a task is among the failed though nothing in its own output says so: what Nx adds on stderr, wherever that lands.
# 22.7 to 24 say this of a task that others need and that ends by itself, even with code 0.
_REASON = re.compile(rb'^Task "(?P<task>[^"\n]+)" is continuous but exited with code \d+(?=\r*$)', re.MULTILINE)
# What `nx:run-commands` adds to the output of a command that failed.
NON_ZERO = b"exited with non-zero status code"
EXITED = re.compile(r'^(?:Warning: )?(?:run-commands )?command ".*" exited with non-zero status code')
# What a failing tool's first or last lines have, in lower case.
_FAILURE = (
    b"fail", b"rror", b"non-zero", b"xception", b"assert", b"fatal", b"panic", b"kill", b"not ok", b"terminated",
)  # fmt: skip

# No failure by itself, but the explanation of one that follows.
CLOUD_PROBLEMS = "Nx Cloud Problems"  # under a run's end, in place of the link
WORKSPACE = "Nx Cloud: Workspace "  # `is disabled`, `is unable to be authorized`
CLOUD_TROUBLE = ("Connection to Nx Cloud failed", CLOUD_PROBLEMS, WORKSPACE, "You are not logged into Nx Cloud")
REFUSED = re.compile(r"\(code: 40\d\)$")  # what Nx Cloud says of an unpaid plan, under a run's end
EXITING = "Exiting run"  # where that ends the command
# Titles of Nx's own errors (`output.error` in its sources); where colours are on, red says it for any title.
ERRORS = (
    *CLOUD_TROUBLE,
    "An error occur", "Both project and target", "Cannot find ", "Command failed:", "Configuration ", "Could not ",
    "Daemon process terminated", "Error", "Failed to ", "GenericFailure", "Invalid ", "Missing ", "Multiple projects",
    "No target specified", "Nx cannot find ", "Project ", "Recursive task invocation",
    "Some errors occurred", "Target ", "The current directory isn't part of an Nx workspace", "The following ",
    "The workspace is out of sync", "There was a critical error", "Unable to ", "Unhandled error", "Your --projects",
)  # fmt: skip
# Titles of warnings (`output.warn`) that begin as an error's do: nx goes on. Where colours are on, yellow says it.
WARNINGS = (
    "The following projects do not have a configuration for any of the provided targets",
    "The following files were incompatible with", 'Failed to parse "', "Could not format ",
)  # fmt: skip
ERROR_PARTS = ("circular dependency", "is improperly configured", "should only be run with Nx Cloud")
STACK_HINT = "Pass --verbose to see"  # under an error alone
# An error of a run that has ended: 19 says it when it was terminated.
LATE_ERROR = "No database connection available"
# 16 and 17 say without a badge that there is no such base: under their help, with git's words in the next line.
HELP = b"Find more information and examples at https://nx.dev/"
HELP_ERROR = re.compile(rb"(?<=\nError: )Command failed: git [^\n]*\n[^\n]*")
NOT_NX = ("npm ", "> ", "error Command failed", "ERR", "ELIFECYCLE")  # what package managers say after a command

# A command as shells (`set -x`: `+`; Bitbucket: `+`; others: `$`) and package managers (`$`, `>`) echo it.
COMMAND = re.compile(
    r"^(?:[$>]|\++) +(?P<command>(?:\w+=\S* )*"
    r"(?:(?:node|npx|pnpx|bunx?|yarn|npm|pnpm|exec|run|dlx|x|--?[\w-]+) )*"
    r"(?:\S*/)?(?:nx|lerna|nx-cloud)(?:\.js)?(?:@\S+)?(?: .*)?)$"
)
OTHER_COMMAND = re.compile(r"^(?:\$|\++)\s+(?!tee\b)\S")
# The line before npm's echo of a script: `> app@1.0.0 build`. The echo of `nx run web:build` looks like a header.
NPM_ECHO = re.compile(rb"> (?:@?[\w./-]+@\S+ \S+|[\w:.-]+\s*$)")


def plain(raw: bytes) -> str:
    """One line as plain text, without its margins."""
    return strip_escapes(raw[:LONGEST_LINE].decode("utf-8", "replace")).strip()


def shows_failure(text: bytes) -> bool:
    """Whether a text has a word that failing tools print."""
    text = text.lower()
    for word in _FAILURE:  # noqa: SIM110 - `any` takes twice as long, and this is asked of every output
        if word in text:
            return True
    return False


def reasons(text: bytes) -> dict[str, str]:
    """Find the lines of Nx that say why a task failed, by task."""
    if b" is continuous but exited with code " not in text:  # the pattern alone looks at each line
        return {}
    return {found["task"].decode("utf-8", "replace"): plain(found[0]) for found in _REASON.finditer(text)}


def seconds(text: str) -> float | None:
    """Read a duration as Nx words it: `952ms`, `12.9s`, `1m 5s`, `<1ms`."""
    if text.startswith("<"):
        return 0.0
    parts = TIME.findall(text)
    return round(sum(float(number) * SECONDS[unit] for number, unit in parts), 3) if parts else None
