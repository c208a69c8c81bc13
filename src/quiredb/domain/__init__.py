"""What the words mean: libraries, documents, chunks, filters, commands and errors. Standard library only."""
