"""A network's text: checking it, its graph, what is trained and what is deployed."""
