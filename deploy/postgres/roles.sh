#!/bin/sh
# Run once, by the image, when the data folder is new: a role for each who enters, none of them a superuser.
# Later changes of a password: docker compose exec timescaledb psql -U postgres -c "\password ngatu"
set -eu

psql --no-psqlrc -v ON_ERROR_STOP=1 -U "${POSTGRES_USER:-postgres}" -d postgres \
  -v ngatu="$NGATU_DB_PASSWORD" -v airflow="$AIRFLOW_DB_PASSWORD" -v grafana="$GRAFANA_DB_PASSWORD" <<'SQL'
CREATE ROLE ngatu LOGIN PASSWORD :'ngatu';
CREATE ROLE airflow LOGIN PASSWORD :'airflow';
CREATE ROLE grafana LOGIN PASSWORD :'grafana' CONNECTION LIMIT 20;
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '30s';
CREATE DATABASE ngatu OWNER ngatu;
CREATE DATABASE airflow OWNER airflow;
REVOKE CONNECT ON DATABASE ngatu, airflow FROM PUBLIC;
GRANT CONNECT ON DATABASE ngatu TO grafana;
\connect ngatu
CREATE EXTENSION IF NOT EXISTS timescaledb;
ALTER SCHEMA public OWNER TO ngatu;
SQL
