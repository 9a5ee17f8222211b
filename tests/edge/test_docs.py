"""docs/edge.md: its examples are read as they stand, and no key is left out."""

import re
from typing import get_args

import msgspec
import pytest
import yaml

from edge import yamlfile
from edge.settings import Agent, Broker, Camera, Outbox, SensorSettings, Uplink, Vision
from ngatu.home import CHECKOUT

TEXT = (CHECKOUT / "docs" / "edge.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
KINDS: list[type[msgspec.Struct]] = [Agent, Broker, Outbox, Uplink, Vision, *get_args(SensorSettings)]
OWN_KEYS = ["name", "source", "rate", "loop", "blur", "clips", "scene"]  # of a camera; the others are a scene's


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_good(example: str) -> None:
    document = {"device": "a", "broker": {"url": "mqtt://b"}} | yaml.safe_load(example)
    yamlfile.check(document, str)


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_in_it(kind: type[msgspec.Struct]) -> None:
    missing = [field.encode_name for field in msgspec.structs.fields(kind) if field.encode_name not in TEXT]
    assert not missing


@pytest.mark.parametrize("key", OWN_KEYS)
def test_every_key_of_a_camera_that_is_not_its_scenes_is_in_it(key: str) -> None:
    assert f"{key}: " in EXAMPLES[2]
    assert key in Camera.__struct_fields__
