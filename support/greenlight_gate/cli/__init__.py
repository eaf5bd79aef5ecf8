"""The commands of `greenlight`, one to a file; each returns its exit code."""
