"""A web server on this machine that behaves like a Dataverse with its storage elsewhere, and like GitHub.

Files are listed under ``/api/datasets``, and ``/api/access/datafile/<id>`` redirects to ``/storage/<id>``,
which serves ranges. Whatever goes wrong on the network can be ordered for the next requests of a file.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from local_server import Handler, serve_locally

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

    class Storage(Handler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            parts = urlsplit(self.path)
            state.requests.append((parts.path, self.headers.get("Range", "")))
            if parts.path == "/api/datasets/:persistentId/":
                known = parse_qs(parts.query).get("persistentId") == [DOI]
                error = {"status": "ERROR", "message": "Dataset with Persistent ID not found."}
                self.send_json(200 if known else 404, state.listing() if known else error)
            elif parts.path.startswith("/api/access/datafile/"):
                number = parts.path.rsplit("/", 1)[1]
                self.send(303, Location=f"{state.url}/storage/{number}?signed=1")
            elif parts.path.startswith("/storage/"):
                self._content(state.files[int(parts.path.rsplit("/", 1)[1])])
            elif "/git/trees/" in parts.path:
                self.send_json(200, state.tree(parts.path.rsplit("/", 1)[1]))
            elif "/HEAD/phonon_db_tarred/" in parts.path:
                self._content(state.archives[unquote(parts.path.rsplit("/", 1)[1])])
            elif parts.path == "/page":
                self.send(200, b"<html>sign in</html>", "text/html; charset=utf-8")
            else:
                self.send_json(404, {"status": "ERROR"})

        def _content(self, served: Served) -> None:
            fault = served.faults.pop(0) if served.faults else ("none",)
            if fault[0] == "busy":
                return self.send(503, Retry_After=str(fault[1]))
            if fault[0] == "forbidden":
                return self.send(403)
            body, size, asked = served.content, len(served.content), self.headers.get("Range", "")
            if fault[0] == "flip":
                spoiled = bytearray(body)
                spoiled[fault[1]] ^= 1
                body = bytes(spoiled)
            cut = fault[1] if fault[0] == "cut" else None
            if not asked or fault[0] == "whole":
                return self.send(200, body, sent=cut)
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= size:
                return self.send(416, Content_Range=f"bytes */{size}")
            return self.send(206, body[start:], sent=cut, Content_Range=f"bytes {start}-{size - 1}/{size}")

    with serve_locally(Storage) as url:
        state = Dataverse(url)
        yield state
