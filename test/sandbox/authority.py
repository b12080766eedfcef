"""A certificate authority of one's own, as a company has one for what runs within: for a sandbox that speaks HTTPS."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

import trustme


class Authority:
    """Signs for `localhost`. `file` is its certificate as PEM, which a client has to trust; it goes with `close`."""

    def __init__(self) -> None:
        """Make keys, which are good for nothing else."""
        authority = trustme.CA()
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-authority-")
        self.file = Path(self._folder.name) / "authority.pem"
        authority.cert_pem.write_to_path(self.file)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(self.context)

    def close(self) -> None:
        """Delete the file."""
        self._folder.cleanup()
