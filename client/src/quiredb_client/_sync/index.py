# Generated from _async by client/scripts/unasync.py; change the source and run it again.
"""The index of a library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .. import calls, decoding
from ..models import IndexState, Job
from ..wire import given
from .session import Session


class Index:
    """Look at the index of one library, or choose another."""

    def __init__(self, session: Session, library: str) -> None:
        self._session = session
        self._library = library
        self._path = ("v1", "libraries", library, "index")

    def get(self) -> IndexState:
        """Its kind, parameters and state."""
        return decoding.index_state(self._session.json(calls.read("GET", *self._path, library=self._library)))

    def configure(
        self, *, kind: Literal["auto", "flat", "ivf", "graph"], parameters: Mapping[str, Any] | None = None
    ) -> Job:
        """Choose kind and parameters and build; searches go on with the old index until the new one is ready.

        Pass the job to `client.jobs.wait` to wait for it.
        """
        call = calls.write("PUT", *self._path, library=self._library, body=given(kind=kind, parameters=parameters))
        return decoding.job(self._session.json(call))
