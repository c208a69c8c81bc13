"""The command `quire`: a server to start, and a client for people and scripts."""
