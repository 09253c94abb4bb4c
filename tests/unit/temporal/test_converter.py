from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from sys import modules, path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, PayloadCodec

from ringback.domain.errors import ConfigurationError
from ringback.temporal.converter import choose_converter, load_data_converter

CONVERTERS = """
from temporalio.converter import CompositePayloadConverter, BinaryNullPayloadConverter
from temporalio.converter import DataConverter

class House:
    converter = DataConverter()

class WithoutJson(CompositePayloadConverter):
    def __init__(self):
        super().__init__(BinaryNullPayloadConverter())

def made():
    return DataConverter()

def made_from(key):
    return House.converter

def made_wrong():
    return "a converter"

without_json = DataConverter(payload_converter_class=WithoutJson)
name = "converter"
"""


HANG = "import threading; threading.Event().wait()"


@pytest.fixture(autouse=True)
def in_a_folder_with_converters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "house_converters.py").write_text(CONVERTERS)
    (tmp_path / "house_broken.py").write_text("def (")
    monkeypatch.chdir(tmp_path)
    before = list(path)
    load_data_converter.cache_clear()
    yield
    path[:] = before
    modules.pop("house_converters", None)


def test_no_setting_means_no_converter() -> None:
    assert load_data_converter(None) is None


def test_an_installed_module_is_found() -> None:
    found = load_data_converter("temporalio.contrib.pydantic:pydantic_data_converter")

    assert found is pydantic_data_converter


def test_a_module_in_the_current_folder_is_found() -> None:
    found = load_data_converter("house_converters:House.converter")

    assert found is modules["house_converters"].House.converter


def test_function_returns_the_converter() -> None:
    assert isinstance(load_data_converter("house_converters:made"), DataConverter)


def test_function_is_called_once() -> None:
    first, again = (load_data_converter("house_converters:made") for _ in range(2))

    assert first is again


def test_installed_module_precedes_a_file_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "temporalio.py").write_text("raise RuntimeError")

    assert load_data_converter("temporalio.contrib.pydantic:pydantic_data_converter")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("house_converters", "must be <module>:<attribute>"),
        (":made", "must be <module>:<attribute>"),
        (".house_converters:made", "must be <module>:<attribute>"),
        ("house_converters:made()", "must be <module>:<attribute>"),
        ("nowhere_at_all:made", "nowhere_at_all cannot be imported"),
        ("nowhere_at_all:made", "install it, or start this in the folder that contains it"),
        ("house_broken:made", "house_broken cannot be imported"),
        ("house_converters:missing", "house_converters has no missing"),
        ("house_converters:name", "name is a str; it must be"),
        ("house_converters:made_wrong", "made_wrong is a str; it must be"),
        ("house_converters:made_from", "must be callable without arguments"),
        ("house_converters:without_json", "does not read json/plain"),
    ],
)
def test_error_names_the_setting(wrong: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^RINGBACK_DATA_CONVERTER") as raised:
        load_data_converter(wrong)

    assert says in str(raised.value)


SETTING = "temporalio.contrib.pydantic:pydantic_data_converter"


@pytest.mark.parametrize(
    ("setting", "given", "chosen"),
    [
        (None, None, DataConverter.default),
        (None, pydantic_data_converter, pydantic_data_converter),
        (SETTING, None, pydantic_data_converter),
        (SETTING, DataConverter.default, pydantic_data_converter),
        (SETTING, pydantic_data_converter, pydantic_data_converter),
    ],
)
def test_converter_of_the_setting_or_the_client_is_chosen(
    setting: str | None, given: DataConverter | None, chosen: DataConverter
) -> None:
    assert choose_converter(setting, given) is chosen


def test_two_different_converters_are_rejected() -> None:
    unhashable = DataConverter(payload_codec=UnhashableCodec())

    with pytest.raises(ConfigurationError, match="set only one"):
        choose_converter(SETTING, unhashable)


@dataclass
class UnhashableCodec(PayloadCodec):
    """A codec that is compared by value."""

    key: str = "secret"

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


@pytest.mark.parametrize(
    "named", ["house_hung_module:converter", "house_hung_function:made"], ids=["module", "function"]
)
def test_converter_that_never_loads_is_a_configuration_error_that_names_it(
    named: str, tmp_path: Path
) -> None:
    (tmp_path / "house_hung_module.py").write_text(f"{HANG}\nconverter = None")
    (tmp_path / "house_hung_function.py").write_text(f"def made():\n    {HANG}")

    with pytest.raises(ConfigurationError, match=rf"{named} did not load within 0\.1 s"):
        load_data_converter(named, timeout=timedelta(seconds=0.1))
