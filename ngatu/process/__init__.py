"""Child processes that are started, watched, and outlive nobody."""
