"""The services of a target: the stack of the `local` environment, or what a target of one's own names."""
