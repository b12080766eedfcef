"""Reports and annotations without a credential, through Pipelines' proxy."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from pipe.bitbucket import proxy
from pipe.bitbucket.errors import Forbidden, NotFound, Rejected
from pipe.model import (
    Annotation,
    AnnotationKind,
    AnnotationSeverity,
    BuildState,
    BuildStatus,
    Comment,
    Report,
    ReportResult,
)
from test.sandbox import json_answer, rate_limited

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipe.bitbucket import Bitbucket
    from pipe.bitbucket.proxy import Proxied
    from test.conftest import FakeClock
    from test.sandbox import Sandbox

REPORT = Report("nx", "Nx", "cart:test failed", ReportResult.FAILED, None)


@pytest.fixture
def proxied(sandbox: Sandbox, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Proxied:
    """The adapter, on a machine whose environment offers a credential and proxies of its own.

    The sandbox's proxy fails the test where it is sent any credential.
    """
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.bitbucket.org login ada password secret\ndefault login ada password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://ada:secret@127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://ada:secret@127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "*")
    return proxy.connect("acme", "shop", clock, lambda _: None, sandbox.proxy.address)


def test_a_report_with_annotations(sandbox: Sandbox, proxied: Proxied) -> None:
    """A report and its annotations are put, listed, replaced and deleted, with no Authorization header ever."""
    head = sandbox.pull_request.source_commit
    bitbucket: Bitbucket = proxied.until(1000.0)
    existed = bitbucket.put_report(head, REPORT)
    made = [
        Annotation(f"nx-{at}", "a.ts", 3, AnnotationKind.BUG, AnnotationSeverity.HIGH, "Wrong", "") for at in range(250)
    ]
    assert bitbucket.replace_annotations(head, "nx", made, existed=existed) == 0
    assert bitbucket.reports(head) == [REPORT]
    assert bitbucket.replace_annotations(head, "nx", made[:1], existed=None) == 249
    assert bitbucket.replace_annotations(head, "nx", [], existed=None) == 1
    assert not sandbox.repository.annotations_of(sandbox.repository.report(head, "nx"))
    bitbucket.delete_report(head, "nx")
    assert bitbucket.reports(head) == []
    assert sandbox.requests == []
    # The list of 250 has two further pages, whose addresses begin with https.
    assert len(sandbox.proxy.requests) == 1 + 3 + 1 + 3 + 1 + 249 + 2 + 1 + 1
    for exchange in sandbox.proxy.requests:
        assert not {"Authorization", "Proxy-Authorization", "Cookie"} & {name for name, _ in exchange.headers}
        assert exchange.headers["Host"] == "api.bitbucket.org"


CALLS: dict[str, Callable[[Bitbucket], Any]] = {
    "pull request 17": lambda it: it.pull_request(17),
    "list of pull requests": lambda it: it.open_pull_requests("main", "1f3c"),
    "comments": lambda it: it.comments(17, bool, str),
    "comment": lambda it: it.create_comment(17, "a"),
    "comment ": lambda it: it.update_comment(17, Comment(1, "a", None, ""), "b"),
    "comment  ": lambda it: it.delete_comment(17, Comment(1, "a", None, "")),
    "build status": lambda it: it.set_build_status("1f3c", BuildStatus("k", BuildState.FAILED, "", "", "", None)),
    "build status ": lambda it: it.build_status("1f3c", "k"),
    "build statuses": lambda it: it.build_statuses("1f3c"),
    "commit 1f3c": lambda it: it.full_hash("1f3c"),
}


@pytest.mark.parametrize("what", CALLS)
def test_nothing_else_is_asked(sandbox: Sandbox, proxied: Proxied, what: str) -> None:
    """What cannot work without a credential is refused before a request, with what to do."""
    with pytest.raises(Forbidden, match=f"^{what.strip()}: not possible without a credential.*ATLASSIAN_API_TOKEN"):
        CALLS[what](proxied)
    assert sandbox.proxy.requests == sandbox.requests == []


def test_no_proxy_there(clock: FakeClock) -> None:
    """Where nothing listens it is said at once, without a second try."""
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        nobody = proxy.connect("acme", "shop", clock, lambda _: None, address)
        with pytest.raises(
            Forbidden, match=rf"record: Pipelines' proxy \({address}\) cannot be reached\. Give ATLASSIAN"
        ):
            nobody.put_report("1f3c", REPORT)
    assert clock.slept == []


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_proxy_that_refuses(sandbox: Sandbox, proxied: Proxied, status: int) -> None:
    """A proxy that does not sign, as in a pipeline without that right, is told with what to give instead of it."""
    sandbox.proxy.faults.add("PUT", "/reports/nx$", json_answer(status, {"error": {"message": "No"}}))
    with pytest.raises(Forbidden, match=rf"record: Pipelines' proxy may not do this \({status}\)\. Give ATLASSIAN"):
        proxied.put_report(sandbox.pull_request.source_commit, REPORT)


@pytest.mark.parametrize("location", ["https://evil.example/", "https://api.bitbucket.org/2.0/x", "/2.0/x"])
def test_no_redirect_is_followed(sandbox: Sandbox, proxied: Proxied, location: str) -> None:
    """Wherever it leads."""
    answer = json_answer(302, {})
    answer.headers["Location"] = location
    sandbox.proxy.faults.add("PUT", "/reports/nx$", answer)
    with pytest.raises(Rejected, match="not followed"):
        proxied.put_report(sandbox.pull_request.source_commit, REPORT)
    assert len(sandbox.proxy.requests) == 1


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example/2.0/repositories/acme/shop",
        "https://api.bitbucket.org.evil.example/2.0/repositories",
        "https://api.bitbucket.org/1.0/repositories",
        "https://api.bitbucket.org/2.0/../x",
    ],
)
def test_no_page_elsewhere_is_read(sandbox: Sandbox, proxied: Proxied, following: str) -> None:
    """A list that goes on at another address is refused."""
    sandbox.proxy.faults.add("GET", "/reports$", json_answer(200, {"values": [], "next": following}))
    with pytest.raises(Rejected, match="outside"):
        proxied.reports(sandbox.pull_request.source_commit)
    assert len(sandbox.proxy.requests) == 1


def test_other_answers_are_as_ever(sandbox: Sandbox, proxied: Proxied, clock: FakeClock) -> None:
    """The rate limit is waited for, and what is not there is not found."""
    head = sandbox.pull_request.source_commit
    sandbox.proxy.faults.add("PUT", "/reports/nx$", rate_limited("7"))
    assert proxied.put_report(head, REPORT) is False
    assert clock.slept == [7.0]
    with pytest.raises(NotFound):
        proxied.replace_annotations(head, "other", [], existed=None)


def test_where_it_is() -> None:
    """In a pipe the proxy is reached through the host's name, as reviewdog and the toolkit do."""
    assert proxy.ADDRESS == "http://host.docker.internal:29418"
