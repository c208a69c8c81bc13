"""Quire's index beside other libraries, on one core: `make bench`; docs/benchmarks.md says how to read it."""
