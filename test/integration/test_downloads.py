"""The page in the repository's Downloads, on the embedded Bitbucket."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import requests

from pipe import downloads
from pipe.bitbucket.cloud import Cloud
from pipe.bitbucket.errors import Forbidden, MissingScope, Rejected, Unauthorized
from pipe.bitbucket.http import Http
from pipe.build import Build
from pipe.model import Download
from pipe.settings import Credential
from test.sandbox import Action, json_answer, server_error

if TYPE_CHECKING:
    from test.conftest import FakeClock
    from test.sandbox import Sandbox

SCOPES = ("read:repository:bitbucket", "write:repository:bitbucket")
BUILD = Build("acme", "shop", "1f3c9ab02d41", 417, "/clone", step_uuid="{5b0e}")


@pytest.fixture
def cloud(sandbox: Sandbox, clock: FakeClock) -> Cloud:
    """The adapter with a token that may upload."""
    sandbox.state.add_api_token(sandbox.author, "up@acme.example", "up", SCOPES)
    return Cloud(Http(sandbox.url, Credential("up", "up@acme.example"), clock, lambda _: None), "acme", "shop")


def put(sandbox: Sandbox, *names: str) -> None:
    """Put files there, each a second later than the one before."""
    for name in names:
        sandbox.repository.put_download(sandbox.author, name, b"x")
        sandbox.state.clock.__self__.time += timedelta(seconds=1)  # type: ignore[attr-defined]


def page(build: int, step: str = "00000000", report: str = "nx", suffix: str = "html") -> str:
    """The name of a page."""
    return f"nx-report-{report}-{build}-{step}.{suffix}"


def test_upload(sandbox: Sandbox, cloud: Cloud) -> None:
    """The file arrives byte for byte under its name, and a second one of that name replaces it."""
    for content in (b"one", bytes(range(256)) * 1000 + b"\r\n--x--\r\n", b""):
        downloads.upload(cloud, "a.html", io.BytesIO(content))
        assert sandbox.repository.downloads["a.html"].content == content
    assert [(one.name, one.size, one.created[:4]) for one in cloud.downloads()] == [("a.html", 0, "2026")]


def test_a_large_file_is_read_in_pieces(sandbox: Sandbox, cloud: Cloud) -> None:
    """A page of 25 MB is sent as it is read, from its beginning, and never held whole."""
    asked: list[int] = []

    class File(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            asked.append(size or 0)
            return super().read(size)

    file = File(bytes(25 << 20))
    file.seek(1000)
    downloads.upload(cloud, "a.html", file)
    assert len(sandbox.repository.downloads["a.html"].content) == 25 << 20
    assert 0 < min(asked) <= max(asked) <= 1 << 16


@pytest.mark.parametrize("fault", [server_error(503), Action.DROP, Action.LOSE])
def test_an_upload_is_tried_again(sandbox: Sandbox, cloud: Cloud, fault: object) -> None:
    """What broke off is sent again from the beginning: a file replaces one of its name."""
    sandbox.faults.add("POST", "/downloads$", fault, times=2)  # type: ignore[arg-type]
    downloads.upload(cloud, "a.html", io.BytesIO(b"whole"))
    assert sandbox.repository.downloads["a.html"].content == b"whole"


def test_a_file_that_shrinks(cloud: Cloud, sandbox: Sandbox) -> None:
    """A file that became shorter while it was sent is sent anew, as it is then."""

    class File(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if len(self.getvalue()) > 100:
                self.truncate(50)
            return super().read(size)

    downloads.upload(cloud, "a.html", File(b"x" * 1000))
    assert sandbox.repository.downloads["a.html"].content == b"x" * 50


def test_what_is_missing_to_upload(sandbox: Sandbox, clock: FakeClock) -> None:
    """A token without the scope, or of an account without access, is told what it needs, in its kind's words."""

    def client(secret: str, user: str | None = None) -> Cloud:
        return Cloud(Http(sandbox.url, Credential(secret, user), clock, lambda _: None), "acme", "shop")

    email, token = sandbox.api_auth
    put(sandbox, page(1), page(2))
    for refused, scope in (
        (client(token, email), "write:repository:bitbucket"),
        (client(sandbox.access_token.token), "repository:write"),
    ):
        with pytest.raises(MissingScope, match=f"upload: not allowed .* lacks the scope {scope}"):
            downloads.upload(refused, "a.html", io.BytesIO(b"x"))
        with pytest.raises(MissingScope, match=f"old download: not allowed .* lacks the scope {scope}"):
            downloads.prune(refused, "nx", 1)
    sandbox.faults.add("POST", "/downloads$", json_answer(403, {"error": {"message": "No"}}))
    with pytest.raises(Forbidden, match=r"No\. To upload, .* write:repository:bitbucket \(API token.*repository:write"):
        downloads.upload(client(token, email), "a.html", io.BytesIO(b"x"))
    with pytest.raises(Unauthorized):
        downloads.upload(client("wrong", email), "a.html", io.BytesIO(b"x"))
    assert len(sandbox.repository.downloads) == 2


def test_an_answer_that_is_no_json_is_none_of_our_business(sandbox: Sandbox, cloud: Cloud) -> None:
    """The documentation knows no body of an upload's answer; a redirect is no success, and not followed."""
    downloads.upload(cloud, "a.html", io.BytesIO(b"x"))
    assert sandbox.requests[-1].response_body == b""
    sandbox.faults.add("POST", "/downloads$", json_answer(201, "<p>"))
    downloads.upload(cloud, "a.html", io.BytesIO(b"x"))
    for status in (301, 307):
        answer = json_answer(status, {})
        answer.headers["Location"] = "https://evil.example/"
        sandbox.faults.add("POST", "/downloads$", answer)
        with pytest.raises(Rejected, match="not followed"):
            downloads.upload(cloud, "a.html", io.BytesIO(b"x"))


def test_names() -> None:
    """A name holds the report, the build and a digest of step and run: no other step, run or report has it."""
    builds = [
        BUILD,
        Build("acme", "shop", "1f3c9ab02d41", 418, "/clone", step_uuid="{5b0e}"),
        Build("acme", "shop", "1f3c9ab02d41", 417, "/clone", step_uuid="{5b0f}"),
        Build("acme", "shop", "1f3c9ab02d41", 417, "/clone", step_uuid="{5b0e}", step_run=2),
        Build("acme", "shop", "1f3c9ab02d41", 417, "/clone"),
    ]
    names = [downloads.name("nx", build) for build in builds]
    assert names[0] == "nx-report-nx-417-85fe275d.html"
    assert len({*names, downloads.name("nx-417", BUILD), downloads.name("nx", BUILD, "json")}) == 7
    url = "https://bitbucket.org/acme/shop/downloads/nx-report-nx-417-85fe275d.html"
    assert downloads.url(BUILD, names[0]) == url


@pytest.mark.parametrize(
    ("environ", "public", "allowed"),
    [
        ({"BITBUCKET_REPO_IS_PRIVATE": "true"}, False, True),
        ({"BITBUCKET_REPO_IS_PRIVATE": " True\n"}, False, True),
        ({"BITBUCKET_REPO_IS_PRIVATE": "false"}, False, False),
        ({"BITBUCKET_REPO_IS_PRIVATE": "$BITBUCKET_REPO_IS_PRIVATE"}, False, False),
        ({"BITBUCKET_REPO_IS_PRIVATE": "1"}, False, False),
        ({}, False, False),
        ({}, True, True),
        ({"BITBUCKET_REPO_IS_PRIVATE": "false"}, True, True),
    ],
)
def test_only_where_readers_are_known(environ: dict[str, str], public: bool, allowed: bool) -> None:  # noqa: FBT001
    """Nothing is uploaded unless the repository is known to be private, or the user says that everybody may read."""
    why = downloads.refused(environ, upload_public=public)
    assert (why is None) is allowed
    assert why is None or "UPLOAD_PUBLIC" in why


def test_the_oldest_pages_go(sandbox: Sandbox, cloud: Cloud) -> None:
    """The builds whose pages were last uploaded stay with the pages of all their steps; the others go, data and all."""
    put(sandbox, page(9), page(9, suffix="json"), page(11, "aaaaaaaa"), page(10), page(2), page(11, "bbbbbbbb"))
    assert downloads.prune(cloud, "nx", 2) == 3
    assert sorted(sandbox.repository.downloads) == [page(11, "aaaaaaaa"), page(11, "bbbbbbbb"), page(2)]
    assert downloads.prune(cloud, "nx", 2) == 0
    assert downloads.prune(cloud, "nx", 1) == 1
    spared = [page(11, "aaaaaaaa")]
    assert downloads.prune(cloud, "nx", 0, spare=spared) == 1
    assert sorted(sandbox.repository.downloads) == spared


def test_nothing_else_is_touched(sandbox: Sandbox, cloud: Cloud) -> None:
    """Other people's files, and those of other reports whose name begins like this one's, stay for ever."""
    others = [
        "nx-report.html",
        "nx-report-nx-.html",
        "nx-report-nx-417.html",
        "nx-report-nx-417-.html",
        "nx-report-nx-417-abc.html",
        "nx-report-nx-417-ABCDEF12.html",
        "nx-report-nx-417-abcdef123.html",
        "nx-report-nx-417-abcdef12.htm",
        "nx-report-nx-417-abcdef12.html.bak",
        "my-nx-report-nx-417-abcdef12.html",
        "nx-report-nx--417-abcdef12.html",
        "nx-report-nx-4١7-abcdef12.html",
        "nx-report-nx-417-abcdef12.html\n",
        page(417, report="nx-e2e"),
        page(417, report="nx-12"),
        page(417, report="xx"),
        page(417, report="n"),
    ]
    put(sandbox, *others, page(1))
    assert downloads.prune(cloud, "nx", 0) == 1
    assert list(sandbox.repository.downloads) == others
    assert downloads.prune(cloud, "n.", 0) == 0


def test_a_report_id_is_no_pattern(sandbox: Sandbox, cloud: Cloud) -> None:
    """A point in the id of a report is a point."""
    put(sandbox, page(1, report="a.b"), page(1, report="axb"))
    assert downloads.prune(cloud, "a.b", 0) == 1
    assert list(sandbox.repository.downloads) == [page(1, report="axb")]


def test_many_downloads(sandbox: Sandbox, cloud: Cloud) -> None:
    """All pages of the list are read, and at most 50 files deleted at once, the oldest first."""
    put(sandbox, *(page(number) for number in range(230)))
    sandbox.requests.clear()
    assert downloads.prune(cloud, "nx", 20) == 50
    assert [one.method for one in sandbox.requests] == ["GET"] * 3 + ["DELETE"] * 50
    assert list(sandbox.repository.downloads) == [page(number) for number in range(50, 230)]


def test_by_build_where_there_is_no_time(sandbox: Sandbox, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Bitbucket tells no time the build says which page is older; a file deleted meanwhile is no error."""
    listed = [Download(page(number), None, "") for number in (10, 9, 100)]
    monkeypatch.setattr(cloud, "downloads", lambda: listed)
    assert downloads.prune(cloud, "nx", 1) == 2
    done = [(one.path.rpartition("/")[2], one.status) for one in sandbox.requests]
    assert done == [(page(9), 404), (page(10), 404)]


def test_a_list_of_anything(sandbox: Sandbox, cloud: Cloud) -> None:
    """What has no name is no download; a size or a time of another kind is none."""
    values = [{"name": "a", "size": "1", "created_on": 7}, {"name": None}, {}, "x", {"name": "b", "size": 2}]
    sandbox.faults.add("GET", "/downloads$", json_answer(200, {"values": values}))
    assert cloud.downloads() == [Download("a", None, ""), Download("b", 2, "")]


def test_the_link_gives_the_file(sandbox: Sandbox, cloud: Cloud) -> None:
    """Where the link leads on this Bitbucket a reader gets the file, as a download."""
    name = downloads.name("nx", BUILD)
    downloads.upload(cloud, name, io.BytesIO(b"<p>"))
    url = downloads.url(BUILD, name).replace("https://bitbucket.org", sandbox.url.removesuffix("/2.0"))
    answer = requests.get(url, timeout=10)
    assert (answer.content, answer.headers["Content-Disposition"]) == (b"<p>", f'attachment; filename="{name}"')
