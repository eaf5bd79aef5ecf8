"""What a target cannot do, and so is not judged."""


class NotExercised(Exception):  # noqa: N818 -- the word of the report
    """The target does not claim to do this; the scenario is reported as not exercised, with the reason."""
