"""What a solver is made of: nets, updates, learning rates, snapshots, several processes."""
