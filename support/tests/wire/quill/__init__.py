"""Quill: a server whose protocol no profile ships for, and the profile that the README led to."""
