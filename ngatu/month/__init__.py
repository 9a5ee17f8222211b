"""A month of a made-up city through the real pipeline, broken on the way, and computed a second way by DuckDB."""
