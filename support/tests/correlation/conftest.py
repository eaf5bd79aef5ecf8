"""The same examples each time, or many others each night, as for the rules."""

from support.tests.rules import conftest as _rules

__all__ = ["_rules"]
