"""Certificates of an authority of one's own, trusted beside the usual ones."""

from __future__ import annotations

import ssl
from typing import Any

from requests.adapters import HTTPAdapter


class Trusting(HTTPAdapter):
    """Trusts the certificates in a file (PEM) too. requests' own `verify` would trust them in place of all others."""

    def __init__(self, authority: str) -> None:
        """Take the file's path."""
        self._context = context(authority)
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:  # noqa: ANN401 - as urllib3 is given it
        """Make the connections with these certificates."""
        super().init_poolmanager(*args, **more, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **more: Any) -> Any:  # noqa: ANN401
        """Make those through a proxy with them too."""
        return super().proxy_manager_for(*args, **more, ssl_context=self._context)


def context(authority: str) -> ssl.SSLContext:
    """What trusts the certificates in a file. Raises OSError where it cannot be read, or holds none (ssl.SSLError)."""
    found = ssl.create_default_context()
    # From Python 3.13 on it wants extensions that an authority made years ago need not have
    # (https://docs.python.org/3/library/ssl.html#ssl.create_default_context).
    found.verify_flags &= ~ssl.VERIFY_X509_STRICT
    found.load_verify_locations(authority)
    return found
