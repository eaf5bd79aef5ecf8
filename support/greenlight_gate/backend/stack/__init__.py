"""The parts of a backend with several processes: a shared store, a shared bus, replicas that watch each other.

Imported only where the settings name a database or a Redis; needs the packages of the extra `[stack]`.
"""
