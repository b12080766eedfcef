"""Nx's task history, as real versions left it and as an accident or an enemy did."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import struct
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipe.model import CacheStatus, TaskStatus
from pipe.nx import history
from pipe.nx.history import Attempt, outcomes, read

if TYPE_CHECKING:
    from collections.abc import Iterable

CAPTURES = sorted((Path(__file__).parents[1] / "data" / "history").glob("*.db"))
DETAILS = "CREATE TABLE task_details (hash TEXT PRIMARY KEY NOT NULL, project TEXT, target TEXT, configuration TEXT)"
HISTORY = (
    "CREATE TABLE task_history (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, hash TEXT, status TEXT, code INTEGER, "
    "start TIMESTAMP, end TIMESTAMP)"
)
NAME = "INSERT INTO task_details VALUES ('h1', 'core', 'test', NULL)"
ROW = "INSERT INTO task_history (hash, status, code, start, end) VALUES "

every_capture = pytest.mark.parametrize("path", CAPTURES, ids=lambda path: str(path.stem))


def wal_of(path: Path) -> bytes:
    """Give what stands beside a captured database."""
    return path.with_suffix(".db-wal").read_bytes()


def made(*statements: str) -> bytes:
    """Give a database made by these statements."""
    connection = sqlite3.connect(":memory:")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    return connection.serialize()


def seen(attempts: tuple[Attempt, ...]) -> list[dict[str, Any]]:
    """Give the attempts as the captures tell the truth, in the truth's order."""
    cache = {CacheStatus.LOCAL: "local-cache-hit", CacheStatus.MISS: "cache-miss", None: None}
    tasks = [
        {
            "id": each.id,
            "target": each.target,
            "hash": each.hash,
            "cache": cache[each.cache],
            "code": each.code,
            "start": round(each.start.timestamp() * 1000) if each.start else None,
            "end": round(each.end.timestamp() * 1000),
        }
        for each in attempts
    ]
    return sorted(tasks, key=lambda task: (task["start"], task["id"]))


def ordered(tasks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the tasks by their start, with some play for the end: 20.0 looks at the clock once for either record."""
    in_order = sorted(tasks, key=lambda task: (task["start"], task["id"]))
    return [{**task, "end": pytest.approx(task["end"], rel=0, abs=10)} for task in in_order]


# --- what Nx writes ---------------------------------------------------------------------------------------------------


def test_captures_are_there() -> None:
    """The captures cover every major version that has a history, so that the tests on them are about something."""
    assert {path.stem.split(".")[0] for path in CAPTURES} == {"20", "21", "22", "23", "24"}


@every_capture
def test_every_attempt_of_every_command(path: Path) -> None:
    """All attempts of all commands are read as each command's run.json had them, in time's order."""
    truth = json.loads(path.with_suffix(".json").read_bytes())
    attempts = read(path.read_bytes(), wal_of(path))
    assert seen(attempts) == ordered(task for command in truth for task in command["tasks"])
    assert [each.end for each in attempts] == sorted(each.end for each in attempts)
    failed = [each.id for each in attempts if each.status is TaskStatus.FAILURE]
    assert failed == [task["id"] for command in truth for task in command["tasks"] if task["code"]]


@every_capture
def test_what_is_not_in_the_database_yet(path: Path) -> None:
    """A command that ended while another one had the database open stands in the WAL alone, and is found there."""
    truth = json.loads(path.with_suffix(".json").read_bytes())
    assert seen(read(path.read_bytes())) == ordered(task for command in truth[:-1] for task in command["tasks"])
    last = read(path.read_bytes(), wal_of(path))[-len(truth[-1]["tasks"]) :]
    assert seen(last) == ordered(truth[-1]["tasks"])


@every_capture
def test_since(path: Path) -> None:
    """Attempts that ended before the moment are left out, one that ended at that very moment is not."""
    attempts = read(path.read_bytes())
    moment = attempts[4].end
    assert read(path.read_bytes(), since=moment) == tuple(each for each in attempts if each.end >= moment)
    assert read(path.read_bytes(), since=datetime(2100, 1, 1, tzinfo=UTC)) == ()


def test_no_rows() -> None:
    """A history without rows, as 23 and later leave in the clone when the real one is at home, gives nothing."""
    assert read(made(DETAILS, HISTORY)) == ()


@pytest.mark.parametrize(
    ("word", "code", "status", "cache"),
    [
        ("success", 0, TaskStatus.SUCCESS, CacheStatus.MISS),
        ("failure", 1, TaskStatus.FAILURE, CacheStatus.MISS),
        ("failure", 0, TaskStatus.FAILURE, CacheStatus.MISS),
        ("success", 2, TaskStatus.FAILURE, CacheStatus.MISS),
        ("stopped", 1, TaskStatus.STOPPED, CacheStatus.MISS),
        ("skipped", 1, TaskStatus.NOT_RUN, None),
        ("local-cache", 0, TaskStatus.SUCCESS, CacheStatus.LOCAL),
        ("local-cache-kept-existing", 0, TaskStatus.SUCCESS, CacheStatus.LOCAL),
        ("remote-cache", 0, TaskStatus.SUCCESS, CacheStatus.REMOTE),
        ("remote-cache", 1, TaskStatus.FAILURE, CacheStatus.REMOTE),
        ("a word of tomorrow", 0, TaskStatus.SUCCESS, None),
        ("a word of tomorrow", 3, TaskStatus.FAILURE, None),
    ],
)
def test_status(word: str, code: int, status: TaskStatus, cache: CacheStatus | None) -> None:
    """Word and exit code together give the status: the worse of the two counts."""
    (attempt,) = read(made(DETAILS, HISTORY, NAME, f"{ROW} ('h1', '{word}', {code}, 1, 2)"))
    assert (attempt.status, attempt.code, attempt.cache) == (status, code, cache)


def test_written_twice() -> None:
    """A row that one process wrote at the end of two commands is one attempt; the same task at another time is two."""
    row = "('h1', 'failure', 1, 10, 20)"
    assert len(read(made(DETAILS, HISTORY, NAME, f"{ROW} {row}, {row}, ('h1', 'failure', 1, 10, 21)"))) == 2


def test_later_layout() -> None:
    """More columns and more tables change nothing."""
    more = ["ALTER TABLE task_history ADD COLUMN run TEXT DEFAULT 'x'", "CREATE TABLE runs (id)"]
    ids = read(made(DETAILS, HISTORY, NAME, *more, f"{ROW} ('h1', 'success', 0, 1, 2)"))
    assert [each.id for each in ids] == ["core:test"]


def test_the_newest_of_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more attempts than the limit the newest are given."""
    monkeypatch.setattr(history, "ATTEMPTS_LIMIT", 3)
    rows = ", ".join(f"('h1', 'success', 0, {second}000, {second}000)" for second in range(1, 9))
    assert [each.end.second for each in read(made(DETAILS, HISTORY, NAME, ROW + rows))] == [6, 7, 8]


@every_capture
def test_outcomes(path: Path) -> None:
    """A hash has every outcome that its commands had: only the flaky task has two."""
    commands = json.loads(path.with_suffix(".json").read_text())
    truth: dict[str, set[TaskStatus]] = {}
    for task in (task for command in commands for task in command["tasks"]):
        status = TaskStatus.FAILURE if task["code"] else TaskStatus.SUCCESS
        truth.setdefault(task["hash"], set()).add(status)
    database, wal = path.read_bytes(), wal_of(path)
    assert outcomes(database, wal, truth) == truth
    flaky = {task["hash"] for command in commands for task in command["tasks"] if task["id"] == "core:e2e"}
    found = outcomes(database, wal, [*truth, "another"])
    assert {name for name, statuses in found.items() if len(statuses) > 1} == flaky
    assert outcomes(database, wal, flaky) == {name: {TaskStatus.SUCCESS, TaskStatus.FAILURE} for name in flaky}
    assert outcomes(database, wal, ()) == {}


def test_outcomes_in_the_wal(tmp_path: Path) -> None:
    """What only stands in the WAL counts too, and a task without a name, which needs none."""
    path = tmp_path / "history.db"
    connection = sqlite3.connect(path)
    connection.executescript(f"PRAGMA journal_mode=WAL; {DETAILS}; {HISTORY}; {ROW} ('h1', 'success', 0, 1, 2);")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.executescript(f"{ROW} ('h1', 'failure', 1, 3, 4); {ROW} ('h2', 'stopped', 130, NULL, NULL);")
    wal = path.with_name("history.db-wal").read_bytes()
    assert outcomes(path.read_bytes(), b"", ["h1", "h2"]) == {"h1": {TaskStatus.SUCCESS}}
    found = outcomes(path.read_bytes(), wal, ["h1", "h2"])
    assert found == {"h1": {TaskStatus.SUCCESS, TaskStatus.FAILURE}, "h2": {TaskStatus.STOPPED}}
    connection.close()


@pytest.mark.parametrize(
    ("word", "code", "statuses"),
    [
        ("success", 0, {TaskStatus.SUCCESS}),
        ("success", 3, {TaskStatus.FAILURE}),
        ("failure", 1, {TaskStatus.FAILURE}),
        ("remote-cache", 0, {TaskStatus.SUCCESS}),
        ("a new word", 0, {TaskStatus.SUCCESS}),
        ("a new word", 7, {TaskStatus.FAILURE}),
        ("skipped", 0, None),
    ],
)
def test_outcome_of_a_word(word: str, code: int, statuses: set[TaskStatus] | None) -> None:
    """An outcome is the worst that word and code say; a task that was not run has none."""
    database = made(DETAILS, HISTORY, NAME, f"{ROW} ('h1', '{word}', {code}, 1, 2)")
    assert outcomes(database, b"", {"h1"}) == ({"h1": statuses} if statuses else {})


def test_outcomes_of_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many attempts the newest are looked at."""
    monkeypatch.setattr(history, "ATTEMPTS_LIMIT", 2)
    rows = (f"{ROW} ('h{number}', 'success', 0, 1, 2)" for number in range(4))
    assert outcomes(made(DETAILS, HISTORY, *rows), b"", ["h0", "h1", "h2", "h3"]).keys() == {"h2", "h3"}


# --- what SQLite itself would read ------------------------------------------------------------------------------------


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_wal_as_sqlite_reads_it(page_size: int, tmp_path: Path) -> None:
    """After transactions, rollbacks and checkpoints the attempts are those that SQLite's own queries give.

    Pages of a transaction that is still open, and those left in the file from before a checkpoint, don't count.
    """
    chance = random.Random(page_size)
    path = tmp_path / "x.db"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.executescript(f"PRAGMA page_size={page_size}; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;")
    writer.executescript(f"PRAGMA cache_size=2; {DETAILS}; {HISTORY}; {NAME}")
    compared = set()
    for turn in range(40):
        rows = ", ".join(
            f"('h1', 'success', 0, {turn}, {turn * 1000 + each})" for each in range(chance.randint(1, 200))
        )
        writer.execute("BEGIN")
        writer.execute(ROW + rows)
        if chance.random() < 0.3:
            writer.execute("DELETE FROM task_history WHERE id % 3 = 0")
        database, wal = (Path(f"{path}{end}").read_bytes() for end in ("", "-wal"))
        open_one = [row for (row,) in sqlite3.connect(path).execute("SELECT end FROM task_history ORDER BY end")]
        writer.execute("COMMIT" if chance.random() < 0.8 else "ROLLBACK")
        assert [round(each.end.timestamp() * 1000) for each in read(database, wal)] == open_one
        compared.add(len(open_one))
        if chance.random() < 0.3:
            writer.execute("PRAGMA wal_checkpoint(RESTART)")
        if chance.random() < 0.2:
            writer.execute("VACUUM")
    writer.close()
    assert len(compared) > 20


def test_order_as_written() -> None:
    """Attempts that ended in the same millisecond are in the order in which they were written."""
    rows = ", ".join(f"('h1', 'success', {code}, 1, 2)" for code in (3, 1, 2))
    assert [each.code for each in read(made(DETAILS, HISTORY, NAME, ROW + rows))] == [3, 1, 2]


# --- what an accident or an enemy leaves ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"{}", "is not an SQLite database"),
        (b"\0" * 8192, "is not an SQLite database"),
        (b"SQLite format 3\0", "is damaged"),
        (b"SQLite format 3\0" + b"\xff" * 8192, "is damaged"),
        (made("CREATE TABLE x (y)"), "has no table task_history"),
        (made(HISTORY), "has no table task_details"),
        (made(DETAILS, "CREATE TABLE task_history (id, hash, start, end)"), "has no status, code in task_history"),
        (made(HISTORY, DETAILS.replace("target TEXT, ", "")), "has no target in task_details"),
    ],
)
def test_no_such_database(data: bytes, words: str) -> None:
    """A file that is no task history, or one of an unknown layout, is said to be so."""
    with pytest.raises(ValueError, match=words):
        read(data)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i"


@pytest.mark.parametrize(
    "table",
    [
        f"CREATE VIEW task_history AS {ENDLESS} AS hash, i AS status, i AS code, i AS start, i AS end FROM n",
        "CREATE TABLE task_history (hash, status, code, start, e, end AS (hex(zeroblob(e))))",
        "CREATE TABLE task_history (hash PRIMARY KEY, status, code, start, end) WITHOUT ROWID",
    ],
    ids=["endless view", "computed column", "no rowid"],
)
def test_no_plain_table(table: str) -> None:
    """What looks like the table and would run something when it is read, or has no order, is not read."""
    with pytest.raises(ValueError, match=r"^(has no |is damaged)"):
        read(made(DETAILS, table))


def test_virtual_table() -> None:
    """A virtual table by the right name is not read."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(f"{DETAILS}; PRAGMA writable_schema=ON;")
    sql = "CREATE VIRTUAL TABLE task_history USING dbstat(x)"
    connection.execute("INSERT INTO sqlite_schema VALUES ('table', 'task_history', 'task_history', 0, ?)", (sql,))
    connection.commit()
    with pytest.raises(ValueError, match="has no table task_history"):
        read(connection.serialize())


def test_too_many_tables() -> None:
    """A schema that would take minutes to read is given up."""
    with pytest.raises(ValueError, match="takes too much work"):
        read(made(DETAILS, HISTORY, *(f"CREATE TABLE t{number} (x)" for number in range(3000))))


def test_too_much_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading is given up where it takes more steps than a history of the largest size."""
    monkeypatch.setattr(history, "_READ_STEPS", 1000)
    with pytest.raises(ValueError, match="takes too much work"):
        read(made(DETAILS, HISTORY, NAME, ROW + ", ".join(["('h1', 'success', 0, 1, 2)"] * 1000)))


def test_more_text_than_bytes() -> None:
    """Rows that hold more text than the file has bytes, since they share its pages, are damage."""
    assert list(history._bounded([("four", 1, None), (b"four", 2.5)], 8)) == [("four", 1, None), (b"four", 2.5)]
    with pytest.raises(ValueError, match="is damaged"):
        list(history._bounded([("four",), ("five.",)], 8))


def test_huge_texts() -> None:
    """A name longer than any is left out with its rows; a value that SQLite must not even load ends the reading."""
    rows = [NAME, f"{ROW} ('h1', 'failure', 1, 1, 2), ('h2', 'failure', 1, 1, 2)"]
    long = "INSERT INTO task_details VALUES ('h2', hex(zeroblob({})), 'x', NULL)"
    assert [each.id for each in read(made(DETAILS, HISTORY, *rows, long.format(1000)))] == ["core:test"]
    with pytest.raises(ValueError, match="is damaged"):
        read(made(DETAILS, HISTORY, *rows, long.format(10_000_000)))


@pytest.mark.parametrize(
    ("row", "code", "start"),
    [
        ("('h1', 'failure', 'one', 'never', 2000)", None, None),
        ("('h1', 'failure', x'00ff', 1e300, 2000)", None, None),
        ("('h1', 'failure', NULL, 9223372036854775807, 2000)", None, None),
        ("('h1', x'ff', 1, -1, 2000)", 1, datetime(1969, 12, 31, 23, 59, 59, 999000, UTC)),
    ],
)
def test_odd_values(row: str, code: int | None, start: datetime | None) -> None:
    """A value of another type or out of all bounds is not known; the attempt is still told."""
    (attempt,) = read(made(DETAILS, HISTORY, NAME, ROW + row))
    assert attempt == ("core:test", "test", "h1", TaskStatus.FAILURE, code, attempt.cache, start, attempt.end)
    assert attempt.end == datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)


@pytest.mark.parametrize("end", ["'soon'", "NULL", "x'00'", "9223372036854775807", "1e300", "-5"])
def test_no_end(end: str) -> None:
    """A row that does not say when it ended is of no build, and is left out."""
    assert read(made(DETAILS, HISTORY, NAME, f"{ROW} ('h1', 'failure', 1, 1, {end})")) == ()


@pytest.mark.parametrize(
    "name", ["NULL, 'test', NULL", "'core', x'00', NULL", "'', 'test', NULL", "'core', 'test', ''"]
)
def test_no_name(name: str) -> None:
    """A row of a task without a name is left out, and so is one whose hash nothing names."""
    rows = f"{ROW} ('h2', 'failure', 1, 1, 2), ('h3', 'failure', 1, 1, 2), (NULL, 'failure', 1, 1, 2)"
    assert read(made(DETAILS, HISTORY, f"INSERT INTO task_details VALUES ('h2', {name})", rows)) == ()


def test_broken_utf_8() -> None:
    """Bytes that are no UTF-8 are replaced, as in every other file."""
    name = "INSERT INTO task_details VALUES ('h2', CAST(x'61ff' AS TEXT), 'test', 'a')"
    (attempt,) = read(made(DETAILS, HISTORY, name, f"{ROW} ('h2', 'success', 0, 1, 2)"))
    assert (attempt.id, attempt.target) == ("a\ufffd:test:a", "test")


def outcome(database: bytes, wal: bytes = b"") -> tuple[Attempt, ...] | None:
    """Give what is read, None where that is said not to be possible, in a line and without a word of the file."""
    with suppress(ValueError):  # and nothing else
        outcomes(database, wal, ["h1"])
    try:
        return read(database, wal)
    except ValueError as error:
        words = str(error)
    assert re.fullmatch(
        r"is (damaged|empty|not an SQLite database)|takes too much work to read|has no [a-z_, ]+ Nx.s .*", words
    ), words
    return None


@every_capture
def test_damaged_database(path: Path) -> None:
    """A database cut anywhere, or with bytes that are wrong, is read as far as it goes or said to be damaged."""
    chance = random.Random(path.stem)
    data = path.read_bytes()
    whole = read(data)
    damaged = []
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 4, 200))):
            changed[chance.randrange(len(changed))] = chance.choice((0, 1, 255, chance.randrange(256)))
        damaged.append(bytes(changed))
    damaged += [data[:length] for length in range(0, len(data), 997)]
    outcomes = [outcome(each) for each in damaged]
    assert None in outcomes
    assert whole in outcomes
    assert any(each not in (None, whole) for each in outcomes)


@every_capture
def test_damaged_wal(path: Path) -> None:
    """Of a WAL that is cut or wrong anywhere the commits before that place are read, and never a part of one."""
    chance = random.Random(path.stem)
    database, wal = path.read_bytes(), wal_of(path)
    frame = 24 + 4096
    commits = {outcome(database, wal[:length]) for length in range(32, len(wal) + 1, frame)}
    assert None not in commits
    assert len(commits) == 2
    for _ in range(300):
        changed = bytearray(wal)
        at = chance.randrange(len(changed))
        changed[at] ^= chance.randrange(1, 256)
        assert outcome(database, bytes(changed)) in commits
        assert outcome(database, wal[:at]) in commits
    assert outcome(b"", wal) is None
    assert outcome(database, b"\0" * 100_000) == outcome(database)


def wal_with(*frames: tuple[int, int, bytes], magic: int = 0x377F0682, size: int = 4096) -> bytes:
    """Give a WAL, its checksums right, of frames: page number, pages in the database if it is a commit, content."""
    wal = struct.pack(">6I", magic, 3007000, size, 0, 1, 2)
    sums = history._checksum(wal, [0, 0])
    wal += struct.pack(">2I", *sums)
    for number, commit, page in frames:
        sums = history._checksum(struct.pack(">2I", number, commit) + page, sums)
        wal += struct.pack(">6I", number, commit, 1, 2, *sums) + page
    return wal


EMPTY, FULL = made(DETAILS, HISTORY, NAME), made(DETAILS, HISTORY, NAME, f"{ROW} ('h1', 'success', 0, 1, 2)")
PAGES = len(FULL) // 4096
FRAMES = [(at + 1, 0, FULL[4096 * at : 4096 * (at + 1)]) for at in range(PAGES - 1)]
LAST = (PAGES, PAGES, FULL[4096 * (PAGES - 1) :])


@pytest.mark.parametrize("database", [b"", EMPTY, FULL + bytes(8192)], ids=["empty", "before", "longer"])
def test_all_in_the_wal(database: bytes) -> None:
    """As long as the daemon runs, even the tables are in the WAL alone; pages that it does not count are gone."""
    beyond = (PAGES + 3, 0, bytes(4096))
    assert history._merged(database, wal_with(*FRAMES, beyond, LAST)) == FULL
    assert read(database, wal_with(*FRAMES, beyond, LAST)) == read(FULL)
    assert len(read(FULL)) == 1


@pytest.mark.parametrize(
    "wal",
    [
        wal_with(*FRAMES),
        wal_with(*FRAMES, (0, PAGES, bytes(4096))),
        wal_with(*FRAMES, LAST, magic=0x377F0680),
        wal_with(*FRAMES, LAST, size=0),
        wal_with(*FRAMES, LAST, size=4100),
    ],
    ids=["no commit", "page 0", "magic", "no page size", "odd page size"],
)
def test_no_wal(wal: bytes) -> None:
    """What is not a commit of a WAL changes nothing."""
    assert read(EMPTY, wal) == read(EMPTY) == ()


def test_wal_of_a_huge_database() -> None:
    """A WAL that makes the database larger than any is damage, and no memory is taken for it."""
    with pytest.raises(ValueError, match="is damaged"):
        read(EMPTY, wal_with((2, 0xFFFFFFFF, bytes(4096))))
