"""The services of a target: the stack of the `local` environment, or those that a target file names."""
