"""A pull request in the middle of its life: a human's comments, the pipe's own, build statuses, a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from test.sandbox import Sandbox

REPORT = """\
✗ **2 of 41 tasks failed:** `cart:test`, `web:build` (3 not run)

| Command | Result | Time | Tasks |
|---|---|---|---|
| `nx affected -t lint test build` | ✗ 2 failed, 3 not run | 4m 03s | 41, 27 cached |

**`cart:test`** · 2.1s · [log](https://ci.example/417/cart-test)

```
packages/cart/src/cart.spec.ts:12  cart › totals the items
  expect(received).toBe(expected)
  - Expected: 41
  + Received: 42
```

**`web:build`** · 11s · [log](https://ci.example/417/web-build)

```
apps/web/src/app.ts:30:7 - error TS2322: Type 'string' is not assignable to type 'number'.
```

Try it:

```
npx nx run-many -t test build -p cart web
```

`1f3c9ab02d41` · [build 417](https://ci.example/417) · [all logs](https://ci.example/417/logs) · 23 Nov 2026 19:22 UTC

[nx-report:nx]: https://nx.example/report
"""


def fill(sandbox: Sandbox) -> None:
    """Add the comments, the build statuses and the report."""
    repository, pull_request = sandbox.repository, sandbox.pull_request
    robot = sandbox.access_token.user
    repository.add_comment(
        sandbox.reviewer,
        pull_request,
        "Should the discount be taken off *before* rounding? `total()` rounds twice as it is.",
        inline={"path": "packages/cart/src/cart.ts", "to": 48},
    )
    repository.add_comment(sandbox.author, pull_request, "Good catch, rounding once now.")
    report = repository.add_comment(robot, pull_request, "…")
    repository.edit_comment(robot, pull_request, report.id, REPORT)
    head, branch = pull_request.source_commit, pull_request.source_branch
    for key, state, name, description in (
        ("nx-report", "FAILED", "Nx", "2 of 41 tasks failed, 3 not run"),
        ("pipeline", "INPROGRESS", "Pipeline 417", "Build in progress"),
        ("licences", "SUCCESSFUL", "Licences", "All 312 packages are allowed"),
    ):
        values = {"key": key, "state": state, "name": name, "description": description}
        repository.put_status(robot, head, {**values, "url": f"https://ci.example/417#{key}", "refname": branch})
    repository.put_report(
        robot,
        head,
        "licences",
        {
            "title": "Licences",
            "details": "312 packages looked at\n0 of them are not allowed",
            "result": "PASSED",
            "data": [
                {"title": "Packages", "type": "NUMBER", "value": 312},
                {"title": "Took", "type": "DURATION", "value": 74_200},
                {
                    "title": "Rules",
                    "type": "LINK",
                    "value": {"text": "licences.json", "href": "https://ci.example/rules"},
                },
            ],
        },
    )
