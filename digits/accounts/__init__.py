"""Users, their sessions, and the limit of wrong passwords."""
