"""Arguments as the C API takes them; what makes no sense is a ConfigError with the argument's name."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import ConfigError

_DEVICES = {"auto": 0, "cpu": 1, "cuda": 2}
_PRECISIONS = {None: 0, "auto": 0, "fp32": 1, "tf32": 2, "bf16": 3}
_INT32 = 2**31 - 1


def _choice(value: Any, choices: Mapping[Any, int], name: str) -> int:
    if not (value is None or isinstance(value, str)) or value not in choices:
        known = ", ".join(repr(key) for key in choices if key is not None)
        raise ConfigError(f"{name} is {value!r}: expected one of {known}")
    return choices[value]


def precision_choice(precision: str | None) -> int:
    return _choice(precision, _PRECISIONS, "precision")


def device_choice(device: str) -> tuple[int, int]:
    """The C API's device, and the GPU's number: of "auto", "cpu", "cuda" or "cuda:1"."""
    kind, _, number = str(device).partition(":")
    if number and (kind != "cuda" or not number.isdecimal() or len(number) > 9):
        raise ConfigError(f"device is {device!r}: expected 'auto', 'cpu', 'cuda' or 'cuda:0'")
    return _choice(kind, _DEVICES, "device"), int(number or 0)


def integer(value: Any, name: str) -> int:
    """NumPy's, too; None is 0."""
    if value is None:
        return 0
    try:
        number = operator.index(value)
    except TypeError:
        raise ConfigError(f"{name} is {value!r}: expected a whole number") from None
    if abs(number) > _INT32:
        raise ConfigError(f"{name} is {number}: expected at most {_INT32}")
    return number


def number(value: Any, name: str) -> float:
    """None is 0."""
    if value is None:
        return 0.0
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"{name} is {value!r}: expected a number") from None


def optional_text(value: Any, name: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigError(f"{name} is {value!r}: expected a str")
    return _text(value, name)


def _text(value: str, name: str) -> str:
    """As C takes it."""
    if "\0" in value:
        raise ConfigError(f"{name} has a zero byte in it: {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{name} is {value!r}, which UTF-8 cannot hold") from None
    return value


def function(value: Any, name: str) -> Any:
    if value is not None and not callable(value):
        raise ConfigError(f"{name} is {value!r}: expected a function")
    return value


def path_bytes(path: str | os.PathLike[str], name: str) -> bytes:
    try:
        encoded = os.fsencode(path)
    except (TypeError, UnicodeEncodeError):
        raise ConfigError(f"{name} is {path!r}: expected a path") from None
    if b"\0" in encoded:
        raise ConfigError(f"{name} has a zero byte in it: {path!r}")
    return encoded


def settings_list(settings: Mapping[str, Any] | Sequence[str] | None) -> list[str]:
    """As the command line has them: {"input.short_side": [640]} -> ["input.short_side=[640]"]."""
    if settings is None:
        return []
    if isinstance(settings, Mapping):
        listed = [f"{key}={setting_text(value)}" for key, value in settings.items()]
    elif isinstance(settings, str):
        listed = [settings]
    elif isinstance(settings, Iterable) and not isinstance(settings, (bytes, bytearray)):
        listed = [str(setting) for setting in settings]
    else:
        raise ConfigError(f"settings is {settings!r}: expected a dict, or a list of 'key=value'")
    return [_text(setting, f"settings[{number}]") for number, setting in enumerate(listed)]


def setting_text(value: Any) -> str:
    """TOML of a value."""
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        value = value.tolist()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(setting_text(one) for one in value) + "]"
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)
