"""Histories of concurrent clients: how they are recorded, and the checker of them."""
