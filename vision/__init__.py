"""Frames → detections → tracks → incidents and traffic counts. Knows no MQTT and no database."""
