"""The TLS settings of a connection string, and what is wrong with the files that they name."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from urllib.parse import unquote_plus

from conformance.connection.options import MistakeError


def tls_context(options: Mapping[str, str]) -> ssl.SSLContext:
    """Return the TLS settings of the options. Raise MistakeError for a file that cannot be used."""
    authority = options.get("tlsCAFile")
    try:
        context = ssl.create_default_context(cafile=authority)
    except ssl.SSLError:
        raise MistakeError(f"tlsCAFile: {authority} holds no certificate; name a PEM file of the authority") from None
    certificate = options.get("tlsCertificateKeyFile")
    if certificate:
        password = unquote_plus(options.get("tlsCertificateKeyFilePassword", ""))
        try:
            # A function, or a key that has a password would be asked for in the terminal.
            context.load_cert_chain(certificate, password=lambda: password)
        except ssl.SSLError:
            raise MistakeError(
                f"tlsCertificateKeyFile: {certificate} does not hold a certificate and its private key (PEM), or"
                " tlsCertificateKeyFilePassword is wrong; check both"
            ) from None
    insecure = {name for name, value in options.items() if value == "true"}
    if insecure & {"tlsInsecure", "tlsAllowInvalidHostnames", "tlsAllowInvalidCertificates"}:
        context.check_hostname = False
    if insecure & {"tlsInsecure", "tlsAllowInvalidCertificates"}:
        context.verify_mode = ssl.CERT_NONE
    return context
