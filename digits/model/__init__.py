"""Models: networks, their training, and what comes out of it."""
