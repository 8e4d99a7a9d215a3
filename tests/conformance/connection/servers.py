"""Certificates for servers of the tests, and the password that no message may show."""

from __future__ import annotations

import datetime as dt
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SECRET: Final = "hunter2-Zx9"  # pragma: allowlist secret


class Authority:
    """A certificate authority, and certificates that it signs, as PEM files."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._signed(name, self._key.public_key(), days=10, ca=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, host: str = "127.0.0.1", days: int = 10) -> Path:
        """A certificate with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(host, key.public_key(), days=days, ca=False)
        path = self._folder / f"{name}.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return path

    def _signed(self, host: str, key: Any, *, days: int, ca: bool) -> x509.Certificate:
        def named(name: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])

        end = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
        address = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
        return (
            x509.CertificateBuilder()
            .subject_name(named(host))
            .issuer_name(named(self._name))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - dt.timedelta(days=20))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
