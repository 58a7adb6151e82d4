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


@contextlib.contextmanager
def serve() -> Iterator[WeightServer]:
    class Weights(Handler):
        def answer(self) -> None:
            state.requested.append(self.path)
            found = state.answers.get(self.path.lstrip("/"), Answer(b"nothing here", status=404))
            self.send(found.status, found.body, found.content_type, announced=found.announced)

    with serve_locally(Weights) as url:
        state = WeightServer(url)
        yield state
