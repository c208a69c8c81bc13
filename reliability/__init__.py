"""Rigs that try to make Quire lose, invent or change data, and the record of what they found (see DESIGN.md)."""
