"""The user's data converter, loaded by its import path: one setting for workers and gateway."""

import importlib
import re
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import cache, partial
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Final

from temporalio.converter import CompositePayloadConverter, DataConverter

from ringback.core.services import call_caught
from ringback.domain.errors import ConfigurationError

SETTING: Final = "RINGBACK_DATA_CONVERTER"

_JSON: Final = b"json/plain"
_PATH: Final = re.compile(r"(\w+\.)*\w+:(\w+\.)*\w+")


LOAD_TIMEOUT: Final = timedelta(seconds=60)
"""The timeout for importing the module and calling its function."""


@cache
def load_data_converter(
    path: str | None, *, timeout: timedelta = LOAD_TIMEOUT
) -> DataConverter | None:
    """Load the data converter `<module>:<attribute>`; return `None` without a path.

    The module may be in the current folder. A function is called once. Import and call run in a
    thread, which is abandoned after `timeout`.

    Raises:
        ConfigurationError: The converter is missing, cannot carry JSON, or does not load in time;
            the message says what to do.
    """
    if path is None:
        return None
    if not _PATH.fullmatch(path):
        msg = f"{SETTING} must be <module>:<attribute>, as converters:data_converter; not {path!r}"
        raise ConfigurationError(msg)
    return _in_time(partial(call_caught, _load, path), path, timeout)


def _in_time(
    load: Callable[[], DataConverter | Exception], path: str, timeout: timedelta
) -> DataConverter:
    loaded: list[DataConverter | Exception] = []
    # A daemon thread that hangs does not keep the program alive.
    thread = threading.Thread(
        target=lambda: loaded.append(load()), name="ringback-converter", daemon=True
    )
    thread.start()
    thread.join(timeout.total_seconds())
    if not loaded:
        msg = (
            f"{SETTING}: {path} did not load within {timeout.total_seconds():g} s; importing its"
            " module or calling its function must not wait for anything"
        )
        raise ConfigurationError(msg)
    if isinstance(loaded[0], Exception):
        raise loaded[0]
    return loaded[0]


def _load(path: str) -> DataConverter:
    module, _, attribute = path.partition(":")
    return _checked(_called(_find(_imported(module), attribute), path), path)


def choose_converter(path: str | None, given: DataConverter | None) -> DataConverter:
    """Return a client's data converter: that of the setting, otherwise `given`.

    Raises:
        ConfigurationError: Both exist and differ, so the gateway would not encode as the workers
            decode; or `load_data_converter` rejects `path`.
    """
    given = given or DataConverter.default
    loaded = load_data_converter(path)
    if loaded is None:
        return given
    if given is not DataConverter.default and given != loaded:
        msg = f"{SETTING} names another data converter than the client has; set only one"
        raise ConfigurationError(msg)
    return loaded


def _imported(name: str) -> ModuleType:
    folder = str(Path.cwd())
    if not {folder, ""} & set(sys.path):
        # Last on the path, so that a file here hides no installed package.
        sys.path.append(folder)
    try:
        return importlib.import_module(name)
    except (ImportError, SyntaxError) as exc:
        msg = (
            f"{SETTING}: {name} cannot be imported ({exc}); "
            f"install it, or start this in the folder that contains it (here is {folder})"
        )
        raise ConfigurationError(msg) from exc


def _find(module: ModuleType, attribute: str) -> object:
    try:
        return attrgetter(attribute)(module)
    except AttributeError as exc:
        msg = f"{SETTING}: {module.__name__} has no {attribute}; it is in {module.__file__}"
        raise ConfigurationError(msg) from exc


def _called(found: object, path: str) -> object:
    if isinstance(found, DataConverter) or not callable(found):
        return found
    try:
        return found()
    except TypeError as exc:
        msg = f"{SETTING}: {path} must be callable without arguments ({exc})"
        raise ConfigurationError(msg) from exc


def _checked(found: object, path: str) -> DataConverter:
    if not isinstance(found, DataConverter):
        msg = (
            f"{SETTING}: {path} is a {type(found).__name__}; it must be a "
            "temporalio.converter.DataConverter, or a function that returns one"
        )
        raise ConfigurationError(msg)
    inner = found.payload_converter_class()
    if isinstance(inner, CompositePayloadConverter) and _JSON not in inner.converters:
        msg = f"{SETTING}: {path} does not read json/plain, which answers are; add a converter"
        raise ConfigurationError(msg)
    return found
