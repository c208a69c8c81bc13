"""Text to vectors: providers of embeddings behind one port, chosen per library."""
