"""The HTTP edge: the REST contract in FastAPI and Pydantic, which live here and nowhere else."""
