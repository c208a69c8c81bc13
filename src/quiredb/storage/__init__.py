"""How a library survives: SQLite files, segment files, the folder lock, and the check of all of them."""
