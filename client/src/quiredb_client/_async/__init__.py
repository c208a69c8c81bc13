"""The asynchronous client, and the source from which `_sync` is generated."""
