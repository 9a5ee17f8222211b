"""Devices that speak something else: a module a format, each a function of topic and payload (docs/adapters.md)."""
