"""The fault campaign: break the pipeline on purpose, again and again, and count what is missing or doubled."""
