"""A server of files on this machine that can be told to misbehave: ranges, cuts, silence."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import random
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

COMMIT = "c" * 40
#: What a test has a path do instead of sending its file.
Act = Callable[["Handler"], None]


@dataclass
class FileServer:
    """``files`` by path. ``cut``: of its answers, this part ends in the middle."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    acts: dict[str, Act] = field(default_factory=dict)
    ranges: bool = True
    cut: float = 0.0
    pause: float = 0.0
    #: What a request has to have as its ``Authorization``.
    authorization: str = ""
    #: How often the bytes of a path were asked for, and how many were sent.
    asked: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    #: From which byte on a path was sent last.
    began: dict[str, int] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    random: random.Random = field(default_factory=lambda: random.Random(2026))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: FileServer

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self._hub(parse_qs(self.rfile.read(length).decode()))

    def do_GET(self) -> None:
        told = self.told
        path = unquote(urlsplit(self.path).path)
        told.seen.append((self.path, dict(self.headers)))
        if told.authorization and self.headers.get("Authorization") != told.authorization:
            self.answer(401)
        elif path in told.acts:
            told.acts[path](self)
        elif path.startswith("/api/"):
            self._hub({})
        elif path in told.files or "/resolve/" in path:
            self._file(path)
        else:
            self.answer(404)

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _file(self, path: str) -> None:
        told = self.told
        content = told.files[
            path.split("/resolve/")[-1].partition("/")[2] if "/resolve/" in path else path
        ]
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        start, end, status = 0, len(content), 200
        asked = self.headers.get("Range", "")
        same = self.headers.get("If-Range", etag) == etag
        if asked and told.ranges and same and content:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end, status = int(first), min(int(last or end) + 1, end) if last else end, 206
        if asked != "bytes=0-0":
            told.asked[path] += 1
            told.began[path] = start
        self.send_response(status)
        self.send_header("ETag", etag)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        self._send(path, content[start:end])

    def _send(self, path: str, content: bytes) -> None:
        told = self.told
        upto = len(content)
        if told.cut and len(content) > 1 and told.random.random() < told.cut:
            upto = told.random.randrange(1, len(content))
        for begin in range(0, upto, 65536):
            piece = content[begin : min(begin + 65536, upto)]
            self.wfile.write(piece)
            told.sent[path] += len(piece)
            if told.pause and told.stop.wait(told.pause):
                break
        if upto < len(content):
            self.close_connection = True
            self.connection.close()

    def _hub(self, asked: dict[str, list[str]]) -> None:
        """Answer what a client of a hub of datasets asks: one repository, ``org/name``."""
        path = urlsplit(self.path).path
        base = "/api/datasets/org/name"
        if not path.startswith(base):
            self.answer(404, b"{}", X_Error_Code="RepoNotFound")
            return
        rest = path.removeprefix(base)
        if rest.startswith("/paths-info/"):
            told = [self._info(each) for each in asked["paths"]]
        elif rest.startswith("/tree/"):
            below = unquote(rest.removeprefix("/tree/")).partition("/")[2]
            told = [self._info(each) for each in self._names() if each.startswith(below)]
        else:
            told = {"id": "org/name", "sha": COMMIT, "siblings": []}
        self.answer(200, json.dumps(told).encode(), Content_Type="application/json")

    def _names(self) -> list[str]:
        return [each for each in self.told.files if not each.startswith("/")]

    def _info(self, name: str) -> dict[str, Any]:
        if name not in self.told.files:
            return {"type": "directory", "path": name, "oid": "d" * 40}
        content = self.told.files[name]
        sha256 = hashlib.sha256(content).hexdigest()
        return {
            "type": "file",
            "path": name,
            "size": len(content),
            "oid": sha256[:40],
            "lfs": {"oid": sha256, "size": len(content), "pointerSize": 130},
        }


@contextmanager
def file_server(certificate: Path | None = None) -> Iterator[FileServer]:
    """Serve; ``certificate``: a file with a key and what it was signed with, for https."""
    told = FileServer()
    handler = type("Told", (Handler,), {"told": told})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    told.url = f"http://127.0.0.1:{server.server_port}"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        told.url = f"https://127.0.0.1:{server.server_port}"
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    ).start()
    try:
        yield told
    finally:
        told.stop.set()
        server.shutdown()
        server.server_close()


def certificate(folder: Path) -> Path:
    """Return a file with a certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file
