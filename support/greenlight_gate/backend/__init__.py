"""The embedded reference backend: a real chat server, and one that can be broken on purpose.

It imports nothing else of this suite, so that the judge and the judged cannot share a bug.
"""
