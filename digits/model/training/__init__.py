"""A training: its solver, plan, log, history, graphs, snapshots and outcome."""
