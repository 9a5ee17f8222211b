"""A city's worth of agents in one process: they speak the wire contract and nothing else."""
