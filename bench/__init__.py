"""Measurements of a real server over HTTP. `make bench` runs them; see run.py."""
