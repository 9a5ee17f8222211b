"""Where readings come from. Each module has one kind of sensor; `schedule` asks them all, once a second."""
