"""DAG files, thin: one a file, the work is in storage/."""
