"""What every answer says: which request it answers.

And to browsers: run nothing, frame nothing, keep nothing, tell nobody where you came from.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_REQUEST_ID = b"x-request-id"
_POLICY = b"content-security-policy"
_CONTENT_POLICY = (_POLICY, b"default-src 'none'; frame-ancestors 'none'")
SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
TRANSPORT_SECURITY = (b"strict-transport-security", b"max-age=31536000")
"""Only over TLS (RFC 6797): a browser never asks this host without it again."""


class AnswerHeaders:
    """Adds the headers to every answer. A page that runs scripts brings a content policy of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = (*security_headers(scope["scheme"]), (_REQUEST_ID, scope["state"]["request_id"].encode("ascii")))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                own = any(name == _POLICY for name, _ in headers)
                message["headers"] = [*headers, *added] if own else [*headers, *added, _CONTENT_POLICY]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def security_headers(scheme: str) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of an answer over http or https, but for the content policy."""
    return _OVER_TLS if scheme == "https" else SECURITY_HEADERS


_OVER_TLS = (*SECURITY_HEADERS, TRANSPORT_SECURITY)
