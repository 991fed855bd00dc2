"""Connections and servers: HTTP, slow clients, access log, gunicorn's worker."""
