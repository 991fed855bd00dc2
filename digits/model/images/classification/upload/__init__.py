"""A model comes back: the archive of one becomes a job that classifies and can be started from."""
