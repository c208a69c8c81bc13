"""What `door.py` lays siege to a server with: slow clients, large refusals, secrets, a noisy key."""
