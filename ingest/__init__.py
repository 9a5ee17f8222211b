"""MQTT → validated, de-duplicated → COPY into TimescaleDB; then tells the edge what is stored."""
