"""A small Bitbucket to start from: one repository with one open pull request, and somebody to write to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from test.sandbox.state import Credential, HttpToken, PullRequest, Repository, State, User

# The least scopes with which comments and build statuses can be written.
API_TOKEN_SCOPES = ("read:pullrequest:bitbucket", "read:repository:bitbucket")
ACCESS_TOKEN_SCOPES = ("pullrequest",)
HEAD = "1f3c9ab02d4157e8a6b0c9d2e4f1a3b5c7d9e0f2"
BEFORE = "4d1c9e7b3a5f60824e6d8c0b2a4f6e8d0c1b3a59"
BASE = "9be2d410c7a85f3e6b1d0c2a4f8e7d6c5b4a3f21"


@dataclass(frozen=True, slots=True)
class Seed:
    """What there is at the start. The pull request has no comments and no build statuses yet."""

    author: User
    reviewer: User
    repository: Repository
    pull_request: PullRequest
    api_token: Credential
    access_token: Credential
    http_token: HttpToken
    repository_token: HttpToken
    reader_token: HttpToken


def seed(state: State) -> Seed:
    """Fill an empty state."""
    author = state.add_user("Ada Moreno")
    reviewer = state.add_user("Jonas Weber")
    robot = state.add_user("CI Reporter")
    repository = state.add_repository("acme", "shop")
    repository.add_commit(author, BEFORE, "Release 3.1")
    repository.add_commit(author, BASE, "Release 3.2", BEFORE)
    repository.add_commit(author, HEAD, "Round once, after the discount")
    return Seed(
        author=author,
        reviewer=reviewer,
        repository=repository,
        pull_request=repository.add_pull_request(
            author,
            "Total the cart with discounts",
            source=("feature/cart-totals", HEAD),
            destination=("main", BASE),
            number=17,
        ),
        api_token=state.add_api_token(robot, "ci@acme.example", "ATATT-sandbox-api-token", API_TOKEN_SCOPES),
        access_token=state.add_access_token("nx-report", "ATCTT-sandbox-access-token", ACCESS_TOKEN_SCOPES),
        http_token=state.add_http_token(robot, "BBDC-sandbox-user-token"),
        repository_token=state.add_http_token(
            state.add_user("access-token-user", "app_user"), "BBDC-sandbox-repository-token", of_user=False
        ),
        reader_token=state.add_http_token(reviewer, "BBDC-sandbox-reader-token", permission="read"),
    )
