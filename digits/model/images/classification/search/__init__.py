"""The search for the best settings of a head, before it learns."""
