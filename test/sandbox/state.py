"""What the embedded Bitbucket remembers: users, credentials, repositories, pull requests, comments, statuses, reports.

Plain objects and rules that hold whatever API asks: who may edit what, what a deleted comment still is, which build
status another one overwrites. Bodies, limits and status codes belong to the API's own module. Whoever calls from
several threads holds `State.lock`.
"""

from __future__ import annotations

import copy
import itertools
import threading
import uuid
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


_REMEMBERED = 3  # writes
MOST_ANNOTATIONS = 1000  # of a report


class NotFoundError(Exception):
    """The thing is not there, or no longer."""


class ForbiddenError(Exception):
    """The user may not do this to somebody else's thing."""


class FullError(Exception):
    """There is no room for more."""


class AmbiguousError(Exception):
    """Several build statuses share the key and differ in their refname; the update names none of them."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who writes: a person, or the user that Bitbucket makes up for an access token."""

    uuid: str
    display_name: str
    type: str


@dataclass(frozen=True, slots=True)
class Credential:
    """A token and what it may do.

    With an `email` it is an API token of that Atlassian account, without one an access token. `scopes` are in the
    words of its kind: `read:pullrequest:bitbucket` for API tokens, `pullrequest` for access tokens.
    """

    user: User
    token: str
    scopes: frozenset[str]
    email: str | None = None


@dataclass(frozen=True, slots=True)
class HttpToken:
    """An HTTP access token of Data Center: of a user, or of a repository, as which it then writes.

    `permission` is `read`, `write` or `admin`, each of which contains those before it.
    """

    user: User
    token: str
    of_user: bool = True
    permission: str = "write"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit; `hash` has 40 hexadecimal digits."""

    hash: str
    message: str
    author: User
    date: datetime
    parent: str | None = None


@dataclass(slots=True)
class Comment:
    """A comment on a pull request.

    `inline` is its place in the diff, as the API takes it; `parent` the id of the comment that it replies to. `version`
    counts its edits, from 0.
    """

    id: int
    user: User
    raw: str
    created_on: datetime
    updated_on: datetime
    inline: dict[str, Any] | None = None
    parent: int | None = None
    deleted: bool = False
    version: int = 0


@dataclass(frozen=True, slots=True)
class Activity:
    """What happened on a pull request, as Data Center tells it; `comment` is the id of the comment that was made."""

    id: int
    action: str
    user: User
    date: datetime
    comment: int | None = None


@dataclass(slots=True)
class BuildStatus:
    """A build status; commit, key and refname together are its identity (jenkinsci/bitbucket-branch-source#930).

    On Data Center, where `refname` is a branch's name or any other ref as it was written, commit and key alone are.
    `more` is what was written there and Cloud has no word for, by its key in the body (`parent`, `buildNumber`, ...).
    """

    commit: str
    key: str
    refname: str | None
    state: str
    url: str
    name: str | None
    description: str | None
    user: User
    created_on: datetime
    updated_on: datetime
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """A Code Insights report; commit and `external_id`, the writer's own key, are its identity.

    `values` is what was written, in Cloud's words, `user` who wrote it last: unlike a build status, anybody may replace
    it on Cloud.
    """

    commit: str
    external_id: str
    uuid: str
    values: dict[str, Any]
    user: User
    created_on: datetime
    updated_on: datetime


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation of a report; `external_id`, the writer's own key, is its identity there. `values`: as written.

    On Data Center it is no identity, and may be "".
    """

    external_id: str
    uuid: str
    values: dict[str, Any]
    created_on: datetime
    updated_on: datetime


@dataclass(frozen=True, slots=True)
class Download:
    """A file in a repository's Downloads; its name is its identity."""

    name: str
    content: bytes
    user: User
    created_on: datetime


@dataclass(slots=True)
class PullRequest:
    """A pull request; `source_commit` and `destination_commit` have 40 digits, `state` is OPEN, MERGED, ..."""

    id: int
    title: str
    author: User
    source_branch: str
    source_commit: str
    destination_branch: str
    destination_commit: str
    created_on: datetime
    updated_on: datetime
    state: str = "OPEN"
    description: str = ""
    comments: dict[int, Comment] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)

    def comment(self, comment_id: int) -> Comment:
        """Find the comment with that id, deleted or not; raises NotFoundError."""
        if comment_id not in self.comments:
            raise NotFoundError(f"Comment {comment_id} not found")
        return self.comments[comment_id]

    @property
    def visible_comments(self) -> list[Comment]:
        """The comments that a reader sees, oldest first."""
        return [comment for comment in self.comments.values() if not comment.deleted]


class CommitIndex(Enum):
    """How far Bitbucket is with linking commits to pull requests, which it does on its own time."""

    READY = "ready"
    INDEXING = "indexing"
    MISSING = "missing"


class Repository:
    """One repository with its pull requests, build statuses and reports.

    The credentials of the users in `reports_refused` may neither read nor write reports. With `strict_deletion` the
    deletion of a report that is not there is a 404, which mc1arke's plugin for SonarQube meets and ignores; the OpenAPI
    file knows 204 alone.
    """

    def __init__(self, state: State, workspace: str, slug: str) -> None:
        """Make an empty one; use `State.add_repository`."""
        self._state = state
        self.workspace = workspace
        self.slug = slug
        self.uuid = state.next_uuid()
        self.commits: dict[str, Commit] = {}
        self.pull_requests: dict[int, PullRequest] = {}
        self.build_statuses: list[BuildStatus] = []
        self.reports: dict[tuple[str, str], Report] = {}
        self.annotations: dict[tuple[str, str], dict[str, Annotation]] = {}
        self.downloads: dict[str, Download] = {}
        self.reports_refused: set[User] = set()
        self.strict_deletion = False
        self.commit_index = CommitIndex.READY
        self._past: deque[Repository] = deque(maxlen=_REMEMBERED)

    @property
    def full_name(self) -> str:
        """`workspace/slug`."""
        return f"{self.workspace}/{self.slug}"

    @property
    def project_key(self) -> str:
        """The key of its project on Data Center: its workspace in capitals, or `~` and the name of its owner."""
        return self.workspace if self.workspace.startswith("~") else self.workspace.upper()

    def before(self, writes: int) -> Repository:
        """Give the repository as it stood that many writes ago, as far back as is remembered (see `State.lag`)."""
        back = min(writes, len(self._past))
        return self._past[-back] if back else self

    def _remember(self) -> None:
        """Keep what stands now; to be called before anything is written. Commits don't lag: git has them at once."""
        if self._state.lag is None:
            self._past.clear()
            return
        past = copy.copy(self)
        past.pull_requests = {
            number: replace(
                each,
                comments={own: replace(comment) for own, comment in each.comments.items()},
                activities=list(each.activities),
            )
            for number, each in self.pull_requests.items()
        }
        past.build_statuses = [replace(status) for status in self.build_statuses]
        past.reports = dict(self.reports)
        past.annotations = {key: dict(each) for key, each in self.annotations.items()}
        past.downloads = dict(self.downloads)
        self._past.append(past)

    def add_commit(self, author: User, commit: str, message: str = "Change", parent: str | None = None) -> Commit:
        """Add a commit by its 40-digit hash, or give back the one that is there."""
        return self.commits.setdefault(commit, Commit(commit, message, author, self._state.clock(), parent))

    def add_pull_request(  # a pull request simply has so many parts
        self,
        author: User,
        title: str,
        *,
        source: tuple[str, str],
        destination: tuple[str, str],
        number: int | None = None,
        state: str = "OPEN",
    ) -> PullRequest:
        """Open a pull request from `source` (branch, 40-digit commit) to `destination`; both commits are added."""
        self._remember()
        now = self._state.clock()
        for _, commit in (source, destination):
            self.add_commit(author, commit)
        number = number if number is not None else max(self.pull_requests, default=0) + 1
        made = PullRequest(number, title, author, *source, *destination, created_on=now, updated_on=now, state=state)
        self.pull_requests[number] = made
        self._note(made, "OPENED", author)
        return made

    def _note(self, pull_request: PullRequest, action: str, user: User, comment: int | None = None) -> None:
        activity = Activity(self._state.next_id(), action, user, self._state.clock(), comment)
        pull_request.activities.append(activity)

    def push(self, pull_request: PullRequest, commit: str, message: str = "Change") -> None:
        """Make `commit` the head of the pull request's source branch."""
        self._remember()
        self.add_commit(pull_request.author, commit, message)
        pull_request.source_commit = commit
        pull_request.updated_on = self._state.clock()
        self._note(pull_request, "RESCOPED", pull_request.author)

    def approve(self, user: User, pull_request: PullRequest) -> None:
        """Approve the pull request, which only Data Center's activities tell of."""
        self._remember()
        self._note(pull_request, "APPROVED", user)

    def pull_requests_with(self, commit: str) -> list[PullRequest]:
        """List the pull requests that bring the commit, as far as parents of commits are known."""
        return [one for one in self.pull_requests.values() if commit in self._commits_of(one)]

    def _commits_of(self, pull_request: PullRequest) -> Iterator[str]:
        at: str | None = pull_request.source_commit
        while at is not None and at != pull_request.destination_commit:
            yield at
            at = self.commits[at].parent if at in self.commits else None

    def pull_request(self, number: int) -> PullRequest:
        """Find the pull request with that number; raises NotFoundError."""
        if number not in self.pull_requests:
            raise NotFoundError(f"Pull request {number} not found")
        return self.pull_requests[number]

    def commit(self, commit: str) -> Commit:
        """Find the commit with that full hash; raises NotFoundError."""
        if commit not in self.commits:
            raise NotFoundError(f"Commit {commit} not found")
        return self.commits[commit]

    def commit_by_prefix(self, prefix: str) -> Commit:
        """Find the only commit whose hash starts so, at least seven digits; raises NotFoundError."""
        found = [commit for commit in self.commits if len(prefix) >= 7 and commit.startswith(prefix)]
        if len(found) != 1:
            raise NotFoundError(f"Commit {prefix} not found")
        return self.commits[found[0]]

    def add_comment(
        self,
        user: User,
        pull_request: PullRequest,
        raw: str,
        *,
        inline: dict[str, Any] | None = None,
        parent: int | None = None,
    ) -> Comment:
        """Write a comment; raises NotFoundError for a parent that is not there."""
        if parent is not None:
            pull_request.comment(parent)
        self._remember()
        now = self._state.clock()
        comment = Comment(self._state.next_id(), user, raw, now, now, inline, parent)
        pull_request.comments[comment.id] = comment
        pull_request.updated_on = now
        if parent is None:
            self._note(pull_request, "COMMENTED", user, comment.id)
        return comment

    def edit_comment(self, user: User, pull_request: PullRequest, comment_id: int, raw: str) -> Comment:
        """Replace the text; raises NotFoundError (deleted ones too) or ForbiddenError (not the author)."""
        comment = self._own(user, pull_request, comment_id)
        self._remember()
        comment.raw = raw
        comment.version += 1
        comment.updated_on = pull_request.updated_on = self._state.clock()
        return comment

    def delete_comment(self, user: User, pull_request: PullRequest, comment_id: int) -> None:
        """Blank the comment and mark it; it stays in the list. Raises as `edit_comment` does."""
        comment = self._own(user, pull_request, comment_id)
        self._remember()
        comment.raw = ""
        comment.deleted = True
        comment.updated_on = pull_request.updated_on = self._state.clock()

    @staticmethod
    def _own(user: User, pull_request: PullRequest, comment_id: int) -> Comment:
        comment = pull_request.comment(comment_id)
        if comment.deleted:
            raise NotFoundError(f"Comment {comment_id} not found")
        if comment.user != user:
            raise ForbiddenError("Only the author may change a comment")
        return comment

    def statuses_of_commit(self, commit: str, refname: str | None = None) -> list[BuildStatus]:
        """List the commit's build statuses; with `refname` only those of that ref."""
        return [
            status
            for status in self.build_statuses
            if status.commit == commit and (refname is None or status.refname == refname)
        ]

    def statuses_of_pull_request(self, pull_request: PullRequest) -> list[BuildStatus]:
        """List the head's build statuses; one that names another branch does not belong to this pull request."""
        return [
            status
            for status in self.statuses_of_commit(pull_request.source_commit)
            if status.refname in (None, pull_request.source_branch)
        ]

    def put_status(self, user: User, commit: str, values: dict[str, str]) -> BuildStatus:
        """Write a build status, over the one of the same identity where there is one.

        `values`: key, state, url and perhaps name, description, refname. Without a refname the only status of that key
        is meant, and it keeps its refname. Raises ForbiddenError (another user made it) and AmbiguousError.
        """
        same_key = [status for status in self.statuses_of_commit(commit) if status.key == values["key"]]
        refname = values.get("refname")
        exact = [status for status in same_key if status.refname == refname]
        if not exact and refname is None:
            exact = same_key
        if len(exact) > 1:
            raise AmbiguousError(values["key"])
        if exact:
            return self._overwrite(user, exact[0], {"name": None, "description": None, **values})
        self._remember()
        now = self._state.clock()
        made = BuildStatus(
            commit,
            values["key"],
            refname,
            values["state"],
            values["url"],
            values.get("name"),
            values.get("description"),
            user,
            now,
            now,
        )
        self.build_statuses.append(made)
        return made

    def put_server_status(self, user: User, commit: str, values: dict[str, Any], more: dict[str, Any]) -> None:
        """Write a build status as Data Center does: over the one of that commit and key, whoever made it."""
        self._remember()
        now = self._state.clock()
        found = next((one for one in self.statuses_of_commit(commit) if one.key == values["key"]), None)
        if found is None:
            self.build_statuses.append(
                BuildStatus(commit=commit, user=user, created_on=now, updated_on=now, more=more, **values)
            )
            return
        for name, value in {**values, "user": user, "updated_on": now, "more": more}.items():
            setattr(found, name, value)

    def delete_status(self, commit: str, key: str) -> None:
        """Delete the build statuses of that commit and key, which Data Center alone can; raises NotFoundError."""
        gone = self.status(commit, key)
        self._remember()
        self.build_statuses = [one for one in self.build_statuses if one not in gone]

    def status(self, commit: str, key: str) -> list[BuildStatus]:
        """List the statuses of that key, one for each refname, last written last; raises NotFoundError for none."""
        found = [status for status in self.statuses_of_commit(commit) if status.key == key]
        if not found:
            raise NotFoundError(f"Build status {key} not found")
        return sorted(found, key=lambda status: status.updated_on)

    def update_status(self, user: User, commit: str, key: str, values: dict[str, str]) -> BuildStatus:
        """Change the named parts of the status; raises NotFoundError, ForbiddenError or AmbiguousError."""
        found = self.status(commit, key)
        if len(found) > 1:
            raise AmbiguousError(key)
        return self._overwrite(user, found[0], values)

    def _overwrite(self, user: User, status: BuildStatus, values: dict[str, Any]) -> BuildStatus:
        if status.user != user:
            raise ForbiddenError("Only the creator may overwrite a build status")
        self._remember()
        for name, value in {**values, "more": {}}.items():
            setattr(status, name, value)
        status.updated_on = self._state.clock()
        return status

    def reports_of_commit(self, commit: str) -> list[Report]:
        """List the commit's reports, first created first."""
        return [report for report in self.reports.values() if report.commit == commit]

    def report(self, commit: str, report_id: str) -> Report:
        """Find the commit's report by its external id or UUID; raises NotFoundError."""
        for report in self.reports_of_commit(commit):
            if report_id in (report.external_id, report.uuid):
                return report
        raise NotFoundError(f"Report {report_id} not found")

    def put_report(self, user: User, commit: str, report_id: str, values: dict[str, Any]) -> Report:
        """Write a report, in place of the one with that external id or UUID where there is one."""
        now = self._state.clock()
        try:
            found = self.report(commit, report_id)
        except NotFoundError:
            made = Report(commit, report_id, self._state.next_uuid(), values, user, now, now)
        else:
            made = replace(found, values=values, user=user, updated_on=now)
        self._remember()
        self.reports[commit, made.external_id] = made
        return made

    def delete_report(self, commit: str, report_id: str) -> None:
        """Delete the report, and its annotations with it; raises NotFoundError."""
        found = self.report(commit, report_id)
        self._remember()
        del self.reports[commit, found.external_id]
        self.annotations.pop((commit, found.external_id), None)

    def annotations_of(self, report: Report) -> list[Annotation]:
        """List the report's annotations, first created first."""
        return list(self.annotations.get((report.commit, report.external_id), {}).values())

    def annotation(self, report: Report, annotation_id: str) -> Annotation:
        """Find the report's annotation by its external id or UUID; raises NotFoundError."""
        for annotation in self.annotations_of(report):
            if annotation_id in (annotation.external_id, annotation.uuid):
                return annotation
        raise NotFoundError(f"Annotation {annotation_id} not found")

    def put_annotations(self, report: Report, annotations: list[dict[str, Any]]) -> list[Annotation]:
        """Write annotations, each in place of the one with its external id; raises FullError, and writes none then."""
        there = self.annotations.get((report.commit, report.external_id), {})
        if len(there.keys() | {values["external_id"] for values in annotations}) > MOST_ANNOTATIONS:
            raise FullError(f"A report may have no more than {MOST_ANNOTATIONS} annotations")
        self._remember()
        now = self._state.clock()
        made = []
        for values in annotations:
            name = values["external_id"]
            old = there.get(name)
            made.append(
                replace(old, values=values, updated_on=now)
                if old
                else Annotation(name, self._state.next_uuid(), values, now, now)
            )
        self.annotations[report.commit, report.external_id] = there | {each.external_id: each for each in made}
        return made

    def add_annotations(self, report: Report, annotations: list[dict[str, Any]], instead_of: str | None = None) -> None:
        """Write annotations beside those that are there, as on Data Center: none takes another's place by itself.

        With `instead_of` those of that external id go.
        """
        self._remember()
        now = self._state.clock()
        there = self.annotations.get((report.commit, report.external_id), {})
        made = {key: one for key, one in there.items() if one.external_id != instead_of}
        for values in annotations:
            name = self._state.next_uuid()
            made[name] = Annotation(values["external_id"], name, values, now, now)
        self.annotations[report.commit, report.external_id] = made

    def drop_annotations(self, report: Report, wanted: Iterable[str] | None) -> None:
        """Delete the annotations of these external ids, or all."""
        self._remember()
        there = self.annotations.get((report.commit, report.external_id), {})
        kept = {} if wanted is None else {key: one for key, one in there.items() if one.external_id not in wanted}
        self.annotations[report.commit, report.external_id] = kept

    def delete_annotation(self, report: Report, annotation_id: str) -> None:
        """Delete the annotation; raises NotFoundError."""
        found = self.annotation(report, annotation_id)
        self._remember()
        there = self.annotations[report.commit, report.external_id]
        self.annotations[report.commit, report.external_id] = {
            key: one for key, one in there.items() if one is not found
        }

    def download(self, name: str) -> Download:
        """Find the file of that name; raises NotFoundError."""
        if name not in self.downloads:
            raise NotFoundError(f"{name} not found")
        return self.downloads[name]

    def put_download(self, user: User, name: str, content: bytes) -> Download:
        """Put a file into the Downloads, in place of the one of that name."""
        self._remember()
        self.downloads.pop(name, None)
        made = self.downloads[name] = Download(name, content, user, self._state.clock())
        return made

    def delete_download(self, name: str) -> None:
        """Delete the file; raises NotFoundError."""
        self.download(name)
        self._remember()
        del self.downloads[name]


class State:
    """Everything there is on this Bitbucket. `clock` gives the time in UTC.

    `lag` lets reads be late: called with the path of each GET (it starts with `/2.0`, or `/bitbucket/rest` on Data
    Center), it says how many writes to the repository, 3 at most, the answer does not know of yet.
    `lambda path: 2 if path.endswith("/comments") else 0` lets lists of comments alone be two writes late. Writes count
    from when it is set; None: nothing is late.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Start with nothing."""
        self.clock = clock
        self.lag: Callable[[str], int] | None = None
        self.lock = threading.RLock()
        self.credentials: list[Credential] = []
        self.http_tokens: list[HttpToken] = []
        self.repositories: dict[str, Repository] = {}
        self._numbers = itertools.count(1)

    def next_id(self) -> int:
        """Give a number that was never given before; they rise, as Bitbucket's do, and leave gaps."""
        return 700_000_000 + 7 * next(self._numbers)

    def next_uuid(self) -> str:
        """Give a UUID in Bitbucket's braces; the same ones in each new state, so that failures repeat."""
        return f"{{{uuid.uuid5(uuid.NAMESPACE_OID, str(next(self._numbers)))}}}"

    def add_user(self, display_name: str, kind: str = "user") -> User:
        """Add a person."""
        return User(self.next_uuid(), display_name, kind)

    def add_api_token(self, user: User, email: str, token: str, scopes: Iterable[str]) -> Credential:
        """Add an API token of the user's Atlassian account."""
        made = Credential(user, token, frozenset(scopes), email)
        self.credentials.append(made)
        return made

    def add_access_token(self, name: str, token: str, scopes: Iterable[str]) -> Credential:
        """Add an access token; it writes as a user of its own that has the token's name."""
        made = Credential(self.add_user(name, "app_user"), token, frozenset(scopes))
        self.credentials.append(made)
        return made

    def add_http_token(self, user: User, token: str, *, of_user: bool = True, permission: str = "write") -> HttpToken:
        """Add an HTTP access token of Data Center; `permission` is `read`, `write` or `admin`."""
        made = HttpToken(user, token, of_user, permission)
        self.http_tokens.append(made)
        return made

    def add_repository(self, workspace: str, slug: str) -> Repository:
        """Add an empty repository."""
        made = Repository(self, workspace, slug)
        self.repositories[made.full_name] = made
        return made

    def repository(self, workspace: str, slug: str) -> Repository:
        """Find the repository of that name; raises NotFoundError."""
        found = self.repositories.get(f"{workspace}/{slug}")
        if found is None:
            raise NotFoundError(f"Repository {workspace}/{slug} not found")
        return found

    def repository_of_project(self, key: str, slug: str) -> Repository:
        """Find the repository that Data Center names so, in any case; raises NotFoundError."""
        for found in self.repositories.values():
            if (found.project_key.lower(), found.slug.lower()) == (key.lower(), slug.lower()):
                return found
        raise NotFoundError(f"Repository {key}/{slug} not found")
