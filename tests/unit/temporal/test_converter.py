from collections.abc import Iterator
from pathlib import Path
from sys import modules, path

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter

from ringback.domain.errors import ConfigurationError
from ringback.temporal.converter import load_data_converter

CONVERTERS = """
from temporalio.converter import CompositePayloadConverter, BinaryNullPayloadConverter
from temporalio.converter import DataConverter

class House:
    converter = DataConverter()

class WithoutJson(CompositePayloadConverter):
    def __init__(self):
        super().__init__(BinaryNullPayloadConverter())

def made():
    return House.converter

def made_from(key):
    return House.converter

def made_wrong():
    return "a converter"

without_json = DataConverter(payload_converter_class=WithoutJson)
name = "converter"
"""


@pytest.fixture(autouse=True)
def in_a_folder_with_converters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "house_converters.py").write_text(CONVERTERS)
    (tmp_path / "house_broken.py").write_text("def (")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(path))
    yield
    modules.pop("house_converters", None)


def test_none_is_none() -> None:
    assert load_data_converter(None) is None


def test_an_installed_module_is_found() -> None:
    found = load_data_converter("temporalio.contrib.pydantic:pydantic_data_converter")

    assert found is pydantic_data_converter


def test_a_module_in_the_current_folder_is_found() -> None:
    found = load_data_converter("house_converters:House.converter")

    assert found is modules["house_converters"].House.converter


def test_a_function_is_asked_for_it() -> None:
    assert load_data_converter("house_converters:made") is modules["house_converters"].made()


def test_what_is_installed_goes_before_a_file_here(tmp_path: Path) -> None:
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
        ("nowhere_at_all:made", "install it, or run this in the folder that it is in"),
        ("house_broken:made", "house_broken cannot be imported"),
        ("house_converters:missing", "house_converters has no missing"),
        ("house_converters:name", "name is a str; it must be"),
        ("house_converters:made_wrong", "made_wrong is a str; it must be"),
        ("house_converters:made_from", "must be callable without arguments"),
        ("house_converters:without_json", "reads no json/plain"),
    ],
)
def test_what_is_wrong_is_told_by_the_name_of_the_setting(wrong: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^RINGBACK_DATA_CONVERTER") as told:
        load_data_converter(wrong)

    assert says in str(told.value)
