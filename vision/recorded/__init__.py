"""Recorded input through the same line, and how good its alerts were."""
