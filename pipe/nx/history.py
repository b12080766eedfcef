"""Nx's task history: an SQLite database with one row for every attempt at a task, of all commands since it was made.

Nx 20 to 24 write, when a command ends and not before, one row for each task that has a result, in the order in which
they ended (https://github.com/nrwl/nx: `task-history-life-cycle.ts`, `native/tasks/task_history.rs`, `details.rs`):

    task_history  hash, status (in the words of plugins), code, start, end (milliseconds since 1970)
    task_details  hash, project, target, configuration (or null)

Cache hits and failures have rows, tasks that were not run have none. A command that is killed leaves none, one that is
interrupted does from 22 on. Nothing tells the rows of one command from those of another, except a run.json: its tasks
have the same hashes and times. The file lies in the workspace data folder, from 23 on only where the cache is in the
clone too; otherwise what lies there has no rows. It is named after the machine and the layout's version (`<id>.db`,
`<id>-v2.db`, `-v4.db`, `-v6.db`), so that one folder may hold several.

The file is written by whoever opened the pull request. It is read in memory, as https://sqlite.org/security.html says
of such files: with limits on what a value and the whole reading may take, and from plain tables alone.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from pipe.model import CacheStatus, TaskStatus

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator, Mapping

# Where the database lies, from the workspace: the usual folder, and that of lerna without nx.json. Before them come the
# values of NX_WORKSPACE_DATA_DIRECTORY, else NX_PROJECT_GRAPH_CACHE_DIRECTORY, where they are set.
FOLDERS = (".nx/workspace-data", "node_modules/.cache/nx-workspace-data")
NAMES = "*.db"
WAL = "-wal"  # ends the name of what is not in the database yet: there while nx is running, and after it was killed

# 100 bytes make an attempt: this is more than a hundred builds of 1,000 tasks. SQLite itself keeps a WAL at 4 MB.
DATABASE_LIMIT = 32 << 20
WAL_LIMIT = 16 << 20
ATTEMPTS_LIMIT = 200_000
_NAME_LIMIT = 1000  # characters; a longer name or hash is not Nx's
_VALUE_LIMIT = 1 << 16  # bytes of any value
_SCHEMA_STEPS = 10_000  # of SQLite's virtual machine, some eight for a table or index
_READ_STEPS = 50_000_000  # a second or two; an attempt takes about twenty

_WAL_MAGIC = 0x377F0682  # as every little-endian machine writes it
_WAL_HEADER = 32
_FRAME_HEADER = 24
_PAGE_SIZES = frozenset(1 << power for power in range(9, 17))

_COLUMNS = {
    "task_history": ("hash", "status", "code", "start", "end"),
    "task_details": ("hash", "project", "target", "configuration"),
}
_RESULTS = {
    "success": (TaskStatus.SUCCESS, CacheStatus.MISS),
    "failure": (TaskStatus.FAILURE, CacheStatus.MISS),
    "stopped": (TaskStatus.STOPPED, CacheStatus.MISS),
    "skipped": (TaskStatus.NOT_RUN, None),
    "local-cache": (TaskStatus.SUCCESS, CacheStatus.LOCAL),
    "local-cache-kept-existing": (TaskStatus.SUCCESS, CacheStatus.LOCAL),
    "remote-cache": (TaskStatus.SUCCESS, CacheStatus.REMOTE),
}


class Attempt(NamedTuple):
    """One attempt at a task. `id` is `project:target[:configuration]`; `code` the exit code, 0 for a cache hit."""

    id: str
    target: str
    hash: str
    status: TaskStatus
    code: int | None
    cache: CacheStatus | None
    start: datetime | None
    end: datetime


def read(database: bytes, wal: bytes = b"", since: datetime | None = None) -> tuple[Attempt, ...]:
    """Read the attempts that ended at `since` or later, the one that ended first first.

    `database` and `wal` are the contents of the two files, `wal` empty where there is none. Of more than ATTEMPTS_LIMIT
    the newest are given. Rows without a name or an end are left out, and so is a row's repetition.

    Raises:
        ValueError: it is no such database, is damaged, has another layout or takes too much work; the text says so in a
            line, without a word of the file.

    """
    with _opened(database, wal) as (connection, size):
        found = _attempts(connection, size, 0 if since is None else int(since.timestamp() * 1000))
    return tuple(sorted(found, key=lambda each: each.end))


def outcomes(database: bytes, wal: bytes, hashes: Collection[str]) -> dict[str, frozenset[TaskStatus]]:
    """Read how tasks of these hashes have ended, whenever that was: every status but not-run that the history has.

    A hash of which it has none is left out. A hash stands for a task with all its inputs: one with a success and a
    failure is flaky. A cache hit is a success. Only the newest ATTEMPTS_LIMIT attempts of all tasks are looked at.

    Raises:
        ValueError: as `read` does.

    """
    wanted = frozenset(hashes)
    found: dict[str, set[TaskStatus]] = {}
    with _opened(database, wal) as (connection, size):
        connection.set_progress_handler(lambda: 1, _READ_STEPS)
        rows = connection.execute(
            "SELECT hash, status, code FROM task_history ORDER BY rowid DESC LIMIT ?", (ATTEMPTS_LIMIT,)
        )
        for hash_, word, code in _bounded(rows, size):
            status = _ended(word, code)[0]
            if hash_ in wanted and isinstance(hash_, str) and status is not TaskStatus.NOT_RUN:
                found.setdefault(hash_, set()).add(status)
    return {hash_: frozenset(statuses) for hash_, statuses in found.items()}


@contextmanager
def _opened(database: bytes, wal: bytes) -> Iterator[tuple[sqlite3.Connection, int]]:
    """Open the database in memory and check it; with its size in bytes. What SQLite raises becomes a ValueError."""
    import sqlite3  # noqa: PLC0415 - seldom there, and slow to import

    content = _merged(database, wal)
    connection = sqlite3.connect(":memory:")
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    try:
        connection.deserialize(content)
        _check(connection)
        yield connection, len(content)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # Nothing of SQLite's message: it may quote the file, and then need not even be UTF-8.
        interrupted = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
        raise ValueError("takes too much work to read" if interrupted else "is damaged") from None
    finally:
        connection.close()


def _check(connection: sqlite3.Connection) -> None:
    """Set the limits and see that both tables are as expected. Raises ValueError and sqlite3.Error."""
    import sqlite3  # noqa: PLC0415 - see above

    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE_LIMIT)
    connection.executescript("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;")
    # The first query makes SQLite read the whole schema, which takes the square of its length.
    connection.set_progress_handler(lambda: 1, _SCHEMA_STEPS)
    made = dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE name IN (?, ?)", tuple(_COLUMNS)))
    for table, columns in _COLUMNS.items():
        # Neither a view, which may never end, nor a virtual table; table_info leaves generated columns out.
        if not str(made.get(table)).startswith("CREATE TABLE "):
            raise ValueError(f"has no table {table}, as Nx's task history has up to 24")
        found = {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")}
        if missing := [column for column in columns if column not in found]:
            raise ValueError(f"has no {', '.join(missing)} in {table}, as Nx's task history has up to 24")


def _attempts(connection: sqlite3.Connection, size: int, since: int) -> list[Attempt]:
    """The attempts, each once, as they were written. Raises ValueError and sqlite3.Error."""
    connection.set_progress_handler(lambda: 1, _READ_STEPS)
    details = connection.execute(
        "SELECT hash, project, target, configuration FROM task_details ORDER BY rowid DESC LIMIT ?",
        (ATTEMPTS_LIMIT,),
    )
    names = _names(_bounded(details, size))
    rows = connection.execute(
        'SELECT hash, status, code, start, "end" FROM task_history WHERE "end" >= ? ORDER BY rowid DESC LIMIT ?',
        (since, ATTEMPTS_LIMIT),
    )
    attempts = (_attempt(row, names) for row in _bounded(rows, size))
    # A process that runs several commands writes all its rows again at the end of each.
    return list(dict.fromkeys(each for each in attempts if each is not None))[::-1]


def _bounded(rows: Iterable[tuple[object, ...]], size: int) -> Iterator[tuple[object, ...]]:
    """Yield the rows as long as they hold less text than the file, which pages that are used twice would let grow."""
    for row in rows:
        size -= sum(len(value) for value in row if isinstance(value, str | bytes))
        if size < 0:
            raise ValueError("is damaged")
        yield row


def _names(details: Iterable[tuple[object, ...]]) -> dict[object, tuple[str, str, str]]:
    """Each hash's id, target and the hash itself; what is no name is left out."""
    names: dict[object, tuple[str, str, str]] = {}
    for hash_, project, target, configuration in details:
        parts = (project, target) if configuration is None else (project, target, configuration)
        texts = [part for part in (hash_, *parts) if isinstance(part, str) and 0 < len(part) <= _NAME_LIMIT]
        if len(texts) == len(parts) + 1:
            names.setdefault(hash_, (":".join(texts[1:]), texts[2], texts[0]))
    return names


def _attempt(row: tuple[object, ...], names: Mapping[object, tuple[str, str, str]]) -> Attempt | None:
    hash_, word, code, start, end = row
    ended = _time(end)
    if hash_ not in names or ended is None:
        return None
    return Attempt(*names[hash_], *_ended(word, code), _time(start), ended)


def _ended(word: object, code: object) -> tuple[TaskStatus, int | None, CacheStatus | None]:
    """How an attempt ended: the worst that word and exit code say, the code, and where the result came from."""
    number = code if isinstance(code, int) else None
    status, cache = _RESULTS.get(str(word), (TaskStatus.SUCCESS if number == 0 else TaskStatus.FAILURE, None))
    if status is TaskStatus.SUCCESS and number not in (0, None):
        status = TaskStatus.FAILURE
    return status, number, cache


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int) else None
    except (ValueError, OverflowError, OSError):
        return None


# --- what is not in the database yet (https://sqlite.org/fileformat2.html#the_write_ahead_log) ------------------------


def _merged(database: bytes, wal: bytes) -> bytearray:
    """The database with all committed pages of its WAL, marked as one that needs none. Raises ValueError."""
    size, count, pages = _committed(wal)
    if size * count > DATABASE_LIMIT + WAL_LIMIT:
        raise ValueError("is damaged")
    content = bytearray(database)
    if pages:
        content[size * count :] = bytes(max(0, size * count - len(content)))
    for number, page in pages.items():
        if number <= count:
            content[size * (number - 1) : size * number] = page
    if not content.startswith(b"SQLite format 3\0"):
        raise ValueError("is not an SQLite database" if content else "is empty")
    content[18:20] = b"\1\1"  # a database in memory can't be read in WAL mode
    return content


def _committed(wal: bytes) -> tuple[int, int, dict[int, bytes]]:
    """The page size, the number of pages in the whole database, and the pages by number, from 1, as last committed.

    As SQLite does, everything from the first frame on that is cut, damaged or left over from an earlier use of the file
    is taken as never written: the checksum runs through all frames and starts with that of the header, which is another
    one for each use.
    """
    pages: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    count = 0
    if len(wal) < _WAL_HEADER:
        return 0, 0, {}
    magic, _, size = struct.unpack(">3I", wal[:12])
    if magic != _WAL_MAGIC or size not in _PAGE_SIZES:
        return 0, 0, {}
    sums = _checksum(wal[:24], [0, 0])
    for start in range(_WAL_HEADER, len(wal) - _FRAME_HEADER - size + 1, _FRAME_HEADER + size):
        page = wal[start + _FRAME_HEADER : start + _FRAME_HEADER + size]
        number, commit, _, _, *expected = struct.unpack(">6I", wal[start : start + _FRAME_HEADER])
        sums = _checksum(wal[start : start + 8] + page, sums)
        if not number or sums != expected:
            break
        pending[number] = page
        if commit:
            pages |= pending
            pending, count = {}, commit
    return size, count, pages


def _checksum(data: bytes, sums: list[int]) -> list[int]:
    first, second = sums
    words = struct.unpack(f"<{len(data) // 4}I", data)
    for left, right in zip(words[::2], words[1::2], strict=True):
        first = (first + left + second) & 0xFFFFFFFF
        second = (second + right + first) & 0xFFFFFFFF
    return [first, second]
