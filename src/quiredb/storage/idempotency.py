"""Answers kept for repeated requests, in the transaction of the command that they answer."""

from dataclasses import replace
from datetime import datetime, timedelta

import apsw

from quiredb.domain.commands import IdempotencyToken, Receipt
from quiredb.domain.errors import IdempotencyKeyReused, Violation
from quiredb.domain.limits import IDEMPOTENCY_HOURS
from quiredb.domain.times import to_microseconds
from quiredb.storage.database import fetch_one
from quiredb.storage.encoding import decode_receipt, encode_receipt

_PURGED_AT_ONCE = 100


def expired_before(at: datetime) -> int:
    """Answers given at or before this instant (microseconds) are forgotten at `at`."""
    return to_microseconds(at - timedelta(hours=IDEMPOTENCY_HOURS))


def key_reused() -> IdempotencyKeyReused:
    """The refusal of a key that stands for another request."""
    return IdempotencyKeyReused(
        (
            Violation(
                "",
                IdempotencyKeyReused.code,
                "This idempotency key was used for another request; send a new key with a new request.",
            ),
        )
    )


def recall_receipt(connection: apsw.Connection, token: IdempotencyToken, at: datetime) -> Receipt | None:
    """The first answer to the request, or None when it was not seen in the last 24 hours."""
    found = fetch_one(
        connection, "SELECT digest, receipt FROM idempotency WHERE key = ? AND at > ?", (token.key, expired_before(at))
    )
    if found is None:
        return None
    if found[0] != token.digest:
        raise key_reused()
    return decode_receipt(found[1])


def keep_receipt(connection: apsw.Connection, token: IdempotencyToken, at: datetime, receipt: Receipt) -> None:
    """Remember an answer, and forget some that are too old."""
    kept = replace(receipt, outcomes=()) if token.brief else receipt
    connection.execute(
        "DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE at <= ? ORDER BY at LIMIT ?)",
        (expired_before(at), _PURGED_AT_ONCE),
    )
    connection.execute(
        "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?)",
        (token.key, token.digest, to_microseconds(at), encode_receipt(kept)),
    )
