"""Certificates for servers of tests."""

import ssl
import subprocess
from pathlib import Path

from tests.services import missing


def certificate(folder: Path, name: str) -> Path:
    path = folder / f"{name}.pem"
    command = [
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-keyout", str(path), "-out", f"{path}.crt", "-subj", f"/CN={name}"),
        *("-addext", f"subjectAltName=DNS:{name}"),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own words
    except FileNotFoundError:
        missing("openssl", "install it")
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


def server_context(pem: Path) -> ssl.SSLContext:
    """Return the context of a server with the certificate and key in `pem`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
