"""What goes wrong, with the texts of the command line."""


class Error(Exception):
    """Anything that outthink itself says no to. What your own policy, verifier, method, vote or domain raises comes out as itself."""


class InputError(Error, ValueError):
    """What was asked for is wrong; asking again will not help (exit status 2 of the command line)."""


class ModelError(InputError):
    """There is no such model, or it is none of its role."""


class RunError(Error, RuntimeError):
    """Something failed on the way (exit status 1 of the command line)."""
