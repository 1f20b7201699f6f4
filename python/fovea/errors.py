"""What can go wrong. Each message is one line: what, where, and what to do."""


class Error(Exception):
    """Any error of Fovea's. `status` is the C API's, and the program's exit code."""

    status = 1


class ConfigError(Error, ValueError):
    """An argument or a setting makes no sense."""

    status = 2


class DataError(Error, ValueError):
    """A file, an image or a dataset cannot be used."""

    status = 3


class DivergedError(Error, ArithmeticError):
    """A training is no longer finite."""

    status = 4


class OutOfMemoryError(Error, MemoryError):
    """There is not enough memory, of the host's or the GPU's."""

    status = 5


class UnsupportedError(Error, NotImplementedError):
    """This build or version cannot do it."""

    status = 6


class InterruptedError(Error):  # noqa: A001 (fovea.InterruptedError)
    """Stopped on request; what was done is saved, as the message says."""

    status = 130


_BY_STATUS = {
    kind.status: kind
    for kind in (ConfigError, DataError, DivergedError, OutOfMemoryError, UnsupportedError, InterruptedError)
}


def of_status(status: int, message: str) -> Error:
    return _BY_STATUS.get(status, Error)(message)
