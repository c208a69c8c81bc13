"""The bad inputs of `inputs.py` by what is wrong with them, and the world that they are thrown at."""
