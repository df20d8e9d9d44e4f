"""Command lines of tests: flags that most of them share, and that some replace."""


def with_defaults(verb, defaults, arguments):
    """Return the words of a command line: a verb, the defaults of the flags that it does not have, and its arguments.

    Args:
        verb: name of the verb.
        defaults: values by flag.
        arguments: flags, values and recordings, as objects that `str` makes words of.
    """
    words = [str(word) for word in arguments]
    missing = {flag: value for flag, value in defaults.items() if flag not in words}
    return [verb, *(str(word) for pair in missing.items() for word in pair), *words]
