"""Sparkplug B's protobuf message, as far as we read it: field numbers from the Sparkplug 3.0 specification, 6.4.1.

Data sets and templates stay bytes: protobuf writes bytes and messages alike.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from events import BadMessage

_F: Final = FieldDescriptorProto
PACKAGE: Final = ".ngatu.sparkplug_b"
METRIC: Final = {
    "name": (1, _F.TYPE_STRING),
    "alias": (2, _F.TYPE_UINT64),
    "timestamp": (3, _F.TYPE_UINT64),
    "datatype": (4, _F.TYPE_UINT32),
    "is_historical": (5, _F.TYPE_BOOL),
    "is_transient": (6, _F.TYPE_BOOL),
    "is_null": (7, _F.TYPE_BOOL),
    "int_value": (10, _F.TYPE_UINT32),
    "long_value": (11, _F.TYPE_UINT64),
    "float_value": (12, _F.TYPE_FLOAT),
    "double_value": (13, _F.TYPE_DOUBLE),
    "boolean_value": (14, _F.TYPE_BOOL),
    "string_value": (15, _F.TYPE_STRING),
    "bytes_value": (16, _F.TYPE_BYTES),
    "dataset_value": (17, _F.TYPE_BYTES),
    "template_value": (18, _F.TYPE_BYTES),
    "extension_value": (19, _F.TYPE_BYTES),
}
PROPERTY: Final = {
    "is_null": (2, _F.TYPE_BOOL),
    "int_value": (3, _F.TYPE_UINT32),
    "long_value": (4, _F.TYPE_UINT64),
    "string_value": (8, _F.TYPE_STRING),
}
VALUES: Final = tuple(name for name in METRIC if name.endswith("_value"))


@cache
def payload_class() -> type[Message]:
    """The class of a payload: timestamp, metrics, seq, uuid, body."""
    file = FileDescriptorProto(name="ngatu/sparkplug_b.proto", package="ngatu.sparkplug_b", syntax="proto2")
    _add(file, "PropertyValue", PROPERTY)
    properties = _add(file, "PropertySet", {})
    properties.field.add(name="keys", number=1, type=_F.TYPE_STRING, label=_F.LABEL_REPEATED)
    properties.field.add(
        name="values", number=2, type=_F.TYPE_MESSAGE, label=_F.LABEL_REPEATED, type_name=f"{PACKAGE}.PropertyValue"
    )
    metric = _add(file, "Metric", METRIC)
    metric.field.add(
        name="properties", number=9, type=_F.TYPE_MESSAGE, label=_F.LABEL_OPTIONAL, type_name=f"{PACKAGE}.PropertySet"
    )
    payload = file.message_type.add(name="Payload")
    payload.field.add(name="timestamp", number=1, type=_F.TYPE_UINT64, label=_F.LABEL_OPTIONAL)
    payload.field.add(
        name="metrics", number=2, type=_F.TYPE_MESSAGE, label=_F.LABEL_REPEATED, type_name=f"{PACKAGE}.Metric"
    )
    payload.field.add(name="seq", number=3, type=_F.TYPE_UINT64, label=_F.LABEL_OPTIONAL)
    payload.field.add(name="uuid", number=4, type=_F.TYPE_STRING, label=_F.LABEL_OPTIONAL)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("ngatu.sparkplug_b.Payload"))


def _add(file: FileDescriptorProto, name: str, fields: Mapping[str, tuple[int, Any]]) -> DescriptorProto:
    message = file.message_type.add(name=name)
    for field, (number, kind) in fields.items():
        message.field.add(name=field, number=number, type=kind, label=_F.LABEL_OPTIONAL)
    return message


def parse(payload: bytes) -> Any:
    """Decode a payload.

    Raises:
        BadMessage: `protobuf`, or `shape` where it is compressed.
    """
    message: Any = payload_class()()
    try:
        message.ParseFromString(payload)
        compressed = message.uuid == "SPBV1.0_COMPRESSED"
    except (DecodeError, UnicodeDecodeError, ValueError) as error:
        raise BadMessage("protobuf", str(error)) from error
    if compressed:
        raise BadMessage("shape", "compressed Sparkplug payloads are not understood")
    return message


def rebirth(milliseconds: int) -> bytes:
    """The payload of an NCMD that asks an edge node for its births again (6.4.25)."""
    message: Any = payload_class()()
    message.timestamp = milliseconds
    message.metrics.add(name="Node Control/Rebirth", timestamp=milliseconds, datatype=11, boolean_value=True)
    encoded: bytes = message.SerializeToString()
    return encoded
