"""Which certificates are trusted."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import trustme

from pipe import tls

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_an_old_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority is not asked for extensions that were not usual when it was made, and all else is checked."""
    authority, strict = tmp_path / "authority.pem", ssl.create_default_context()
    trustme.CA().cert_pem.write_to_path(authority)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT  # as it is from Python 3.13 on
    monkeypatch.setattr(ssl, "create_default_context", lambda: strict)
    found = tls.context(str(authority))
    assert not found.verify_flags & ssl.VERIFY_X509_STRICT
    assert (found.verify_mode, found.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert authority.read_text() in map(ssl.DER_cert_to_PEM_cert, found.get_ca_certs(binary_form=True))
