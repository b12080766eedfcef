"""Annotations and reports, written by the adapter to the embedded Bitbucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pipe.bitbucket.cloud import Cloud
from pipe.bitbucket.errors import MissingScope, NotFound, Rejected
from pipe.bitbucket.http import Http
from pipe.model import Annotation, AnnotationKind, AnnotationSeverity, Report, ReportResult
from pipe.settings import Credential
from test.sandbox import json_answer, server_error

if TYPE_CHECKING:
    from test.conftest import FakeClock
    from test.sandbox import Sandbox

REPORT = Report("nx", "Nx", "", ReportResult.FAILED, None)


@pytest.fixture
def cloud(sandbox: Sandbox, clock: FakeClock) -> Cloud:
    """The adapter with the sandbox's API token."""
    email, token = sandbox.api_auth
    return Cloud(Http(sandbox.url, Credential(token, email), clock, lambda _: None), "acme", "shop")


def annotation(number: int, **own: object) -> Annotation:
    """An annotation."""
    made = Annotation(
        f"nx-{number}", "cart/a.ts", number + 1, AnnotationKind.BUG, AnnotationSeverity.HIGH, "Wrong", "tsc"
    )
    return made._replace(**own)  # type: ignore[arg-type]


def calls(sandbox: Sandbox) -> list[str]:
    """Method and the end of the path of each request so far; the list starts anew."""
    done = [f"{one.method} {one.path.rpartition('/reports/')[2]}" for one in sandbox.requests]
    sandbox.requests.clear()
    return done


def ids(sandbox: Sandbox) -> list[str]:
    """The ids of the report's annotations."""
    head = sandbox.pull_request.source_commit
    return [one.external_id for one in sandbox.repository.annotations_of(sandbox.repository.report(head, "nx"))]


def test_what_an_annotation_says(sandbox: Sandbox, cloud: Cloud) -> None:
    """Every part of an annotation arrives, and one that is not there is not sent."""
    head = sandbox.pull_request.source_commit
    cloud.put_report(head, REPORT)
    full = annotation(1, failed=True, link="https://ci.example/417")
    bare = annotation(
        2, line=None, kind=AnnotationKind.CODE_SMELL, severity=AnnotationSeverity.LOW, details="", path="b.ts"
    )
    cloud.put_annotations(head, "nx", [full, bare])
    stored = sandbox.repository.annotations[head, "nx"]
    assert stored["nx-1"].values == {
        "external_id": "nx-1",
        "annotation_type": "BUG",
        "severity": "HIGH",
        "path": "cart/a.ts",
        "line": 2,
        "summary": "Wrong",
        "details": "tsc",
        "result": "FAILED",
        "link": "https://ci.example/417",
    }
    assert stored["nx-2"].values == {
        "external_id": "nx-2",
        "annotation_type": "CODE_SMELL",
        "severity": "LOW",
        "path": "b.ts",
        "summary": "Wrong",
    }


def test_whether_a_report_was_there(sandbox: Sandbox, cloud: Cloud, clock: FakeClock) -> None:
    """A new report is told from one that is put again; an answer without times tells neither."""
    head = sandbox.pull_request.source_commit
    assert cloud.put_report(head, REPORT) is False
    clock.sleep(1)
    assert cloud.put_report(head, REPORT) is True
    answers: list[Any] = [{}, {"created_on": "2026"}, {"created_on": 1, "updated_on": 2}, [], None]
    for answer in answers:
        sandbox.faults.add("PUT", "/reports/nx$", json_answer(200, answer))
        assert cloud.put_report(head, REPORT) is None


@pytest.mark.parametrize(("number", "requests"), [(0, 0), (1, 1), (100, 1), (101, 2), (1000, 10)])
def test_a_new_report_is_not_looked_through(sandbox: Sandbox, cloud: Cloud, number: int, requests: int) -> None:
    """With a new report there is a request for each hundred annotations, none for none, and no other."""
    head = sandbox.pull_request.source_commit
    existed = cloud.put_report(head, REPORT)
    calls(sandbox)
    assert cloud.replace_annotations(head, "nx", list(map(annotation, range(number))), existed=existed) == 0
    assert calls(sandbox) == ["POST nx/annotations"] * requests
    assert ids(sandbox) == [f"nx-{each}" for each in range(number)]


@pytest.mark.parametrize("known", [True, None])
def test_old_annotations_go(sandbox: Sandbox, cloud: Cloud, known: bool | None) -> None:  # noqa: FBT001
    """What an earlier use of the report's key left is deleted, last; what is told again stays, as it is now."""
    head = sandbox.pull_request.source_commit
    cloud.put_report(head, REPORT)
    cloud.put_annotations(head, "nx", [annotation(1), annotation(2), annotation(3)])
    calls(sandbox)
    made = [annotation(2, summary="Now"), annotation(4)]
    assert cloud.replace_annotations(head, "nx", made, existed=known) == 2
    assert calls(sandbox) == [
        "GET nx/annotations",
        "POST nx/annotations",
        "DELETE nx/annotations/nx-1",
        "DELETE nx/annotations/nx-3",
    ]
    assert ids(sandbox) == ["nx-2", "nx-4"]
    assert sandbox.repository.annotations[head, "nx"]["nx-2"].values["summary"] == "Now"


def test_no_problem_any_more(sandbox: Sandbox, cloud: Cloud) -> None:
    """Where nothing is wrong any more all old annotations go, and nothing is posted."""
    head = sandbox.pull_request.source_commit
    cloud.put_report(head, REPORT)
    cloud.put_annotations(head, "nx", [annotation(1)])
    calls(sandbox)
    assert cloud.replace_annotations(head, "nx", [], existed=True) == 1
    assert calls(sandbox) == ["GET nx/annotations", "DELETE nx/annotations/nx-1"]


def test_room_is_made_for_a_thousand(sandbox: Sandbox, cloud: Cloud) -> None:
    """Old and new ones together may be more than a report may have: then as many old ones as must go first."""
    head = sandbox.pull_request.source_commit
    cloud.put_report(head, REPORT)
    for start in range(0, 300, 100):
        cloud.put_annotations(head, "nx", list(map(annotation, range(start, start + 100))))
    calls(sandbox)
    made = list(map(annotation, range(200, 1150)))
    assert cloud.replace_annotations(head, "nx", made, existed=True) == 200
    assert ids(sandbox) == [f"nx-{each}" for each in range(200, 1150)]
    done = [call.split()[0] for call in calls(sandbox)]
    assert done == ["GET"] * 3 + ["DELETE"] * 150 + ["POST"] * 10 + ["DELETE"] * 50


def test_an_annotation_without_an_id_of_its_own(sandbox: Sandbox, cloud: Cloud) -> None:
    """Somebody else's annotation that Bitbucket tells by its UUID alone goes too, and what has no id at all is left."""
    head = sandbox.pull_request.source_commit
    cloud.put_report(head, REPORT)
    values = [{"uuid": "{1-2}"}, {"external_id": 7}, {}, "x"]
    sandbox.faults.add("GET", "/annotations$", json_answer(200, {"values": values}))
    calls(sandbox)
    assert cloud.replace_annotations(head, "nx", [], existed=True) == 1
    assert calls(sandbox)[1:] == ["DELETE nx/annotations/%7B1-2%7D"]


def test_an_annotation_that_is_gone_is_deleted(sandbox: Sandbox, cloud: Cloud) -> None:
    """Another process may have deleted it in between."""
    head = sandbox.pull_request.source_commit
    cloud.put_report(head, REPORT)
    sandbox.repository.strict_deletion = True
    cloud.delete_annotation(head, "nx", "gone/../x")
    assert calls(sandbox)[-1] == "DELETE nx/annotations/gone%2F..%2Fx"


def test_failures_are_said(sandbox: Sandbox, cloud: Cloud) -> None:
    """A report that is not there, a missing scope and a flat error body are told; a server's error is tried again."""
    head = sandbox.pull_request.source_commit
    with pytest.raises(NotFound, match="annotations: not found"):
        cloud.put_annotations(head, "nx", [annotation(1)])
    cloud.put_report(head, REPORT)
    flat = {"code": 400, "message": "Bulk upload supports a maximum of /100 annotations."}
    sandbox.faults.add("POST", "/annotations$", json_answer(400, flat))
    with pytest.raises(Rejected, match=r"\(400\): Bulk upload supports a maximum of /100 annotations"):
        cloud.put_annotations(head, "nx", [annotation(1)])
    sandbox.faults.add("POST", "/annotations$", server_error(503), times=2)
    cloud.put_annotations(head, "nx", [annotation(1)])
    assert ids(sandbox) == ["nx-1"]
    sandbox.repository.reports_refused.add(sandbox.api_token.user)
    with pytest.raises(MissingScope, match="write:repository:bitbucket"):
        cloud.annotations(head, "nx")
