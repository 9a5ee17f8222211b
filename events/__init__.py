"""What crosses the wire: topics, envelope and the facts inside. The contract of the whole house.

Every message is `topic` + MQTT 5 properties (`envelope`) + a payload that is a plain standard or plain JSON.
`events.message.decode` turns what arrived into a frozen fact, or raises `BadMessage` with a reason, and never
anything else.
"""

from events.errors import BadMessage

__all__ = ["BadMessage"]
