"""A web server on this machine for as long as a block lasts; what it answers is up to the handler."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """Answers once per connection and says nothing in the output of the tests."""

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        """Answer a request for `self.path`."""
        raise NotImplementedError

    def send(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = "application/octet-stream",
        *,
        announced: int | None = None,
        sent: int | None = None,
        **headers: str,
    ) -> None:
        """Answer and close the connection.

        Parameters
        ----------
        status : int
            HTTP status.
        body : bytes
            What is to be sent.
        content_type : str
            Its kind.
        announced : int or None
            Content-Length as announced; the true one when None, none at all when -1.
        sent : int or None
            After how many bytes the connection breaks.
        **headers : str
            Further headers, with ``_`` for ``-``.
        """
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if announced != -1:
            self.send_header("Content-Length", str(len(body) if announced is None else announced))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body[:sent])
        self.close_connection = True

    def send_json(self, status: int, answer: dict[str, Any]) -> None:
        """Answer with JSON."""
        self.send(status, json.dumps(answer).encode(), "application/json")

    def log_message(self, *args: object) -> None:
        """Not in the output of the tests."""


@contextlib.contextmanager
def serve_locally(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on a free port until the block ends; gives the address, without a slash at its end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
