"""The agent: sensors and cameras → outbox on disk → MQTT."""
