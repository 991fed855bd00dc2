"""What this worker process may do for the networks of users; set once, when it starts."""

# Layers of type Python run whatever code their network names.
python_layers = False
