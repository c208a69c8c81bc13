"""What differs between the two clients beyond `async` and `await`; the same names in both modules."""
