# Generated from _async by client/scripts/unasync.py; change the source and run it again.
"""Writing many documents or chunks: batches by size, several at a time, failures collected."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Any, Literal

from .. import calls
from .._runtime import threads as runtime
from ..errors import (
    ApiError,
    BulkFailed,
    ConnectionFailed,
    Forbidden,
    NotFound,
    QuireError,
    Timeout,
    TooLarge,
    Unauthorized,
)
from ..lines import Batch, Batcher, Line, line_of
from ..models import ImportReport
from ..progress import ProgressOption, Reporter
from ..tally import Outcome, Tally
from .session import Session

_HOPELESS = (Unauthorized, Forbidden, NotFound)
_REFUSALS_IN_A_ROW = 3


class BulkWriter:
    """One bulk write into one library."""

    def __init__(
        self,
        session: Session,
        library: str,
        *,
        batch_bytes: int,
        concurrency: int,
        progress: ProgressOption,
        on_error: Literal["collect", "raise"],
    ) -> None:
        self._session = session
        self._library = library
        self._raise = on_error == "raise"
        self._batcher = Batcher(lanes=concurrency, batch_bytes=batch_bytes)
        self._concurrency = concurrency
        self._reporter = Reporter(progress)
        self._refusals = 0

    def write(self, items: runtime.Source) -> ImportReport:
        """Send all items; takes the next from `items` only when there is room for it.

        Raises:
            BulkFailed: an item failed and `on_error` is "raise", or the server could not be reached three
                times in a row; what was under way is finished first and is in the report.
            Unauthorized, Forbidden, NotFound: nothing can be written to this library with this key.
        """
        tally = Tally(len(items) if isinstance(items, Sized) else None)
        lanes: runtime.Lanes[Batch, Outcome] = runtime.Lanes(self._send, self._concurrency)
        try:
            failure = self._feed(items, lanes, tally)
            for outcome in lanes.drain():
                failure = self._settle(outcome, tally) or failure
        finally:
            lanes.close()
            self._reporter.finish(tally.progress())
        if failure is not None:
            self._stop(failure, tally)
        return tally.report()

    def _feed(self, items: runtime.Source, lanes: runtime.Lanes[Batch, Outcome], tally: Tally) -> QuireError | None:
        """Hand the items to the lanes until there are no more or a failure ends the work."""
        index = 0
        for item in runtime.iterate(items):
            line = line_of(index, item)
            index += 1
            full = None if line is None else self._batcher.add(line)
            if full is None:
                continue
            failure = self._settle(lanes.start(full.lane, full), tally)
            if failure is not None:
                return failure
        for batch in self._batcher.rest():
            failure = self._settle(lanes.start(batch.lane, batch), tally)
            if failure is not None:
                return failure
        return None

    def _settle(self, outcome: Outcome | None, tally: Tally) -> QuireError | None:
        """Count an outcome; returns the failure that ends the whole work, if it is one."""
        if outcome is None:
            return None
        tally.add(outcome)
        self._reporter.update(tally.progress())
        if isinstance(outcome.error, _HOPELESS):
            return outcome.error
        self._refusals = self._refusals + 1 if _unreachable(outcome.error) else 0
        if self._refusals >= _REFUSALS_IN_A_ROW:
            return outcome.error
        if self._raise and outcome.failed:
            return outcome.error or QuireError(f"item {outcome.failed[0].index}: {outcome.failed[0].detail}")
        return None

    def _stop(self, failure: QuireError, tally: Tally) -> None:
        if isinstance(failure, _HOPELESS):
            raise failure
        report = tally.report()
        written = report.items - len(report.failed)
        raise BulkFailed(f"stopped after {written} written items: {failure}", report) from failure

    def _send(self, batch: Batch) -> Outcome:
        """Send a batch: in halves where it is too large, again in pieces where the answer tells too little."""
        outcome = Outcome()
        waiting: list[Sequence[Line]] = [batch.lines]
        while waiting:
            lines = waiting.pop()
            try:
                answer = self._import(lines)
            except TooLarge as error:
                if len(lines) == 1:
                    outcome.refuse(lines, error)
                else:
                    middle = len(lines) // 2
                    waiting += [lines[middle:], lines[:middle]]
            except (ApiError, ConnectionFailed, Timeout) as error:
                outcome.refuse(lines, error)
            else:
                waiting += reversed(outcome.accept(lines, answer))
        return outcome

    def _import(self, lines: Sequence[Line]) -> dict[str, Any]:
        call = calls.write(
            "POST",
            "v1",
            "libraries",
            self._library,
            "import",
            library=self._library,
            parameters={"on_error": "continue"},
            body=b"".join(line.body for line in lines),
        )
        return self._session.json(call)


def _unreachable(error: QuireError | None) -> bool:
    return isinstance(error, (ConnectionFailed, Timeout)) or (isinstance(error, ApiError) and error.retryable)
