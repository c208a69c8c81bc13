"""Ids made by the client."""

from __future__ import annotations

import os
import time


def uuid7() -> str:
    """A UUID of version 7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits."""
    random = int.from_bytes(os.urandom(10), "big")
    number = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80
    number |= 0x7 << 76 | (random >> 62 & 0xFFF) << 64
    number |= 0b10 << 62 | random & (1 << 62) - 1
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
