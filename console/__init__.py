"""The operator's pages, the planner's pages, the HTTP API."""
