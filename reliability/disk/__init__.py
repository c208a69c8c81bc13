"""What the disk rigs have the product do, the simulated disk below it, and what is left held against the truth."""
