"""What a server takes, read from outside of it."""

from __future__ import annotations

import os
import threading
import time

from bench.server import process_seconds

WORK_SECONDS = 0.05


def test_threads_that_have_ended_count() -> None:
    worked: list[float] = []

    def work() -> None:
        while time.thread_time() < WORK_SECONDS:
            pass
        worked.append(time.thread_time())

    before = process_seconds(os.getpid())
    for _ in range(3):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert process_seconds(os.getpid()) - before >= sum(worked) >= 3 * WORK_SECONDS
    seen = process_seconds(os.getpid())
    assert 0 <= time.process_time() - seen < 0.01
