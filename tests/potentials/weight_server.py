"""A server of weight files that answers as a test wants it to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from local_server import Handler, serve_locally


@dataclass
class Answer:
    body: bytes
    status: int = 200
    content_type: str = "application/octet-stream"
    #: Content-Length as announced; the true one when None, none at all when -1.
    announced: int | None = None


@dataclass
class WeightServer:
    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)
    #: First byte asked for in each request.
    starts: list[int] = field(default_factory=list)


@contextlib.contextmanager
def serve() -> Iterator[WeightServer]:
    class Weights(Handler):
        def answer(self) -> None:
            state.requested.append(self.path)
            found = state.answers.get(self.path.lstrip("/"), Answer(b"nothing here", status=404))
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            state.starts.append(start)
            if not start or found.announced is not None:
                self.send(found.status, found.body, found.content_type, announced=found.announced)
            else:
                content_range = f"bytes {start}-{len(found.body) - 1}/{len(found.body)}"
                self.send(206, found.body[start:], found.content_type, Content_Range=content_range)

    with serve_locally(Weights) as url:
        state = WeightServer(url)
        yield state
