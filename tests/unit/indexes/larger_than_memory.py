"""Run by `test_ivf_memory.py` in a process of its own: searches a saved index under a limit of memory.

Arguments: the folder, a file of queries, a file for the rows found, the limit in bytes. RLIMIT_DATA holds private
memory to the limit; what file pages stay resident is counted after each search and then dropped, as the kernel drops
them when memory is short. Prints the largest growth of resident memory and the bytes read from files by a search.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path

import numpy as np

from quiredb.indexes import VectorIndex, warm_up

MADV_RANDOM, MADV_DONTNEED = 1, 4
PAGE = os.sysconf("SC_PAGE_SIZE")


def status(field: str) -> int:
    """A field of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def advise(index: VectorIndex, advice: int) -> None:
    """`madvise` for the cold arrays' maps: the vectors and the 8-bit codes."""
    libc = ctypes.CDLL(None, use_errno=True)
    for array in (index.flat.vectors, index.flat.codes):
        start = array.ctypes.data // PAGE * PAGE
        size = array.ctypes.data + array.nbytes - start
        if libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), advice):
            raise OSError(ctypes.get_errno(), "madvise")


def drop_pages(index: VectorIndex, folder: Path) -> None:
    """Out of this process and out of the page cache."""
    advise(index, MADV_DONTNEED)
    for file in folder.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def main(folder: Path, queries: Path, found: Path, limit: int) -> None:
    """Load, limit, search."""
    warm_up()
    before = status("RssAnon") + status("RssFile")
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (status("VmData") + limit, most))
    index = VectorIndex.load(folder)
    advise(index, MADV_RANDOM)
    drop_pages(index, folder)
    largest, read, rows = 0, 0, []
    for query in np.load(queries):
        files = status("RssFile")
        rows.append(index.search(query, 10, effort=48)[0])
        largest = max(largest, status("RssAnon") + status("RssFile") - before)
        read = max(read, status("RssFile") - files)
        drop_pages(index, folder)
    np.save(found, np.stack(rows))
    sys.stdout.write(f"{largest} {read}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
