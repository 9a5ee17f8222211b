"""Runs of made-up traffic with exact truth, to choose and to check thresholds on: other cameras, seeds, noise."""
