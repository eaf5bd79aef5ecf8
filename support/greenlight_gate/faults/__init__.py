"""What networks do to a conversation, on purpose: a TCP proxy on loopback, and one small fault to a file."""
