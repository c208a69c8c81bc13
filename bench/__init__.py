"""Measurements: of a real server over HTTP (run.py, `make bench-server`), and of the index beside others (peers)."""
