"""The one exception for a user's mistake."""


class InputError(ValueError):
    """Something that the caller gave cannot be used.

    The message names the parameter, what was allowed, what came and what to do. The command line prints it as one line
    and exits with status 2.
    """
