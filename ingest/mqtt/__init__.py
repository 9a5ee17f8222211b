"""MQTT 5 as a subscriber speaks it: packets as bytes, and one connection. Knows nothing of what the messages mean."""
