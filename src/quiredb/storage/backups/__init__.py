"""Backups: what one holds, how it is taken while a server runs, kept, sent, proved and restored."""
