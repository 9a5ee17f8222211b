"""Broker, database and Airflow without Docker: fetched, set up, started."""
