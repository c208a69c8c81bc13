"""Backups for the rigs: taken under load, small ones with a truth, and ones made to do harm."""
