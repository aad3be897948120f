"""A package index on this machine, with wheels made for a test and a password on it."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Mapping

USER, PASSWORD = "room", "s3cret/of the index"


def wheel(name: str, version: str, files: Mapping[str, str], needs: tuple[str, ...] = ()) -> bytes:
    """Return a wheel with these files; a path under ``{data}`` goes where its scheme says."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {each}\n" for each in needs)
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    held = {
        **{path.format(data=f"{name}-{version}.data"): text for path, text in files.items()},
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": tags,
    }
    record = "".join(f"{path},,\n" for path in (*held, f"{info}/RECORD"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in {**held, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return buffer.getvalue()


class Index:
    """Serves wheels on loopback. A file of ``held`` waits for ``release`` once it is asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.held: set[str] = set()
        self.asked, self.release = threading.Event(), threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self) -> str:
        port = self._server.server_address[1]
        secret = PASSWORD.replace("/", "%2F").replace(" ", "%20")
        return f"http://{USER}:{secret}@127.0.0.1:{port}/simple/"

    def add(
        self, name: str, version: str, files: Mapping[str, str], needs: tuple[str, ...] = ()
    ) -> str:
        """Serve a wheel, and return its hash."""
        content = wheel(name, version, files, needs)
        self.files[f"{name}-{version}-py3-none-any.whl"] = content
        return hashlib.sha256(content).hexdigest()

    def add_source(self, name: str, version: str) -> None:
        self.files[f"{name}-{version}.tar.gz"] = b"the source of something"

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> bytes | None:
        kind, _, rest = path.strip("/").partition("/")
        if kind == "files":
            if rest in self.held:
                self.asked.set()
                self.release.wait(60)
            return self.files.get(rest)
        links = [
            f'<a href="/files/{file}#sha256={hashlib.sha256(content).hexdigest()}">{file}</a>'
            for file, content in self.files.items()
            if file.startswith(f"{rest}-")
        ]
        return "\n".join(links).encode() if links else None

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        index = self
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.headers.get("Authorization") != wanted:
                    return self.say(401, b"")
                found = index.answer(self.path)
                self.say(200 if found is not None else 404, found or b"")

            def say(self, status: int, body: bytes) -> None:
                self.send_response(status)
                if status == 401:
                    self.send_header("WWW-Authenticate", 'Basic realm="index"')
                kind = "text/html" if self.path.startswith("/simple") else "application/zip"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
