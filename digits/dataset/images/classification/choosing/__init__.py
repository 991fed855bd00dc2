"""Choose pictures for a dataset: a folder that is uploaded, or one of the server, and a preview."""
