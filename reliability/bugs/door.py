"""Bugs in who is let in, how long they may stay, and what they and the log are told."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from quiredb.api import bodies, problems
from quiredb.api.bodies import StrictRoute
from quiredb.api.middleware import authentication
from quiredb.api.middleware.authentication import FREE_PATHS
from quiredb.api.schemas import base
from quiredb.api.schemas.base import Model
from quiredb.cli import guarded_protocol, logs, serve
from quiredb.domain.errors import ValidationFailed
from quiredb.domain.rates import TokenBuckets


def free_metrics() -> None:
    """One route is not asked for a key."""
    authentication.FREE_PATHS = FREE_PATHS | {"/metrics", "/openapi.json"}


def free_by_prefix() -> None:
    """What is free is told by how the path begins, before it is put in order."""
    authentication._is_free = lambda scope: scope["path"].startswith(tuple(FREE_PATHS))


def rights_after_body() -> None:
    """Rights are judged, but only once the body is there."""
    honest = StrictRoute.handle

    async def handle(self: StrictRoute, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()

        bodies_left = [body]

        async def again() -> Message:
            if bodies_left:
                return {"type": "http.request", "body": bodies_left.pop(), "more_body": False}
            return await receive()

        await honest(self, scope, again, send)

    StrictRoute.handle = handle


def rights_forgotten() -> None:
    """Whoever has a key may do everything."""
    bodies.check_rights = lambda _need, _scope: None


def quick_seconds() -> None:
    """A trouble: what a server does each second it does ten times in it, so that its deadlines need not be sat out."""
    serve._TICKS_PER_SECOND = 1


def heads_without_deadline() -> None:
    """Whoever does not finish a head may stay."""
    guarded_protocol.HEAD_SECONDS_MAX = 10**9


def report_every_error() -> None:
    """A refusal lists all that is wrong."""
    problems.ERRORS_REPORTED_MAX = 10**9


def locate_every_error() -> None:
    """For each thing that is wrong with a body, its line is looked for from the beginning."""
    honest = base.validate

    def validate(model: type[Model], data: object, pointer: str = "") -> Model:
        try:
            return honest(model, data, pointer)
        except ValidationFailed as error:
            text = repr(data).encode()
            for _ in error.violations:
                text.count(b"\n")
            raise

    bodies.validate = validate


def echo_input() -> None:
    """A refusal shows what was refused."""
    honest = base.validate

    def validate(model: type[Model], data: object, pointer: str = "") -> Model:
        try:
            return honest(model, data, pointer)
        except ValidationFailed as error:
            raise ValidationFailed.at(pointer, "invalid", repr(data)) from error

    bodies.validate = validate


def log_input() -> None:
    """What was decoded is in the log."""
    honest = base.validate

    def validate(model: type[Model], data: object, pointer: str = "") -> Model:
        logging.getLogger("quiredb.api").info("a body: %s", data)
        return honest(model, data, pointer)

    bodies.validate = validate


def log_keys() -> None:
    """Keys that do not count are in the log, which also shows those that do not count any more."""
    honest = authentication.bearer_key

    def bearer_key(scope: Scope) -> bytes | None:
        key = honest(scope)
        logging.getLogger("quiredb.api").warning("who has the key %s?", key)
        return key

    authentication.bearer_key = bearer_key


def any_rate() -> None:
    """No key sends too many requests."""
    TokenBuckets.take = lambda *_: 0.0


def log_everything() -> None:
    """A trouble: what is logged again and again is not left out."""
    logs._REPEATS_MAX = 10**9


def stay_after_answers() -> None:
    """Once the last answer is written, time does not pass any more for a connection."""
    honest = guarded_protocol.GuardedProtocol.look

    def look(self: guarded_protocol.GuardedProtocol) -> None:
        if self.cycle is None or not self.cycle.response_complete:
            honest(self)

    guarded_protocol.GuardedProtocol.look = look
