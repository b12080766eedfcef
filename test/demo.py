"""The main job, on an embedded Bitbucket: a build that fails, its fix, and a build of three steps at once.

Real Nx runs, captured once, are laid out as two steps leave them; the pipe runs as its own process, as in its image.
With SERVE=1 in the environment the pull request's page stays up.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from test.sandbox import Sandbox
from test.workspaces import exit_code, lay_out, variables

ROOT = Path(__file__).parents[1]
FIX = "5d27c0fb1a9e8c3d4b6f7a2e1c0d9b8a7f6e5d4c"
AGAIN = "c41f08d7e92b3a5d6c7f8e9a0b1d2c3e4f5a6b7c"
CAPTURE = "21.6.11-orders"


def report(sandbox: Sandbox, capture: str, number: str, own: dict[str, str]) -> int:
    """Lay out a step that ran this captured command and run the pipe on it; print its log, return its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        commit = own.get("BITBUCKET_COMMIT", sandbox.pull_request.source_commit)
        clone = lay_out(Path(folder), capture, (number,), commit=commit)
        return run(sandbox, clone, {"BITBUCKET_EXIT_CODE": exit_code(capture, number), **own})


def run(sandbox: Sandbox, clone: Path, own: dict[str, str]) -> int:
    """Run the pipe in a clone; print its log and return its exit code."""
    credential = {
        "ATLASSIAN_ACCOUNT_EMAIL": sandbox.api_auth[0],
        "ATLASSIAN_API_TOKEN": sandbox.api_auth[1],
        "BITBUCKET_API_URL": sandbox.url,
    }
    environ = {**os.environ, **variables(clone, {**credential, **own}), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-m", "pipe"]
    done = subprocess.run(command, cwd=clone, env=environ, check=False, stdout=subprocess.PIPE)
    print(done.stdout.decode(), flush=True)
    return done.returncode


def parallel(sandbox: Sandbox) -> int:
    """Three steps of one build at once, of which one is killed before it reports, and a final step."""
    build = {"BITBUCKET_BUILD_NUMBER": "419", "BITBUCKET_COMMIT": AGAIN, "EXPECT": "lint, test, e2e"}
    step = {
        name: {**build, "STEP_NAME": name, "BITBUCKET_STEP_UUID": f"{{{name}}}"} for name in ("lint", "test", "e2e")
    }
    start = {**step["e2e"], "STAGE": "start"}
    steps = [("13", start), ("01", step["lint"]), ("06", step["test"])]
    with ThreadPoolExecutor() as pool:
        codes = [*pool.map(lambda one: report(sandbox, CAPTURE, *one), steps)]
    print("— On the pull request, as long as e2e runs —\n")
    print(sandbox.pull_request.visible_comments[-1].raw)
    print("— e2e is killed; the final step —\n", flush=True)
    final = {**build, "STAGE": "final", "BITBUCKET_STEP_UUID": "{final}"}
    with tempfile.TemporaryDirectory() as folder:
        codes.append(
            run(sandbox, lay_out(Path(folder), CAPTURE, ("13",), log=False, record=False, commit=AGAIN), final)
        )
    return max(codes)


def story(sandbox: Sandbox) -> int:
    """A failing build, the fix, then parallel steps; return the worst exit code of the pipe."""
    print("— Build 417: nx affected -t lint test build typecheck, which fails —\n", flush=True)
    failing = report(sandbox, CAPTURE, "03", {"BITBUCKET_BUILD_NUMBER": "417"})
    print("\n— On the pull request —\n")
    print(sandbox.pull_request.visible_comments[-1].raw)
    sandbox.repository.push(sandbox.pull_request, FIX, "Fix the discount")
    print("— Build 418: the fix —\n", flush=True)
    fixed = report(sandbox, CAPTURE, "01", {"BITBUCKET_BUILD_NUMBER": "418", "BITBUCKET_COMMIT": FIX})
    print("— On the pull request —\n")
    print(sandbox.pull_request.visible_comments[-1].raw)
    sandbox.repository.push(sandbox.pull_request, AGAIN, "Round half up")
    print("— Build 419: lint, test and e2e at once —\n", flush=True)
    return max(failing, fixed, parallel(sandbox))


def main() -> int:
    """Tell the story and say what stands where."""
    with Sandbox() as sandbox:
        code = story(sandbox)
        live = sandbox.pull_request.visible_comments
        print(f"\n— On the pull request: {len(live)} comment —\n")
        print(live[-1].raw)
        for status in sandbox.repository.build_statuses:
            print(f"Build status {status.state} on {status.commit[:12]}: {status.description}")
        if os.environ.get("SERVE") == "1":
            print(f"\nThe pull request: {sandbox.page_url()} (Ctrl+C ends it)", flush=True)
            threading.Event().wait()
        else:
            print(f"\nTo look at it in a browser: make demo SERVE=1 (then {sandbox.page_url()}, with another port)")
    return code


if __name__ == "__main__":
    sys.exit(main())
