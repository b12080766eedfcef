"""What a reader sees: the pull request with its build statuses, reports and comments, as a web page.

It is one page at the addresses of both hosts, whichever of their APIs has written what stands there.
The page needs nothing from elsewhere and allows nothing to run: its Content-Security-Policy knows no script at all.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Blueprint, Response, abort, render_template
from markupsafe import Markup

from test.sandbox.data_center import CONTEXT
from test.sandbox.markup import is_safe_link, render
from test.sandbox.state import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from test.sandbox.state import Repository, State

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEMPLATES = Path(__file__).parent / "templates"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _moment(moment: datetime) -> str:
    return f"{moment:%-d %b %Y, %H:%M} UTC"


def _html(raw: str) -> Markup:
    return Markup(render(raw))  # the renderer escapes raw HTML and drops links that could run


def _initials(name: str) -> str:
    return "".join(word[0] for word in name.split()[:2]).upper()


def _datum(datum: dict[str, Any]) -> str:
    """Give the text of one of a report's data, LINK apart, as the OpenAPI file says that it is displayed."""
    kind, value = datum.get("type"), datum["value"]
    if isinstance(value, bool):
        return "Yes" if value else "No"
    with contextlib.suppress(OverflowError):  # a number that is no time is shown as it is
        if kind == "DATE":
            return _moment(_EPOCH + timedelta(milliseconds=value))
        if kind == "DURATION":
            seconds = round(value / 1000, 1)
            return f"{seconds:.1f}s" if seconds < 60 else f"{seconds // 60:.0f}m {seconds % 60 // 1:02.0f}s"
    return f"{value}%" if kind == "PERCENTAGE" else str(value)


def blueprint(state: State) -> Blueprint:
    """Build the routes of the web pages."""
    routes = Blueprint("page", __name__, template_folder=str(_TEMPLATES))
    routes.add_app_template_filter(_moment, "moment")
    routes.add_app_template_filter(_html, "markdown")
    routes.add_app_template_filter(_initials, "initials")
    routes.add_app_template_filter(_datum, "datum")
    routes.add_app_template_test(is_safe_link, "safe_link")

    @routes.get("/")
    def index() -> str:
        return render_template("index.html", repositories=state.repositories.values())

    @routes.get("/<workspace>/<slug>/pull-requests/<int:number>")
    def pull_request(workspace: str, slug: str, number: int) -> str:
        return show(lambda: state.repository(workspace, slug), number)

    @routes.get(f"{CONTEXT}/projects/<key>/repos/<slug>/pull-requests/<int:number>")
    @routes.get(f"{CONTEXT}/projects/<key>/repos/<slug>/pull-requests/<int:number>/overview")
    def pull_request_of_project(key: str, slug: str, number: int) -> str:
        return show(lambda: state.repository_of_project(key, slug), number)

    def show(find: Callable[[], Repository], number: int) -> str:
        try:
            repository = find()
            found = repository.pull_request(number)
        except NotFoundError:
            abort(404)
        return render_template(
            "pull_request.html",
            repository=repository,
            pull_request=found,
            statuses=repository.statuses_of_pull_request(found),
            reports=[
                (report, repository.annotations_of(report))
                for report in repository.reports_of_commit(found.source_commit)
            ],
        )

    @routes.get("/<workspace>/<slug>/downloads/<name>")
    def download(workspace: str, slug: str, name: str) -> Response:
        try:
            found = state.repository(workspace, slug).download(name)
        except NotFoundError:
            abort(404)
        # As a file to keep, never as a page: so does Bitbucket, whose Downloads would otherwise run anybody's script.
        headers = {"Content-Disposition": f'attachment; filename="{quote(found.name)}"'}
        return Response(found.content, mimetype="application/octet-stream", headers=headers)

    @routes.get("/page.css")
    def style() -> Response:
        return Response((_TEMPLATES / "page.css").read_text(encoding="utf-8"), mimetype="text/css")

    @routes.after_request
    def harden(response: Response) -> Response:
        response.headers.extend(_HEADERS)
        return response

    return routes
