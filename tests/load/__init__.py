"""Many browsers and requests while a network trains: `python -m tests.load` measures it in full."""
