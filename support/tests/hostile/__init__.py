"""A server that misbehaves on request, for the tests of every part that meets one."""
