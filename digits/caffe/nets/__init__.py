"""Building a net, running it forwards and backwards, and its weights."""
