"""`ngatu bench ingest`: readings a second from a publisher's socket into committed rows, against what limits them."""
