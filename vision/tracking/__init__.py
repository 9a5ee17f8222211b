"""Boxes to things that move, and to things that stand."""
