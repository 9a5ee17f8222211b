"""The schema (SQL migrations), connections, and all SQL of the house.

Callers own transactions; functions here take an open connection and say what they changed.
"""
