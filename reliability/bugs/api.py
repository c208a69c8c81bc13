"""Bugs of the REST layer."""

from __future__ import annotations

from typing import Any, NoReturn

from quiredb.api.answers import JsonAnswer
from quiredb.services.search import SearchService


def undescribed_status() -> None:
    """What was created is answered with 202, which no creation describes."""
    build = JsonAnswer.__init__

    def answer(self: JsonAnswer, content: Any, status_code: int = 200, **more: Any) -> None:
        build(self, content, status_code=202 if status_code == 201 else status_code, **more)

    JsonAnswer.__init__ = answer


def answers_without_version() -> None:
    """No answer says a version, which every description of a resource requires."""
    render = JsonAnswer.render

    def without(self: JsonAnswer, content: Any) -> bytes:
        shown = (
            {name: value for name, value in content.items() if name != "version"} if type(content) is dict else content
        )
        return render(self, shown)

    JsonAnswer.render = without


def unexpected_error() -> None:
    """Counting raises what nobody catches."""

    def count(*_: object) -> NoReturn:
        raise ZeroDivisionError

    SearchService.count = count
