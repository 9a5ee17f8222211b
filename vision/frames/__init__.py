"""Where pictures come from, how they are fitted into a network, and whether anything in them moved."""
