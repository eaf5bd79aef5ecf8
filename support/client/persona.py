"""What makes a person recognisable in a conversation: a canary that names its owner."""

import secrets
import string

MARKER = "canaryof"


def canary_of(name: str) -> str:
    """A synthetic secret of fixed shape: the marker, the owner's name, and ten letters. Letters only."""
    owner = "".join(char for char in name.lower() if char in string.ascii_lowercase)
    return MARKER + owner + "".join(secrets.choice(string.ascii_lowercase) for _ in range(10))
