"""The tasks of model jobs."""
