"""Shapes of requests (Pydantic models) and answers (typed dictionaries), and their way from and to the domain."""
