"""A DynamoDB on the loopback interface that has the same clients for everybody who asks, at once."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.runtime_api import LOOPBACK
from benchmarks.things import PAGE, a_client, client_image


def answers() -> dict[str, bytes]:
    """By operation: a page of clients for a query, one client for a key; every request is its window's first."""
    images = [client_image(a_client(number)) for number in range(PAGE)]
    page = {"Items": images, "Count": PAGE, "ScannedCount": PAGE}
    counted = {"Attributes": {"count": {"N": "1"}, "expires_at": {"N": "1795167120"}}}
    told = {"Query": page, "GetItem": {"Item": images[0]}, "UpdateItem": counted}
    return {operation: json.dumps(answer).encode() for operation, answer in told.items()}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # header and body in one packet
    prepared: dict[str, bytes]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = self.prepared[self.headers["X-Amz-Target"].partition(".")[2]]
        self.send_response_only(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: who wants to know of 10,000 requests?"""


@contextmanager
def running() -> Iterator[str]:
    """The address of one, for as long as the block runs."""
    handler = type("Handler", (_Handler,), {"prepared": answers()})
    with ThreadingHTTPServer((LOOPBACK, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
