"""Where services find libraries, and the one durable write path. Joins engine and storage."""
