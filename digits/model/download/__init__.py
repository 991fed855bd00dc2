"""A model as an archive, with a script that classifies."""
