"""The command line's options, a module for each command. Light: whoever asks for help does not wait for behave."""

from support.options import doctor, history, load, profile, run, schema, serve, services, verdict

COMMANDS = (run, verdict, serve, doctor, profile, load, history, schema, services)
"""In the order in which help shows them; each has `add`."""
