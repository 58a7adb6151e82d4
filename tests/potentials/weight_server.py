"""A web server on this machine that answers as a test wants it to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


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
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requested.append(self.path)
            answer = state.answers.get(self.path.lstrip("/"), Answer(b"nothing here", status=404))
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            if answer.announced != -1:
                length = len(answer.body) if answer.announced is None else answer.announced
                self.send_header("Content-Length", str(length))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(answer.body)
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Not in the output of the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = WeightServer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
