"""Serve a pull request with some comments and build statuses, for trying by hand."""

from __future__ import annotations

import threading

from test.sandbox import Sandbox
from test.sandbox.example import fill


def main() -> None:
    """Serve until interrupted."""
    with Sandbox() as sandbox:
        fill(sandbox)
        email, token = sandbox.api_auth
        print(f"API:      {sandbox.url}/repositories/{sandbox.repository.full_name}")
        print(f"Page:     {sandbox.page_url()}")
        print(f"Basic:    {email}:{token}")
        print(f"Bearer:   {sandbox.access_token.token}")
        print(f"On Data Center: {sandbox.server_url}/projects/ACME/repos/shop")
        print(f"Bearer:   {sandbox.http_token.token}")
        print("Stop with Ctrl-C.", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
