r"""The shapes of lines, as regular expressions: heads of failures, details of a failure, places, words.

Learnt from the outputs in test/data/outputs. Patterns that begin with a line end are verbose ones. A group's name is
the kind of line; of several kinds the first counts.
"""

from __future__ import annotations

import re
from functools import cache

WIDTH = 200  # characters of a shown line

# What a path is: a word in which brackets come in pairs (`app/(shop)/[slug].tsx`), or several words that begin with a
# folder and end with a file's kind (`src/nested (old)/parse.ts`), since any sentence is words. Nothing in here is tried
# again in another way, so that a long line costs its length.
_NEVER = r":()\[\]\"'`|<>;"
_WORD = rf"(?:[A-Za-z]:)?(?:[^\s{_NEVER}=,]++|\((?!\d+[,:)-])[^\s{_NEVER}]*+\)|\[{{1,4}}+[^\s{_NEVER}]*+\]{{1,4}}+)++"
_WORDS = (
    rf"(?=[\w./\\~@$+(\[])(?:[^{_NEVER}=,.]++|\.|\((?!\d+[,:)-])[^{_NEVER}]*+\)|\[{{1,4}}+[^{_NEVER}]*+\]{{1,4}}+)+?"
    r"\.[A-Za-z]\w{0,9}"
)
_PATH = rf"(?:{_WORD}|(?![\[(]?\d+/\d)(?=[^\s:/\\]*+[/\\]){_WORDS})"
# Where the tool's name for a level stands before or after the place.
_LEVEL = r"(?:\[?(?:ERROR|error|Error|WARN(?:ING)?|warn(?:ing)?|e|w)\]?:? +)?"

_HEADS = r"""
(?P<noise>
    >\ (?!\d+\ *[|│])\S | \$\ \S | (?:✓|✔|√|PASS\b|ok\ \d|ok\t|\.+$|[=~*#─━⎯|+-]{5,}$|\#\ Subtest)
  | NX\ {2,}|Node\.js\ v\d|Failed\ tasks:$|Pass\ --verbose|Ran\ all\ test|Error\ Context:\ |●\ Console$
  | Error\ occurs\ in\ the\ template\ of[ ]
  | error:\ (?:test\ failed,|aborting\ due)|Error:\ Command\ failed
  | \[ERROR\]\ (?:(?:->\ )?\[Help|To\ see\ the\ full\ stack|Re-run\ Maven|For\ more\ information\ about)
  | [✗✖×]\ Build\ failed\ in | ✖\ failing\ tests:$ | \d+\ pass(?:ing|ed)?\b(?!.*fail)
  | \d+\ [a-z\d ]+\ potentially\ fixable | [×✖]\ Some\ errors\ were
  | (?:Snapshots|Time|Duration|Start\ at|Seed|Finished\ in)\b
  | Warning:\ (?:run-commands\ )?command\ " | (?:ERROR:\ |error:\ script\ )?["'`].+["'`]\ exited\ with
  | ELIFECYCLE\b | ERR_PNPM_RECURSIVE_RUN | info\ Visit[ ]| (?:Error:\ )?Process\ (?:completed|exited)\ with[ ]
  | (?:error|lerna\ ERR!|npm\ ERR!|npm\ error)\ (?:Command\ failed\ with|code\ (?:ELIFECYCLE|\d+$)|Lifecycle\ script
      |errno\b|path\b|command\b|workspace\b|location\b|signal\b|in\ workspace|at\ location|A\ complete\ log|Exit\ status
      |Failed\ at\ the|This\ is\ probably|Test\ failed\.\ \ See|To\ see\ a\ list|\ *npm\ run|Usage:|Options:
      |aliases:|Run\ "|\[-|\ *--?\w|\ {4}[A-Z"`]\S*\ |\ *$)
  | (?:npm\ ERR!|npm\ error)$
)
|(?P<console>console\.(?:log|error|warn|info|debug|trace)$|std(?:out|err)\ \|\ |-{3,}\ ?Captured\ )
|(?P<closing>
    (?:Tests|Test\ Suites|Test\ Files):?\ +.*\b\d+\ failed
  | \d+\ (?:tests?\ )?(?:failing|failed)(?:$|,)
  | (?:=+\ )?(?:\d+\ (?:failed|passed|errors?|skipped|warnings?|deselected|xfailed),?\ )+in\ \d
  | [\#ℹ]\ fail\ +[1-9]\d*$ | (?:[✖✘×✗]\ +|[\w-]+:?\ )?(?:[Ff]ound\ )?[1-9]\d*[ ]
      (?:errors?|warnings?|problems?|offenses?|issues?|vulnerabilities)\b(?:$|[\s(,.].*)
  | (?:.{0,40}\ )?(?:[Ii]ssues|[Ee]rrors|[Pp]roblems)\ found:\ [1-9]
  | FAILED\ \((?:failures|errors)= | test\ result:\ FAILED
  | \d+\ (?:\w+\ )?[a-z]+,\ .*[1-9]\d*\ (?:failures?|errors|failed|offenses)
  | webpack\ [\d.]+\ compiled\ with\ \d+\ error
  | (?:\[ERROR\]\ +)?Tests\ run:\ +\d+,\ +Failures:\ +\d+(?:,\ Errors:\ \d+,\ Skipped:\ \d+)?\.?$
  | error:\ could\ not\ compile | (?:.*:\ )?(?:Executed|TOTAL:?)\ \d+.*FAILED
)
|(?P<pytest>(?:FAILED|ERROR)\ (?:[^\s:]+(?:::\S.*|\.py\b.*)|[^\s:/]+/[^:]*\.py::\S.*))
|(?P<title>
    ●\ .+ | \(fail\)\ .+ | FAIL\ +\S.*\ >\ .+ | not\ ok\ \d+ | \d+\)\ \S.* | ---\ FAIL:\ .+ | ----\ .+\ stdout\ ----
  | (?:FAIL|ERROR):\ \w+\ \(.+ | _{3,}\ .+\ _{3,} | Failed\ [\w.]+.*\[[\d<]+\ .?s\]$
  | ERROR\ (?:in|at\ (?:setup|teardown)\ of|collecting)\ \S.* | Diff\ in\ \S.* | In\ \S.*\ line\ \d+:$
  | \[ERROR\]\ +[\w.$]+(?:\ --\ Time|\(.+\ Time|\.\w+:\d+)
)
|(?P<file>FAIL[\ \t]+\S.*)
|(?P<mark>(?:✖|✕|×|✗|✘|❌)\ +(?!\[[A-Z]).+|test\ .+\ \.\.\.\ FAILED$)
|(?P<trace>Traceback\ \(most\ recent)
|(?P<cause>Caused\ by:|\[cause\]:?|During\ handling\ of\ the\ above|The\ above\ exception\ was)
|(?P<row>(?:[✖×✗⚠‼!]\ +)?\d+:\d+\ +(?:(?:error|warning|[✖×✗⚠‼!]|[A-Z]{1,5}\d{2,5})\ |[a-z]+-[a-z-]+:\ ))
|(?P<warning>(?:\[?(?i:warn|warning)\]?|DeprecationWarning|▲\ \[WARNING\]|::warning)(?:[\ :\[(]|$))
|(?P<error>
    (?:E\ +)?(?:(?:\[!\]|>>|=>|Unhandled|Uncaught|\(node:\d+\)|Exception\ in\ thread\ ".*?"|[✖✘×✗⨯])\ +
      (?:\[.*?\]\ |\(.*?\)\ )?)*
      (?:[A-Za-z_]\w*[.$:]+)*(?:[A-Z]\w*)?(?:Error|Exception|Failure|Fault|Violation|Exit|Interrupt|Rejection)\b
      (?:\ \[\w+\])?(?::(?!:)|$|\ \(.*\)$|\ while\ )
  | (?:>>\ )?(?:(?i:fatal|panic|err|error|fatal\ error|type\ error|syntax\ error|parse\ error)|Issue|Problem)
      (?:\[\w+\])?:\ *\S
  | (?:✘\ )?\[(?:ERROR|error|FATAL|[A-Z]+_[A-Z_]+|vite[\w:-]*|plugin\ [\w:-]+)\]:?\ \S
  | [\[\d][^"]{0,80}?[\]\s](?:ERROR|FATAL|CRITICAL)\]?:?\ +(?!in\ )\S
  | ::error | ERROR\ \S | ERR_\w+ | error\ (?:TS)?\d | thread\ '.*'\ .*panicked\ at | Unhandled\ |Uncaught[ ]
  | Failure/Error: | (?:ASSERT\ FAILED|Assertion\ Failed):\ \S | Module\ not\ found: | E\ {2,}\S
  | Segmentation\ fault|Bus\ error|Aborted\b|Killed$|Terminated$
)
"""
_DETAILS = rf"""
(?P<silent>E$|-{{5}}\ |\[INFO\]\ |\d+\.\.\d+$|(?:[Ee]rrors?|Messages?):$|\?\ |[iℹ]\ |---$|\.\.\.$
    |[─━╭╮╰╯│╵╷·|\ ]+$|[{{\[(<>)\]}},;]+$)
|(?P<field>(?:severity|data|ruleId|line|column|duration_ms|failureType|code|name|operator|generatedMessage|type|[Ss]tack
    |diff|exitCode|signal|errno|syscall):)
|(?P<skip>.*(?:/node_modules/|\bnode:|/site-packages/|/dist-packages/|<anonymous>\)?$|<frozen\ |/rustc/|/usr/lib/
    |/lib/python3|/\.cargo/|/gems/)
  |at\ <\w+>$|at\ (?:async\ )?(?:java|javax|jdk|sun|org\.(?:junit|gradle|apache|spring\w+)|kotlin|scala|System|Microsoft
    |Xunit)\. | \.\.\.\ \d+\ more)
|(?P<header>[-+]\ (?:Expected|Received|Snapshot|actual|expected)\b|-{{3}}\ |\+{{3}}\ |@@[ ]|Diff(?:erence)?\b.*:$)
|(?P<proof>(?:E\ +)?(?:[-+](?!->).*|Received\ (?!.*:\ *\S).*
    |(?i:expected|received|actual|got|want|left|right|but\ was|rejected|resolved|thrown)\b[\w\ ]{{0,30}}:(?!:)\ *\S.*)
  |E\ {{3,}}\S.*\ [!=]=\ \S.*)
|(?P<frame>at\ .*:\d|❯\ .*:\d+:\d|(?:\#\ |from\ )?{_PATH}:\d+(?::\d+)?:\ ?in[ ]|{_PATH}\ \d+:\d+\ \ \S
    |[\w.<>\ ]{{1,80}}\((?:file:)?[^\s:"'`][^:"'`]*:\d+:\d+\)$)
|(?P<place>(?:-->|╭─+\[|,-\[|┌─+|[Ll]ocation:|File:)\ ?.+:\d+.*|\[\w+\]\ ERROR\ in\ .+|\d+:\d+(?:-\d+)?$)
|(?P<why>\[?[Ee]rror\]?:?\ .+|Messages?:\s+\S.*)
|(?P<marked>>\ +\d+\ *[|│].*|>{{1,3}}\ {{2,}}\S.*|E\ +\S.*)
|(?P<caret>(?:\d+\ *)?[|│:·╵┆]?\s*(?:\^[\^~]*|~[\^~]+|─*┬─*|-{{2,}}\ +\^+).*)
|(?P<code>>?\ *\d*\ *[|│:·╵┆╰╭])
"""
WEAK = (
    r"(?i)\b(?:errors?|fail(?:ed|ure|s|ing)?|cannot|can't|could not|couldn't|unable to|not found|no such|undefined|"
    r"exception|fatal|invalid|unexpected|denied|refused|timed? ?out|mismatch(?:ed)?|missing|killed|unknown|unresolved|"
    r"out of memory|crash(?:ed)?|abort(?:ed)?|enospc|eacces|enoent|econn\w+|oomkilled|does not exist|doesn't exist|"
    r"not allowed|exceeded|conflict|rejected|unreachable|too many|not recognized|no space|segmentation|core dumped|"
    r"oom|not met|violat\w+|unused|unlisted|incorrect(?:ly)?|forbidden|unauthori[sz]ed)\b"
)
# Pieces of the words above and of every head that starts with a letter: a line without any is passed over at once.
WORDS = (
    *("err", "fail", "cannot", "can't", "could", "unable", "not", "no ", "undefined", "exce", "fatal", "invalid"),
    *("unex", "denied", "refused", "tim", "mism", "miss", "kill", "unknown", "unres", "memory", "crash", "abort"),
    *("eno", "eacc", "does", "conf", "rej", "unre", "many", "space", "segm", "core", "oom", "warn", "panic", "fault"),
    *("interr", "violat", "exit", "termin", "trace", "caused", "handling", "above", "console.", "std", "tests"),
    *("found", "bus ", "e:", 'file "', "diff in", " line ", "unus", "unlist", "incorr", "forbid", "unauth"),
)
SHELL = (
    r"(?i)(?:command not found|: not found$|no such file or directory|permission denied|out of memory|no space left|"
    r"\bkilled\b(?:\s|$)|segmentation fault|core dumped|econnrefused|enospc|eacces|enoent|connection refused|"
    r"timed out after|checksum mismatch|is not recognized as)"
)
HARMLESS = (
    r"(?i)\b(?:0|no|without|zero|ignor\w+) (?:\w+ )?(?:errors?|fail\w*|problems?|vulnerabilities)\b|"
    r"\b(?:errors?|failed|failures?): ?0\b|error rate|allocation failure"
)
# Words of lines that may tell where nothing else does.
DISCONTENT = (
    r"(?i)\b(?:not|\w+n't|never|too|over|exceeds?|below|above|must|should|would|required?s?|incorrect\w*|wrong|bad|unused|"
    r"unlisted|outdated|vulnerab\w+|threshold|limit)\b"
)
# Prettier's tag before a code frame, Docker's step, a date, a time.
STAMP = (
    r"(?:\[error\] (?=[ >]))?(?:#\d+ )?(?:\d+\.\d{3} )?"
    r"(?:\[?\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-][\d:]+)?\]?\s+|\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?\s+)?"
)
# A place at the start of a line, and what stands after it.
_AT = r"(?::\[?\d+(?:[:,]\d+)*\]?|\(\d+(?:[,:-]\d+)*\)|: line \d+(?:, col \d+)?)"
# Words without a folder are a path where a level says so.
LOCATED = (
    rf"{_LEVEL}(?:file://)?(?P<path>{_PATH}(?={_AT})|{_WORDS}(?={_AT}:?(?: -)? (?i:error|warning)\b)){_AT}(?P<rest>.*)"
)
HINT = r"[:(]\[?\d|: line \d"  # a line without it has no place
PLACES = ("-->", "╭─[", "╭──", ",-[")  # the line below a message, in the compilers that put it first
STARTS = frozenset(",#[(>$<*-+=_.●✖✕×✗✘❌❯⎯─━▲✓✔√ℹ|│╭`'\"!⚠‼@:&~^?⨯🚨")
PARTS = r" (?:›|>|») |\s{2,}|/"
_DURATION = r"\s*(?:\(?\d+(?:\.\d+)?\s?m?s\)?|\(\d+\.\d+s\))$"
_FOREIGN = (
    r"node_modules/|\bnode:|site-packages/|dist-packages/|/usr/lib/|/lib/python3|<frozen |/rustc/|/\.cargo/|/gems/|"
    r"internal/"
)


def may_tell(text: str) -> bool:
    """Whether the line has any piece of an error-like word: quick, and true for all that WEAK finds."""
    return any(map(text.lower().__contains__, WORDS))


@cache
def regex(pattern: str) -> re.Pattern[str]:
    """Compile when first needed: a green run never does."""
    return re.compile(pattern, re.VERBOSE if pattern.startswith("\n") else 0)


def head_of(text: str) -> str:
    """Give the kind of head that a line is, if it is one, else an empty text."""
    if text.endswith('" exited with non-zero status code'):  # of a command that has lines
        return "noise"
    found = regex(_HEADS).match(text)
    kind = (found and found.lastgroup) or ""
    if kind in ("", "error") and (
        text.endswith(" FAILED") or (text.endswith("━━━━") and regex(rf"{_PATH} [\w/]+ +━+$").match(text))
    ):  # Gradle and Karma; Biome's heads without a line
        return "title"
    return "warning" if "DeprecationWarning: " in text else kind


def detail_of(text: str) -> str:
    """Give the kind of detail that a line of an open block is, if it is one, else an empty text."""
    found = regex(_DETAILS).match(text)
    return (found and found.lastgroup) or ""


def without_time(text: str) -> str:
    """Leave a time stamp at the start and a duration at the end out."""
    return regex(STAMP).sub("", regex(_DURATION).sub("", text.strip()), count=1)


def is_todo(text: str) -> bool:
    """Whether a test may fail, in TAP's words."""
    return text.endswith((" # TODO", " # SKIP")) or " # TODO " in text


def name_in(text: str) -> str:
    """Give a test's or file's name without the marks, numbers and times around it."""
    name = regex(_DURATION).sub("", text.strip(" ─━⎯=_-\t●✖✕×✗✘❌"))
    name = regex(r"^(?:not ok \d+ -? ?|\(fail\) |\d+\)? |FAIL:? +|--- FAIL: |\[\w+\]: |test (?=.* \.\.\. FAILED))").sub(
        "", name
    )
    name = regex(r"(?: \(retry #\d+\)| stdout| \.\.\. FAILED| FAILED|:)$").sub("", name)
    return regex(_DURATION).sub("", name).strip(" ─━⎯=_-")


def is_path(text: str) -> bool:
    """Whether the line is a path and nothing else but a colon."""
    text = text.strip().removesuffix(":")
    if len(text) > WIDTH * 2 or not ("/" in text or "." in text) or (" " in text and "." not in text[-11:]):
        return False
    return bool(regex(rf"{_PATH}$").match(text))


def is_step(text: str) -> bool:
    """Whether the line is a step of a scenario, with the place of what carries it out."""
    return " # " in text and bool(regex(rf"{_PATH}:\d+$").match(text.rpartition(" # ")[2]))


def is_foreign(text: str) -> bool:
    """Whether the path is a library's or the runtime's."""
    return bool(regex(_FOREIGN).search(text))
