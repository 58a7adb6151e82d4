"""A web server on this machine that behaves like a Dataverse with its storage elsewhere, and like GitHub.

Files are listed under ``/api/datasets``, and ``/api/access/datafile/<id>`` redirects to ``/storage/<id>``,
which serves ranges. Whatever goes wrong on the network can be ordered for the next requests of a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

DOI = "doi:10.7910/DVN/STANDIN"


@dataclass
class Served:
    """A file of the dataset.

    Parameters
    ----------
    content : bytes
        What it holds.
    directory, name : str
        Where it belongs.
    restricted : bool
        Whether it is announced as restricted.
    faults : list
        What goes wrong in the next requests of its content, one each: ``("cut", n)`` closes the connection
        after n bytes, ``("busy", s)`` answers 503 with Retry-After s, ``("flip", n)`` spoils byte n,
        ``("forbidden",)`` answers 403, ``("whole",)`` ignores a range.
    """

    content: bytes
    directory: str = ""
    name: str = "file"
    restricted: bool = False
    listed: dict[str, Any] = field(default_factory=dict)
    faults: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass
class Dataverse:
    """What is served, and what was asked for: (path, Range header or empty)."""

    url: str
    files: dict[int, Served] = field(default_factory=dict)
    archives: dict[str, Served] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def ranges(self, number: int) -> list[str]:
        """Ranges asked of the storage for a file, in order."""
        return [asked for path, asked in self.requests if path == f"/storage/{number}"]

    def listing(self) -> dict[str, Any]:
        """The dataset as the native API describes it."""
        files = [
            {
                "label": served.name,
                "restricted": served.restricted,
                **({"directoryLabel": served.directory} if served.directory else {}),
                "dataFile": {
                    "id": number,
                    "filename": served.name,
                    "filesize": len(served.content),
                    "md5": hashlib.md5(served.content).hexdigest(),
                    "checksum": {"type": "MD5", "value": hashlib.md5(served.content).hexdigest()},
                    **served.listed,
                },
            }
            for number, served in self.files.items()
        ]
        return {
            "status": "OK",
            "data": {"id": 1, "latestVersion": {"versionState": "RELEASED", "files": files}},
        }

    def tree(self, sha: str) -> dict[str, Any]:
        """A git tree as GitHub describes it."""
        if sha == "HEAD":
            inside = [{"path": "README.md", "type": "blob", "sha": "0" * 40, "size": 3}]
            inside.append({"path": "phonon_db_tarred", "type": "tree", "sha": "f01de7"})
        else:
            inside = [
                {
                    "path": name,
                    "type": "blob",
                    "size": len(served.content),
                    "sha": hashlib.sha1(b"blob %d\0" % len(served.content) + served.content).hexdigest(),
                }
                for name, served in self.archives.items()
            ]
        return {"sha": sha, "tree": inside, "truncated": False}


@contextlib.contextmanager
def serve_dataverse() -> Iterator[Dataverse]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            state.requests.append((parts.path, self.headers.get("Range", "")))
            self.close_connection = True
            if parts.path == "/api/datasets/:persistentId/":
                known = parse_qs(parts.query).get("persistentId") == [DOI]
                error = {"status": "ERROR", "message": "Dataset with Persistent ID not found."}
                self._json(200 if known else 404, state.listing() if known else error)
            elif parts.path.startswith("/api/access/datafile/"):
                self.send_response(303)
                self.send_header("Location", f"{state.url}/storage/{parts.path.rsplit('/', 1)[1]}?signed=1")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif parts.path.startswith("/storage/"):
                self._content(state.files[int(parts.path.rsplit("/", 1)[1])])
            elif "/git/trees/" in parts.path:
                self._json(200, state.tree(parts.path.rsplit("/", 1)[1]))
            elif "/HEAD/phonon_db_tarred/" in parts.path:
                self._content(state.archives[unquote(parts.path.rsplit("/", 1)[1])])
            else:
                self._json(404, {"status": "ERROR"})

        def _json(self, status: int, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _content(self, served: Served) -> None:
            fault = served.faults.pop(0) if served.faults else ("none",)
            if fault[0] in ("busy", "forbidden"):
                self.send_response(503 if fault[0] == "busy" else 403)
                if fault[0] == "busy":
                    self.send_header("Retry-After", str(fault[1]))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body, asked, start = served.content, self.headers.get("Range", ""), 0
            if asked and fault[0] != "whole":
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                if start >= len(body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(body)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            if fault[0] == "flip":
                spoiled = bytearray(body)
                spoiled[fault[1]] ^= 1
                body = bytes(spoiled)
            body = body[start:]
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body[: fault[1]] if fault[0] == "cut" else body)

        def log_message(self, *args: object) -> None:
            """Not in the output of the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Dataverse(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
