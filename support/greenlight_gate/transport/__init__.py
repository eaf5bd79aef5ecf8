"""One connection to a backend: opened, written to, read and closed in the same way for scenarios and for loads."""
