"""What the house costs and how fast it is, always beside a limit measured in the same run."""
