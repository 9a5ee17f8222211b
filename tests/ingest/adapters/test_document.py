"""docs/adapters.md: its city file can be used, and its own adapter works."""

import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from events import BadMessage
from ingest.adapters.adapter import FORMATS, open_adapters

TEXT = (Path(__file__).parents[3] / "docs" / "adapters.md").read_text("utf-8")


def test_the_adapters_of_the_document_can_be_opened_and_are_all_there_are() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    listed = yaml.safe_load(block)["adapters"]
    assert {one["format"] for one in listed} == set(FORMATS)
    assert len(open_adapters(listed)) == len(listed)


def test_the_document_s_own_adapter_reads_and_refuses() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    siren = ModuleType("siren")
    exec(compile(block, "siren.py", "exec"), siren.__dict__)
    read = siren.reader(siren.Options())
    assert read("siren/7/level", b"81.5").body[0].value == 81.5
    for topic, payload in (("siren/7/level", b"loud"), ("siren", b"1")):
        with pytest.raises(BadMessage):
            read(topic, payload)
