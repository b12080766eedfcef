"""The telling lines of a failed task: what failed and why, found in its terminal output.

No tool is parsed. Each line is classified by its shape (the head of a failure, a location, a diff, the marked line of a
code frame, a stack frame, a closing count, noise), heads open blocks, details join the open block, and what is most
telling in each block is taken first, in turn. The shapes were learnt from the outputs in test/data/outputs.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from pipe.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Callable

_WIDTH = 200  # characters of a line
_SCANNED = 4_000  # characters of a line that are looked at, unless an error-like word stands further on
_REACH = 15  # so many lines that say nothing end a block
_NEAR = 8  # so far below a place alone on a line its error may follow
_LONGEST_BLOCK = 400  # lines of one failure that are kept
_COMPARED = 100_000  # characters of all titles, up to which one is looked for inside the others

# How telling a line is within its failure; what has no rank is never shown.
_KEY, _WHY, _PROOF, _PLACE, _MORE, _FRAME = range(6)
_RANKS = 6
_PROOFS = 4  # changed lines of a diff that are as telling as the first
_CLOSINGS = 3  # closing counts that are looked at
_CROWD = 3  # with so few lines, or fewer, each failure has at most one

# Where a test's own printing ends, if not at an indentation (0 and more), and where a Python traceback is.
_NOWHERE, _AT_BLANK, _AT_RULE = -1, -2, -3
_OVER = -2


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Telling lines in their order in the output, and how many further ones there were no room for."""

    lines: tuple[str, ...]
    left_out: int


@dataclass(slots=True)
class _Block:
    """One failure: ranks by line number. `title` has a test's or file's name where the head is one."""

    head: int
    title: str = ""
    warning: bool = False
    weak: bool = False
    mark: bool = False  # a line of a list of results; the failure itself may be told elsewhere
    indent: int = 0
    linted: bool = False  # Biome's head, a rule between lines: what follows says whether it is an error
    sourced: bool = False  # pytest's head: arguments and source stand before the error
    ranks: dict[int, int] = field(default_factory=dict)
    header: int = -1  # the line with the file's name, which a chosen line brings along
    needs: dict[int, int] = field(default_factory=dict)  # a caret says nothing without the line above it
    why: int = -1
    traceback: int = _NOWHERE  # indentation of a Python traceback
    proofs: int = 0
    places: int = 0

    @property
    def bare(self) -> bool:
        """Whether it is a name alone."""
        return bool(self.title) and len(self.ranks) == 1


_PATH = r"(?:[A-Za-z]:)?[^\s:()\[\]\"'`|<>=,;][^\s:()\"'`|<>=,;]*"
# Where the tool's name for a level stands before or after the place.
_LEVEL = r"(?:\[?(?:ERROR|error|Error|WARN(?:ING)?|warn(?:ing)?|e|w)\]?:? +)?"

_HEADS = r"""
(?P<noise>
    >\ (?!\d+\ *[|│])\S | \$\ \S | (?:✓|✔|√|PASS\b|ok\ \d|ok\t|\.+$|[=~*#─━⎯-]{5,}$|\#\ Subtest)
  | Warning:\ (?:run-commands\ )?command\ "
  | NX\ {2,}|Node\.js\ v\d|Failed\ tasks:$|Hint:\ run\ |Pass\ --verbose|Ran\ all\ test|Try\ rerunning
  | [✗✖×]\ Build\ failed\ in | ✖\ failing\ tests:$ | \d+\ passing\b | [×✖]\ Some\ errors\ were\ emitted
  | ●\ Console$ | FAIL$ | ❯\ .*\ \(\d+\ tests?\b | ⎯+\[\d+/\d+\]⎯*
  | (?:ERROR|FAILED|BUILD)?:?\ ?["'`].+["'`]\ exited\ with | Exit\ (?:code|status)\b
  | (?:error|lerna\ ERR!|npm\ ERR!|npm\ error)\ (?:Command\ failed\ with|code\ ELIFECYCLE|Lifecycle\ script|errno\b
      |path\b|command\b|workspace\b|location\b|A\ complete\ log|Exit\ status|Failed\ at\ the|This\ is\ probably
      |signal\b
      |in\ workspace|at\ location|To\ see\ a\ list|\ \ npm\ run|Test\ failed\.\ \ See|npm\ run|\ *$)
  | (?:npm\ ERR!|npm\ error)$ | ELIFECYCLE\b | ERR_PNPM_RECURSIVE_RUN | info\ Visit\ | error:\ script\ "
  | Process\ (?:completed|exited)\ with\ | Error:\ Process\ completed\ with | Error\ Context:\ | note:\ run\ with\ `RUST
  | (?:Snapshots|Time|Duration|Start\ at|Seed|Finished\ in)\b
)
|(?P<console>console\.(?:log|error|warn|info|debug|trace)$|std(?:out|err)\ \|\ |-{3,}\ ?Captured\ |-{3,}\ ?generated\ )
|(?P<closing>
    (?:Tests|Test\ Suites|Test\ Files):?\ +.*\b\d+\ failed
  | \d+\ (?:failing|failed)(?:$|,)
  | (?:=+\ )?(?:\d+\ (?:failed|passed|errors?|skipped|warnings?|deselected|xfailed),?\ )+in\ \d
  | [\#ℹ]\ fail\ [1-9]\d*$ | Found\ [1-9]\d*\ (?:errors?|warnings?|problems?|lint)\b | [✖✘×✗]\ \d+\ problems?\ \(
  | FAILED\ \((?:failures|errors)= | test\ result:\ FAILED | \d+\ (?:errors?|warnings?|problems?)(?:\ generated\.?)?$
  | \d+\ (?:examples|runs|tests),\ .*[1-9]\d*\ (?:failures?|errors|failed) | webpack\ [\d.]+\ compiled\ with\ \d+\ error
  | (?:\[ERROR\]\ +)?Tests\ run:\ \d+,\ Failures:\ \d+,\ Errors:\ \d+,\ Skipped:\ \d+$ | Failed!\s+-\ Failed:
  | \d+\ tests\ completed,\ \d+\ failed | error:\ could\ not\ compile | (?:Executed|TOTAL:?)\ \d+.*FAILED
)
|(?P<pytest>(?:FAILED|ERROR)\ [^\s:]+(?:::\S.*|\.py\b.*))
|(?P<title>
    ●\ .+ | FAIL\ +\S.*\ >\ .+ | not\ ok\ \d+ | \d+\)\ \S.* | ---\ FAIL:\ .+ | ----\ .+\ stdout\ ----
  | (?:FAIL|ERROR):\ \w+\ \(.+ | _{3,}\ .+\ _{3,} | Failed\ [\w.]+.*\[[\d<]+\ .?s\]$
  | (?:\[tsl\]\ )?ERROR\ in\ \S.*
  | \[ERROR\]\ +[\w.$]+(?:\ --\ Time|:\d+\ |\.\w+:\d+)
)
|(?P<file>FAIL[\ \t]+\S.*)
|(?P<mark>(?:✖|✕|×|✗|✘)\ (?!\[).+|test\ .+\ \.\.\.\ FAILED$|❌\ .+)
|(?P<trace>Traceback\ \(most\ recent)
|(?P<cause>Caused\ by:|\[cause\]:?|During\ handling\ of\ the\ above|The\ above\ exception\ was|Caused:\ )
|(?P<row>(?:[✖×✗⚠‼!]\ +)?\d+:\d+\ +(?:error|warning|[✖×✗⚠‼!])\ )
|(?P<warning>
    (?:\[?(?:warn|WARN|WARNING|Warning|warning|DeprecationWarning)\]?|▲\ \[WARNING\]|::warning)(?:[\ :\[(]|$)
)
|(?P<trouble>
    (?:error\ during\ build:|(?:[✗✖×]\ )?Build\ failed\ with|Failed\ to\ compile|ERROR:\ failed\ to\ solve|FAILURE:
      |BUILD\ FAIL
      |\[ERROR\]\ (?:Failed|->|To\ see|Re-run|For\ more|$)
      |make(?:\[\d+\])?:\ \*\*\*|error\ Command|error:\ (?:test\ failed|recipe|aborting)
      |Error:\ Command\ failed|Error:\ Failed\ to\ compile
      |Error\ occurred\ when|npm\ (?:ERR!|error)|ERR!|lerna\ ERR!|Some\ errors|\*\ What\ went\ wrong
      |Execution\ failed\ for)
)
|(?P<error>
    (?:E\ +)?(?:(?:\[!\]|Unhandled|Uncaught|\(node:\d+\)|Exception\ in\ thread\ ".*?"|[✖✘×✗])\ +(?:\[.*?\]\ )?)*
      (?:[A-Za-z_]\w*[.$:]+)*(?:[A-Z]\w*)?(?:Error|Exception|Failure|Fault|Violation|Exit|Interrupt)\b
      (?:\ \[[A-Z_]+\])?(?::(?!:)|$|\ \(.*\)$)
  | (?:fatal|panic|FATAL\ ERROR|fatal\ error|Fatal\ error|Fatal|FATAL|ERROR|Error|error|err
      |Type\ error|Syntax\ error|Parse\ error)(?:\[\w+\])?:\ *\S
  | \[(?:ERROR|error|FATAL|[A-Z]+_[A-Z_]+|vite[\w:-]*|plugin\ [\w:-]+)\]:?\ \S
  | ✘\ \[ERROR\] | ::error | ERROR\ (?!in\b)\S | ERR_\w+ | error\ (?:TS)?\d
  | thread\ '.*'\ .*panicked\ at | Unhandled\ |Uncaught\ | Failure/Error: | Module\ not\ found: | E\ {2,}\S
  | \[[\d:.]+\]\ (?:ERROR|error)\b
  | Segmentation\ fault|Bus\ error|Aborted\b|Killed$|Terminated$|Cannot\ find\ module\b
)
"""
# A place at the start of a line, and what stands after it.
_LOCATED = (
    rf"{_LEVEL}(?:file://)?(?P<path>{_PATH})"
    r"(?::\[?\d+(?:[:,]\d+)*\]?|\(\d+(?:[,:-]\d+)*\)|: line \d+(?:, col \d+)?)(?P<rest>.*)"
)
_DETAILS = r"""
(?P<silent>E$|-{5}\ |[─━╭╮╰╯│╵╷·|\ ]+$|\?\ |[iℹ]\ |---$|\.\.\.$)
|(?P<field>(?:duration_ms|failureType|code|name|operator|generatedMessage|type|stack|diff|exitCode|signal|errno|syscall):)
|(?P<skip>(?:at\ )?.*(?:/node_modules/|\bnode:|/site-packages/|/dist-packages/|<anonymous>\)?$
     |<frozen\ |/rustc/|/usr/lib/|/lib/python3|/\.cargo/|/gems/|internal/process)
  |at\ (?:async\ )?(?:java|javax|jdk|sun|org\.junit|org\.gradle|org\.apache|org\.spring\w+|kotlin|scala
     |System|Microsoft|Xunit)\.
  |\d+:\ +(?:0x|<unknown>|_|node::|v8::)|\.\.\.\ \d+\ more)
|(?P<header>[-+]\ (?:Expected|Received|Snapshot|actual|expected)\b|[-+]\ (?:actual|expected)\ [-+]|-{3}\ |\+{3}\ |@@\ )
|(?P<proof>(?:E\ +)?(?:[-+].*|Received\ promise\ .*
     |(?:Expected|Received|Actual|expected|received|actual|got|want|left|right|[Bb]ut\ was|Diff|Rejected|Resolved
      |Thrown)\b[\w\ ]{0,30}:(?!:)\ *\S.*))
|(?P<frame>at\ .*:\d|File\ "[^"]+",\ line\ \d+|❯\ .*:\d+:\d|(?:\#\ |from\ )?[^\s:]+:\d+(?::\d+)?:\ ?in[ ]
     |[^\s:]+\.(?:go|py):\d+(?:\ |:?$)
     |[\w.<>\ ]{1,80}\((?:file:/)?/?[\w@.+/-]+:\d+:\d+\)|(?:file://)?/?[\w@.+/-]+:\d+:\d+$)
|(?P<place>(?:-->|╭─+\[|╭▸|,-\[|┌─+)\ ?.+:\d+.*|location:\ '.+|\[tsl\]\ ERROR\ in.*|\d+:\d+(?:-\d+)?$|in\ [^\s:]+:\d+$)
|(?P<why>error:\ .+|\[?(?:Type\ ?|Syntax|Reference)?[Ee]rror\]?:?\ .+|TS\d+:.+)
|(?P<marked>>\ +\d+\ *[|│].*|>{1,3}\ {2,}\S.*|E\ +\S.*)
|(?P<caret>(?:\d+\ *)?[|│:·╵┆]?\s*(?:\^[\^~]*|~[\^~]+|─*┬─*|-{2,}\ +\^+).*)
|(?P<code>>?\ *\d*\ *[|│:·╵┆╰╭]|[|│:·╵┆╰╭`])
"""
_WEAK = (
    r"(?i)\b(?:errors?|fail(?:ed|ure|s|ing)?|cannot|can't|could not|couldn't|unable to|not found|no such|undefined|"
    r"exception|fatal|invalid|unexpected|denied|refused|timed? ?out|mismatch(?:ed)?|missing|killed|unknown|unresolved|"
    r"out of memory|crash(?:ed)?|abort(?:ed)?|enospc|eacces|enoent|econn\w+|oomkilled|does not exist|doesn't exist|"
    r"not allowed|exceeded|conflict|rejected|unreachable|too many|not recognized|no space|segmentation|core dumped|"
    r"oom|not met|violat\w+)\b"
)
# Pieces of the words above and of every head that starts with a letter: a line without any is passed over at once.
_WORDS = (
    *("err", "fail", "cannot", "can't", "could", "unable", "not", "no ", "undefined", "exce", "fatal", "invalid"),
    *("unex", "denied", "refused", "tim", "mism", "miss", "kill", "unknown", "unres", "memory", "crash", "abort"),
    *("eno", "eacc", "does", "conf", "rej", "unre", "many", "space", "segm", "core", "oom", "warn", "panic", "fault"),
    *("interr", "violation", "exit", "termin", "trace", "caused", "handling", "above", "console.", "std", "tests"),
    *("found", "bus ", "e:", 'file "'),
)
_SHELL = (
    r"(?i)(?:command not found|: not found$|no such file or directory|permission denied|out of memory|no space left|"
    r"\bkilled\b(?:\s|$)|segmentation fault|core dumped|econnrefused|enospc|eacces|enoent|connection refused|"
    r"timed out after|checksum mismatch|is not recognized as)"
)
_HARMLESS = (
    r"(?i)\b(?:0|no|without|zero|ignor\w+) (?:\w+ )?(?:errors?|fail\w*|problems?|vulnerabilities)\b|"
    r"\b(?:errors?|failed|failures?): ?0\b|error rate|allocation failure"
)
# Prettier's tag before a code frame, Docker's step, a date, a time.
_STAMP = (
    r"(?:\[error\] (?=[ >]))?(?:#\d+ )?(?:\d+\.\d{3} )?"
    r"(?:\[?\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-][\d:]+)?\]?\s+|\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?\s+)?"
)
_PLACES = ("-->", "╭─[", "╭──", ",-[")  # the line below a message, in the compilers that put it first
_STARTS = frozenset(",0123456789#[(>$<*-+=_.●✖✕×✗✘❌❯⎯─━▲✓✔√ℹ|│╭`'\"!⚠‼@:&~^?")
_HINT = r"[:(]\[?\d|: line \d"
_ROW = r"(?:[✖×✗⚠‼!] +)?\d+:\d+ +(error|warning|[✖×✗⚠‼!]) "
_PARTS = r" (?:›|>|») |\s{2,}|/"
_DURATION = r"\s*(?:\(?\d+(?:\.\d+)?\s?m?s\)?|\(\d+\.\d+s\))$"
_FOREIGN = (
    r"node_modules/|\bnode:|site-packages/|dist-packages/|/usr/lib/|/lib/python3|<frozen |/rustc/|/\.cargo/|/gems/|"
    r"internal/"
)


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    """Compile when first needed: a green run never does."""
    return re.compile(pattern, re.VERBOSE if pattern.startswith("\n") else 0)


def telling_lines(output: str, limit: int, *, root: str = "") -> Excerpt:
    """Give at most `limit` lines of a failed task's terminal output that say what failed and why.

    The lines are plain text of at most 200 characters, in their order in the output. Each failure's key line comes
    before the details of the second failure. Warnings count where there is no error. `root` is the workspace's absolute
    path, which is left out of paths. Something is given whenever the output has any text.
    """
    lines = _lines(output, root)
    reader = _Reader(lines)
    reader.read()
    chosen, left_out = _choose(reader, limit)
    if not chosen and limit > 0:
        chosen = _last_resort(lines, limit)
    return Excerpt(tuple(_shown(lines, chosen, reader)), left_out)


def _lines(output: str, root: str) -> list[str]:
    text = plain(output)
    if root:
        text = text.replace(f"file://{root}/", "").replace(f"{root}/", "")
    lines: list[str] = []
    for line in text.split("\n"):
        if len(line) > _WIDTH and '"messages":[' in line and '"filePath":' in line:
            lines.extend(_rows(line))
        elif len(line) > _SCANNED:
            word = _regex(_WEAK).search(line, 0, 2_000_000)
            start = max(word.start() - _WIDTH, 0) if word else 0
            lines.append(line[start : start + _SCANNED])
        else:
            lines.append(line.rstrip())
    return _without_prefix(lines)


def _rows(text: str) -> list[str]:
    """ESLint's JSON as the rows of its stylish format."""
    try:
        files = json.loads(text)
        return [
            line
            for file in files
            if file["messages"]
            for line in (
                "",
                file["filePath"],
                *(
                    f"  {each.get('line', 0)}:{each.get('column', 0)}  {'error' if each['severity'] > 1 else 'warning'}"
                    f"  {each['message']}  {each.get('ruleId') or ''}".rstrip()
                    for each in file["messages"]
                ),
            )
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        return [text[:_SCANNED]]


def _without_prefix(lines: list[str]) -> list[str]:
    """Drop the `project: ` that `--output-style=stream` puts before each chunk, if nearly all lines have the same."""
    first = next((line for line in lines if line), "")
    prefix, colon, _ = first.partition(": ")
    if not colon or " " in prefix:
        return lines
    prefix += colon
    sample = [line for line in lines[:400] if line]
    if len(sample) < 3 or sum(line.startswith(prefix) for line in sample) < 0.8 * len(sample):  # noqa: PLR2004
        return lines
    return [line.removeprefix(prefix) for line in lines]


class _Reader:
    """Reads the lines once and leaves the failures in `blocks` and the closing counts in `closing`."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.blocks: list[_Block] = []
        self.closing: list[int] = []
        self.summary = False  # pytest's closing list has begun
        self._block: _Block | None = None
        self._quiet = 0  # lines since the block's last telling one
        self._file = -1  # a line that names a file, for the rows or the block below it
        self._place = -1  # a place alone on a line, whose error may follow
        self._console = _NOWHERE  # where a test's own console output ends
        self._blank = True
        self._expect = False  # the line above announced what comes
        self._foreign = -_NEAR  # the last frame of a library
        self._heads: dict[str, Callable[[int, int, str], bool]] = {
            "noise": self._noise,
            "console": self._printing,
            "closing": self._closing,
            "pytest": self._listed,
            "title": self._title,
            "file": self._failed_file,
            "mark": self._mark,
            "trace": self._trace,
            "cause": self._cause,
            "row": self._row,
            "warning": self._warning,
            "trouble": self._trouble,
            "error": self._error,
        }

    def read(self) -> None:
        """Read all lines."""
        hint = _regex(_HINT).search
        for number, line in enumerate(self.lines):
            text = line.lstrip()
            if not text:
                self._blank = True
                if self._console == _AT_BLANK:
                    self._console = _NOWHERE
                continue
            outside = self._block is None and self._console == _NOWHERE and text[0] not in _STARTS
            if outside and (
                text.startswith("at ")
                or not (any(map(text.lower().__contains__, _WORDS)) or text.startswith("E ") or hint(text))
            ):  # nothing that could begin a failure: nearly all lines of a long output
                if (self._blank or text is line) and _is_path(text):
                    self._file = number
            else:
                self._line(number, len(line) - len(text), text)
            self._blank = False

    def _line(self, number: int, indent: int, text: str) -> None:
        if text[0] in "#[0123456789" and (stamped := _regex(_STAMP).match(text)):
            text = text[stamped.end() :] or text
        if self._console != _NOWHERE and not self._printed(indent, text):
            return
        if self._block is None and text[:3] in _PLACES and number and self.lines[number - 1].strip():
            self._open(number - 1)
        kind = _kind(text)
        block = self._block
        if block and block.traceback >= 0 and self._traceback(block, number, indent, text):
            return
        if kind and self._heads[kind](number, indent, text):
            return
        if _regex(_HINT).search(text) and (place := _regex(_LOCATED).match(text)):
            if self._located(place, number, indent, text):
                return
            block = self._block
        if block and self._detail(block, number, text):
            return
        self._words(number, indent, text, head=bool(kind))

    def _words(self, number: int, indent: int, text: str, *, head: bool) -> None:
        """Judge a line without a shape by its words and by its place."""
        block = self._block
        if not head and self._next_is_place(number):
            self._open(number)
            return
        if _regex(_WEAK).search(text) and not _regex(_HARMLESS).search(text):
            if _regex(_SHELL).search(text):
                self._open(number)
                return
            told = block and ((block.title and block.why < 0) or (not self._blank and number - 1 in block.ranks))
            if not told:
                if block is None or self._quiet > 1:
                    self.blocks.append(_Block(number, weak=True, ranks={number: _KEY}))
                return
        if block:
            self._loose(block, number, indent, text)
        elif text.startswith('File "') and not _is_foreign(text):
            self._place = number
        elif (indent == 0 or self._blank) and _is_path(text):
            self._file = number

    def _printed(self, indent: int, text: str) -> bool:
        """Whether a test's own printing ended above this line."""
        if self._console == _AT_BLANK:
            return False
        over = text[0] in "_=" or text.startswith("---") if self._console == _AT_RULE else indent <= self._console
        if over:
            self._console = _NOWHERE
        return over

    def _open(self, number: int, *, title: str = "", warning: bool = False, weak: bool = False) -> _Block:
        block = _Block(number, title=title, warning=warning, weak=weak, ranks={number: _KEY})
        near = bool(title) or number - self._file <= 2  # noqa: PLR2004 - directly below, or below a blank line
        if self._file >= 0 and near and self.lines[self._file].lstrip().startswith("FAIL"):
            block.ranks[self._file] = _WHY if not title or "suite failed" in title else _MORE
            self._file = -1
        if self._place >= 0 and not title:
            if number - self._place <= _NEAR:
                for line in range(self._place, number):
                    if self.lines[line].strip():
                        block.ranks[line] = _WHY if line == self._place else _MORE
            self._place = -1
        self.blocks.append(block)
        self._block = block
        self._quiet = 0
        self._expect = self.lines[number].endswith(":") and not title
        return block

    def _add(self, block: _Block, number: int, rank: int) -> None:
        if len(block.ranks) < _LONGEST_BLOCK:
            block.ranks.setdefault(number, rank)
        self._quiet = 0

    def _why(self, block: _Block, number: int) -> bool:
        """Add a message of this block: the first one is its reason."""
        self._add(block, number, _WHY if block.why < 0 or self._expect else _MORE)
        block.why = number if block.why < 0 else block.why
        self._expect = self.lines[number].endswith(":")
        return True

    def _add_place(self, block: _Block, number: int) -> None:
        """Add a place: the first one tells where, unless the head did or, in pytest's output, the last one does."""
        first = not block.places and not block.sourced
        self._add(block, number, (_PLACE if block.title else _WHY) if first else _FRAME)
        block.places += 1

    # Heads: each gets the line's number, indentation and text, and says whether the line is done with.

    def _noise(self, _number: int, indent: int, text: str) -> bool:
        within = self._block is not None and not self._block.title
        inside_diff = self._block is not None and indent > 0 and text[0] == "-"
        if not (text[0] == "#" or inside_diff or (within and text[0] in ".-=~*─━⎯")):
            self._block = None
        return True

    def _printing(self, _number: int, indent: int, text: str) -> bool:
        self._console = _AT_BLANK if text.startswith("std") else _AT_RULE if text[0] == "-" else indent
        return True

    def _closing(self, number: int, _indent: int, _text: str) -> bool:
        self.closing.append(number)
        self._block = None
        return True

    def _listed(self, number: int, _indent: int, _text: str) -> bool:
        self.summary = True
        self._open(number)
        self._block = None
        return True

    def _title(self, number: int, indent: int, text: str) -> bool:
        if text.startswith("[tsl]") and self._block:
            self._add(self._block, number, _PLACE)
            return True
        if text[0].isdigit():
            text = self._whole_title(number)
        block = self._open(number, title=_name(text))
        block.indent, block.linted, block.sourced = indent, " ━━" in text, text.startswith("__")
        if text.startswith("ERROR in"):
            block.places = 1
        return True

    def _whole_title(self, number: int) -> str:
        """Join the title that mocha and minitest break into lines: `1) stock`, `counts:`."""
        for below in range(number + 1, min(number + 6, len(self.lines))):
            line = self.lines[below]
            if not line.strip() or _regex(r"\s*(?:\d+\)|Failure/Error)").match(line):
                break
            if line.endswith(":"):
                parts = [each.strip() for each in self.lines[number + 1 : below + 1]]
                self.lines[number] = " ".join([self.lines[number].rstrip(), *parts])
                self.lines[number + 1 : below + 1] = [""] * len(parts)
                break
        return self.lines[number].strip()

    def _failed_file(self, number: int, _indent: int, text: str) -> bool:
        self._file = number
        if "\t" not in text:  # Go's stands at the end
            self._block = None
        return True

    def _mark(self, number: int, indent: int, text: str) -> bool:
        block = self._block
        if block and block.linted and block.why < 0:
            return self._why(block, number)
        if block and not block.title and number == block.head + 1:
            return False
        opened = self._open(number, title=_name(text))
        opened.mark, opened.indent = True, indent
        return True

    def _trace(self, number: int, indent: int, _text: str) -> bool:
        block = self._block
        chained = block is not None and block.traceback == _OVER and self._quiet <= 3  # noqa: PLR2004 - "During …"
        if block is None or not (block.title or chained):
            block = self._open(number)
            del block.ranks[number]
        block.traceback = indent
        return True

    def _cause(self, number: int, _indent: int, text: str) -> bool:
        block = self._block
        if block is None:
            return False
        block.why = -1
        self._quiet = 0
        if text.startswith(("Caused", "[cause]")) and text.partition(":")[2].strip():
            self._why(block, number)
        return True

    def _row(self, number: int, _indent: int, text: str) -> bool:
        level = _regex(_ROW).sub(r"\1", text, count=1)
        last = self.blocks[-1] if self.blocks else None
        header = last.header if self._file < 0 and last else self._file
        block = self._open(number, warning=level.startswith(("warning", "⚠", "‼", "!")))
        block.header = self._file = header
        self._block = None
        return True

    def _warning(self, number: int, _indent: int, _text: str) -> bool:
        if self._block and self._block.title and not self._block.bare:
            return False
        self._open(number, warning=True)
        return True

    def _trouble(self, number: int, _indent: int, _text: str) -> bool:
        self._open(number, weak=True)
        return True

    def _error(self, number: int, indent: int, text: str) -> bool:
        block = self._block
        if block is None:
            self._open(number)
            return True
        if text.startswith("error:") and block.title and indent > 0 and self._yaml_error(block, text):
            return True
        if text.startswith("E ") and (block.title or self.lines[number - 1].lstrip().startswith(("E ", ">"))):
            return block.why < 0 and self._why(block, number)
        if block.title and (block.why < 0 or block.traceback == _OVER):
            return self._why(block, number)
        if not block.title and indent > 0 and number - 1 in block.ranks and "[ERROR]" not in text:
            return self._why(block, number)
        if block.title and indent > 0:
            self._add(block, number, _MORE)
        else:
            self._open(number)
        return True

    def _yaml_error(self, block: _Block, text: str) -> bool:
        """TAP's `error: |-` announces the message; a suite's says only that its tests failed."""
        if text.endswith(("|-", ">-", "|")):
            block.why = -1
            return True
        if _regex(r"\d+ subtests? failed").search(text):
            block.ranks.clear()
            self._block = None
            return True
        return False

    def _traceback(self, block: _Block, number: int, indent: int, text: str) -> bool:
        """Read a line of a Python traceback. Of a chain, the last exception is the one that ended the program."""
        self._quiet = 0
        if text.startswith('File "'):
            foreign = _is_foreign(text)
            block.places = 0 if foreign else number
            if not foreign:
                self._add(block, number, _PLACE if block.title else _WHY)
        elif indent > block.traceback + 1:
            if block.places and number - block.places == 1:
                self._add(block, number, _FRAME)
        elif indent < block.traceback or text.startswith("Traceback"):
            block.traceback = _NOWHERE
            return False
        else:
            self._raised(block, number)
            self._expect = text.endswith(":")
            block.traceback = _OVER
        return True

    def _raised(self, block: _Block, number: int) -> None:
        frames = [line for line, rank in block.ranks.items() if rank in (_WHY, _PLACE) and 'File "' in self.lines[line]]
        for line in frames[:-1]:  # the innermost is the place
            block.ranks[line] = _FRAME
        if block.title:
            self._why(block, number)
            return
        for line, rank in block.ranks.items():
            block.ranks[line] = _WHY if rank == _KEY else rank
        block.ranks[number] = _KEY
        block.head = number

    # Lines that begin with a place.

    def _located(self, place: re.Match[str], number: int, indent: int, text: str) -> bool:
        path, rest = place["path"], place["rest"].strip(" :-")
        if not ("." in path or "/" in path) or path.startswith("http"):
            return False
        foreign = _is_foreign(path) or path.startswith("internal/")
        block = self._block
        if not rest.strip("━."):
            self._place_alone(number, indent, foreign=foreign)
            return True
        if rest.startswith("in ") and (block or "`" in rest):
            if ": " not in rest:  # with it, Ruby's `file:2:in `read': message (Errno::ENOENT)`
                return False
            self._open(number)
            return True
        named = _regex(r"\w+(?:Error|Exception|Exit|Failed)?$").match(rest)
        if block and block.title and rest[0] != "›" and text[0] != "[" and (indent > 0 or named):
            if foreign:
                return bool(named)
            if _regex(r"[\w.]+$").match(rest):
                self._add(block, number, _PROOF)
            else:
                self._why(block, number)
            return True
        return self._diagnosed(place, number, text, foreign=foreign)

    def _place_alone(self, number: int, indent: int, *, foreign: bool) -> None:
        block = self._block
        ours = block and not block.weak and (block.sourced or block.why >= 0 or not block.title or indent > 0)
        if block and ours and self._quiet <= _NEAR:
            if not foreign:
                self._add_place(block, number)
        elif not foreign:
            self._place = number
            self._block = None

    def _diagnosed(self, place: re.Match[str], number: int, text: str, *, foreign: bool) -> bool:
        """Open the block of a compiler's or a linter's message after its place."""
        rest = place["rest"].strip(" :-")
        lowered = rest[:60].lower()
        if lowered.startswith(("note", "info", "help")):
            return True
        if foreign:
            return False
        linted = "━━" in rest or rest.startswith("lint/")
        block = self._open(
            number,
            title=_name(text) if linted or rest[0] == "›" else "",
            warning=bool(_regex(r"[\W\d]*(?:fatal )?warn").match(lowered))
            or text.startswith(("warn", "[warn", "WARN", "[WARN", "w: ")),
        )
        block.places, block.linted = 1, linted
        return True

    def _next_is_place(self, number: int) -> bool:
        below = self.lines[number + 1].lstrip() if number + 1 < len(self.lines) else ""
        return below[:3] in _PLACES and not self.lines[number].lstrip().startswith(("|", "="))

    # Details of the open block.

    def _detail(self, block: _Block, number: int, text: str) -> bool:
        found = _regex(_DETAILS).match(text)
        kind = found.lastgroup if found else None
        if kind is None:
            return False
        if text.startswith("help:"):  # a suggestion, with a diff of its own
            self._block = None
        elif kind in ("proof", "place", "why"):
            self._telling(block, number, kind)
        elif kind == "frame":
            self._expect = False
            if not _is_foreign(text):
                self._add_place(block, number)
        elif kind in ("marked", "caret"):
            if number - self._foreign > 2:  # noqa: PLR2004 - a library's frame, its code, its caret
                self._frame_of_code(block, number, kind)
        else:
            self._foreign = number if kind == "skip" else self._foreign
            self._quiet = {"skip": self._quiet, "field": self._quiet, "silent": self._quiet + 1}.get(kind, 0)
            self._expect = self._expect and kind in ("skip", "field", "silent")
        return True

    def _telling(self, block: _Block, number: int, kind: str) -> None:
        if kind == "why":
            self._why(block, number)
        elif kind == "place":
            self._add(block, number, _PLACE if block.title or block.places else _WHY)
            block.places += 1
        else:
            self._add(block, number, _PROOF if block.proofs < _PROOFS else _MORE)
            block.proofs += 1
            block.why = number if block.why < 0 else block.why

    def _frame_of_code(self, block: _Block, number: int, kind: str) -> None:
        if kind == "marked":
            self._add(block, number, _MORE)
        elif self.lines[number - 1].strip():
            block.ranks.setdefault(number - 1, _MORE)
            block.needs[number] = number - 1
            self._add(block, number, _MORE)

    def _loose(self, block: _Block, number: int, indent: int, text: str) -> None:
        """A line without a shape says something right below a head, or where the line above announced it."""
        if number - self._foreign == 1:
            self._quiet += 1
        elif self._expect:
            if text not in ("{", "[", "(", "}", "<"):
                self._add(block, number, _WHY)
            self._expect = text.endswith(":") or text[0] in "{[<"
            block.why = number if block.why < 0 else block.why
        elif block.title and block.why < 0 and (indent > 0 or text[0].isalpha()):
            self._reason(block, number, text)
        elif indent > 0 and self._goes_on(block, number):
            self._add(block, number, _MORE)
        else:
            self._quiet += 1
            path = indent == 0 and self._blank and _is_path(text)
            if path:
                self._file = number
            if path or self._quiet > _REACH:
                self._block = None

    def _reason(self, block: _Block, number: int, text: str) -> None:
        if block.sourced:
            self._quiet = 0
        elif text.startswith("expect("):  # the diff below says more
            self._add(block, number, _MORE)
            block.why = number
        else:
            block.warning = block.linted and text[0] in "!⚠"
            self._why(block, number)

    def _goes_on(self, block: _Block, number: int) -> bool:
        """Whether this line goes on with the message directly above; after four lines it is more than a message."""
        near = range(number - 4, number)
        above = block.ranks.get(number - 1, _FRAME)
        return not self._blank and above <= _MORE and not self._quiet and not all(line in block.ranks for line in near)


def _kind(text: str) -> str:
    found = _regex(_HEADS).match(text)
    kind = (found and found.lastgroup) or ""
    if kind in ("", "error") and (
        text.endswith(" FAILED") or (text.endswith("━━━━") and _regex(r"\S+ [\w/]+ +━+$").match(text))
    ):  # Gradle and Karma; Biome's heads without a line
        return "title"
    return "warning" if "DeprecationWarning: " in text else kind


def _name(text: str) -> str:
    """A test's or file's name without the marks, numbers and times around it."""
    name = _regex(_DURATION).sub("", text.strip(" ─━⎯=_-\t●✖✕×✗✘❌"))
    name = _regex(r"^(?:not ok \d+ -? ?|\d+\)? |FAIL:? +|--- FAIL: |test (?=.* \.\.\. FAILED))").sub("", name)
    name = _regex(r"(?: stdout| \.\.\. FAILED| FAILED|:)$").sub("", name)
    return _regex(_DURATION).sub("", name).strip(" ─━⎯=_-")


def _is_path(text: str) -> bool:
    return (
        len(text) < _WIDTH * 2 and ("/" in text or "." in text) and bool(_regex(rf"(?:{_PATH})$").match(text.strip()))
    )


def _is_foreign(text: str) -> bool:
    """Whether the path is a library's or the runtime's."""
    return bool(_regex(_FOREIGN).search(text))


def _choose(reader: _Reader, limit: int) -> tuple[list[int], int]:
    """The numbers of the lines to show, in order, and how many more are telling."""
    blocks = _distinct(reader)
    wanted = _candidates(blocks, reader, limit)
    chosen: dict[int, None] = {}
    for _, _, _, line, block in wanted:
        if line in chosen or len(chosen) >= limit:
            continue
        if block is not None and block.needs.get(line, line) not in chosen and line in block.needs:
            continue
        header = block.header if block is not None else -1
        if header >= 0 and header not in chosen:
            if len(chosen) + 2 > limit:  # no room for the file's own line
                _join(reader.lines, header, line)
            else:
                chosen[header] = None
        chosen[line] = None
    return sorted(chosen), len({line for _, _, _, line, _ in wanted} - chosen.keys())


def _join(lines: list[str], header: int, row: int) -> None:
    lines[row] = f"{lines[header].strip()}:{lines[row].strip()}"


def _distinct(reader: _Reader) -> list[_Block]:
    """The blocks worth showing: no failure twice, no name that a fuller block bears too."""
    blocks = _worth(reader.blocks)
    full = "\n".join(f"{block.title}\n" for block in blocks if block.title and not (block.bare or block.mark))
    parts = {
        part
        for block in blocks
        if not block.bare and block.title
        for part in (block.title, *_regex(_PARTS).split(block.title), block.title.rpartition(" ")[2])
    }
    if len(full) > _COMPARED:
        full = ""
    known: set[tuple[str, ...]] = set()
    distinct = []
    before: _Block | None = None
    for block in blocks:
        told = [reader.lines[line] for line in ([block.header] if block.header >= 0 else []) + sorted(block.ranks)]
        mark = tuple(_regex(_STAMP).sub("", _regex(_DURATION).sub("", line.strip()), count=1) for line in told)
        suite = block.bare and before and before.title and before.indent > block.indent
        if block.bare:
            again = {block.title, _regex(_PARTS).split(block.title)[-1]} & parts or f"{block.title}\n" in full
        else:
            again = block.mark and f"{block.title}\n" in full
        if mark not in known and not suite and not again:
            distinct.append(block)
        known.add(mark)
        before = block
    return distinct


def _worth(blocks: list[_Block]) -> list[_Block]:
    """Errors; where there is hardly one, what looks like one too; where there is none, warnings as well."""
    blocks = [block for block in blocks if block.ranks]
    strong = [block for block in blocks if not block.weak and not block.warning]
    if not strong:
        return blocks
    if sum(len(block.ranks) for block in strong) > 1:
        return strong
    return [block for block in blocks if not block.warning]


def _candidates(blocks: list[_Block], reader: _Reader, limit: int) -> list[tuple[int, int, int, int, _Block | None]]:
    """Lines as (rank, how many of that rank the block has given before, block, line), the most telling first.

    Where there are many failures for the room, the first one comes with its reason before the others are named.
    """
    wanted: list[tuple[int, int, int, int, _Block | None]] = []
    crowded = limit > _CROWD and len(blocks) > limit // 2
    room = max(limit // 3, min(3, limit - len(blocks) + 1))
    for order, block in enumerate(blocks):
        given = [0] * _RANKS
        for line in sorted(block.ranks):
            rank = block.ranks[line]
            if rank == _KEY and block.sourced and reader.summary:
                rank = _MORE  # pytest's list at the end names it better
            first = order == 0 and crowded and rank in (_WHY, _PROOF) and sum(given[: _PROOF + 1]) < room
            wanted.append((_KEY if first else rank, given[rank], order, line, block))
            given[rank] += 1
    errors = any(not block.warning for block in blocks)
    seen: set[str] = set()
    for line in reversed(reader.closing):
        text = reader.lines[line].strip()
        if errors and _regex(r"(?:Found )?\d+ warnings?\b").match(text):
            continue
        if blocks and text not in seen and len(seen) < _CLOSINGS:
            wanted.append((_MORE if seen else _PROOF, 1, len(blocks), line, None))
            seen.add(text)
    wanted.sort(key=lambda each: each[:4])
    return wanted


def _last_resort(lines: list[str], limit: int) -> list[int]:
    """The last lines that are not an epilogue, else the last lines."""
    noise = _regex(_HEADS).match
    texts = [number for number, line in enumerate(lines) if line.strip()]
    telling = [
        number
        for number in texts[-1000:]
        if (found := noise(lines[number].lstrip())) is None or found.lastgroup != "noise"
    ]
    return (telling or texts)[-limit:]


def _shown(lines: list[str], chosen: list[int], reader: _Reader) -> list[str]:
    """The chosen lines, each block moved to the left as one, none too long."""
    owner = {line: block for block in reader.blocks for line in block.ranks}
    headers = {block.header for block in reader.blocks}
    groups: list[tuple[object, list[str]]] = []
    for number in chosen:
        block = owner.get(number)
        key: object = (block.header if block.header >= 0 else block.head) if block else None
        if block is None and number in headers:
            key = number
        text = lines[number].replace("\t", "    ")
        text = text.lstrip() if text.startswith(" FAIL ") else text
        if groups and groups[-1][0] == key and key is not None:
            groups[-1][1].append(text)
        else:
            groups.append((key, [text]))
    shown: list[str] = []
    for _, texts in groups:
        margin = min(len(text) - len(text.lstrip()) for text in texts)
        shown.extend(
            _cut(_regex(r"^\s*_{3,} (.+) _{3,}$| [─━⎯]{4,}$").sub(r"\1", text[margin:]).rstrip()) for text in texts
        )
    return shown


def _cut(text: str) -> str:
    if len(text) <= _WIDTH:
        return text
    word = _regex(_WEAK).search(text)
    start = max(word.start() - _WIDTH // 3, 0) if word and word.end() > _WIDTH - 1 else 0
    if start == 0:
        return text[: _WIDTH - 1] + "…"
    end = start + _WIDTH - 2
    return "…" + text[start:end] + ("…" if end < len(text) else "")
