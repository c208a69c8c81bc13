"""An embedding provider that refuses every text and says so in words that hold all it was sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson

KEY_VARIABLE = "DOOR_PROVIDER_KEY"
PROVIDER, MODEL, DIMENSION = "echo", "echo-1", 4


class _Refusing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Refuse."""
        sent = self.rfile.read(int(self.headers["content-length"])).decode()
        said = f"{self.headers['authorization']} cannot embed {sent}"
        body = orjson.dumps({"error": {"message": said}})
        self.send_response(400)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def echoing_provider() -> Iterator[str]:
    """One on a free port of loopback; what a server's file of embedders says of it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield (
                f'[providers.{PROVIDER}]\ntype = "openai"\nurl = "http://127.0.0.1:{server.server_port}/v1"\n'
                f'api_key_env = "{KEY_VARIABLE}"\n[providers.{PROVIDER}.models.{MODEL}]\ndimension = {DIMENSION}\n'
            )
        finally:
            server.shutdown()
            thread.join()
