"""One file per library. A file imports its library on top, so only the worker that measures the library loads it."""
