"""The main job, on an embedded Bitbucket: a build that fails, then its fix, and what stands on the pull request.

Real Nx runs, captured once, are laid out as two steps leave them; the pipe runs as its own process, as in its image.
With SERVE=1 in the environment the pull request's page stays up.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from test.sandbox import Sandbox
from test.workspaces import exit_code, lay_out, variables

ROOT = Path(__file__).parents[1]
FIX = "5d27c0fb1a9e8c3d4b6f7a2e1c0d9b8a7f6e5d4c"
CAPTURE = "21.6.11-orders"


def report(sandbox: Sandbox, capture: str, run: str, own: dict[str, str]) -> int:
    """Lay out a step that ran this captured command and run the pipe on it; return the pipe's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        clone = lay_out(
            Path(folder), capture, (run,), commit=own.get("BITBUCKET_COMMIT", sandbox.pull_request.source_commit)
        )
        credential = {
            "ATLASSIAN_ACCOUNT_EMAIL": sandbox.api_auth[0],
            "ATLASSIAN_API_TOKEN": sandbox.api_auth[1],
            "BITBUCKET_API_URL": sandbox.url,
            "BITBUCKET_EXIT_CODE": exit_code(capture, run),
        }
        environ = {**os.environ, **variables(clone, {**credential, **own})}
        command = [sys.executable, "-P", "-m", "pipe"]
        environ["PYTHONPATH"] = str(ROOT)
        return subprocess.run(command, cwd=clone, env=environ, check=False).returncode


def story(sandbox: Sandbox) -> int:
    """A failing build, then the fix; return the worst exit code of the pipe."""
    print("— Build 417: nx affected -t lint test build typecheck, which fails —\n", flush=True)
    failing = report(sandbox, CAPTURE, "03", {"BITBUCKET_BUILD_NUMBER": "417"})
    print("\n— On the pull request —\n")
    print(sandbox.pull_request.visible_comments[-1].raw)
    sandbox.repository.push(sandbox.pull_request, FIX, "Fix the discount")
    print("— Build 418: the fix —\n", flush=True)
    fixed = report(sandbox, CAPTURE, "01", {"BITBUCKET_BUILD_NUMBER": "418", "BITBUCKET_COMMIT": FIX})
    return max(failing, fixed)


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
