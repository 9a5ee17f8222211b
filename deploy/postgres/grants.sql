-- What Grafana's dashboards may read, and no more: no accounts, no pictures, no payloads. Run after each migration.
GRANT USAGE ON SCHEMA public TO grafana;
GRANT SELECT ON any_reading, camera_health, device, foreign_reading, gap, incident, incident_action, reading,
    rejected_tally, series, traffic TO grafana;
