"""Bugs in a library's memory."""

from __future__ import annotations

from typing import Any

from quiredb.engine.collection import Collection


def leave_the_dead() -> None:
    """What dies stays alive in memory."""

    def mark_dead(self: Collection, rows: Any) -> None:
        return None

    Collection.mark_dead = mark_dead
