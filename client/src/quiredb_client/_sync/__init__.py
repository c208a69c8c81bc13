# Generated from _async by client/scripts/unasync.py; change the source and run it again.
"""The client that waits; generated from `_async`."""
