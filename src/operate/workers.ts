/** SQL expression: the number of workers that hold a connection to this database. */
export const workersConnected = `(SELECT count(DISTINCT application_name)::int FROM pg_stat_activity
  WHERE datname = current_database() AND application_name LIKE 'pg-herald worker %')`;
