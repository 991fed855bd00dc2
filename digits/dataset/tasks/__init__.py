"""The tasks of a dataset job: reading folders or lists, and writing databases."""
