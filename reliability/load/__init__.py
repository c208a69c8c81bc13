"""Clients of a real server that know what they were told, and the recomputation of what it must answer."""
