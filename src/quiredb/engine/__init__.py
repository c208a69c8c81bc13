"""A library in memory: fresh buffer, immutable segments, columns, planner, views. See DESIGN.md beside this file."""
