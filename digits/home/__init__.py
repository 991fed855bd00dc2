"""The home page and what can be done with any job."""
