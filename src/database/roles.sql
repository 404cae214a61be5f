-- Roles with as few rights as each part needs. Run by the owner of the tables: pg-herald migrate --roles, again after each upgrade.
-- They cannot log in; grant them to roles that can: GRANT herald_enqueuer TO app;
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['herald_enqueuer', 'herald_worker', 'herald_reader'] LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', name);
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      -- Another database of this server was given them at the same moment.
      NULL;
    END;
  END LOOP;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA herald FROM PUBLIC;
GRANT USAGE ON SCHEMA herald TO herald_enqueuer, herald_worker, herald_reader;
GRANT USAGE ON SCHEMA herald_meta, herald_queue TO herald_worker, herald_reader;

-- The application: calls the functions, which run with the owner's rights, and touches no table.
GRANT EXECUTE ON FUNCTION herald.enqueue(jsonb),
  herald.enqueue(text, jsonb, jsonb, jsonb, jsonb, text[], text[], text, interval, timestamptz, interval, timestamptz, interval, integer, text, text, text, text, text, jsonb),
  herald.secret_labels(text), herald.cancel(uuid[], text, text), herald.set_preference(text, text, text, boolean, text), herald.preferences(text) TO herald_enqueuer;

-- Workers: move messages, record attempts, keep endpoints and pauses, enqueue announcements.
GRANT SELECT ON ALL TABLES IN SCHEMA herald, herald_meta TO herald_worker;
GRANT UPDATE ON herald.message, herald.method, herald.endpoint TO herald_worker;
GRANT INSERT, UPDATE ON herald.attempt, herald.suppression, herald.rate_bucket TO herald_worker;
GRANT INSERT, UPDATE ON herald.sender TO herald_worker;
GRANT INSERT, UPDATE, DELETE ON herald.worker TO herald_worker;
GRANT INSERT, UPDATE, DELETE ON herald.refusal TO herald_worker;
GRANT DELETE ON herald.rate_bucket TO herald_worker;
GRANT EXECUTE ON FUNCTION herald.put_back_refused(text, text, double precision), herald.release_refused(text, text),
  herald.record_accepted(text, text, double precision), herald.delete_old_refusals(text), herald.apply_retention(integer) TO herald_worker;
GRANT EXECUTE ON FUNCTION herald.ensure_jobs(uuid[]), herald.bring_forward(text), herald.enqueue(jsonb),
  herald.preference_of(text, text, text, text),
  herald.choice_of(text, text, text, text) TO herald_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA herald_queue TO herald_worker;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA herald_queue TO herald_worker;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA herald_queue TO herald_worker;

-- Those who look: everything but secrets, sealed settings and files.
DO $$
DECLARE
  t record;
BEGIN
  FOR t IN
    SELECT table_name, string_agg(quote_ident(column_name), ', ') AS columns
    FROM information_schema.columns
    WHERE table_schema = 'herald' AND (table_name, column_name) NOT IN (('message', 'secrets'), ('refusal', 'secrets'), ('endpoint', 'sealed'), ('attachment', 'content'))
    GROUP BY table_name
  LOOP
    EXECUTE format('GRANT SELECT (%s) ON herald.%I TO herald_reader', t.columns, t.table_name);
  END LOOP;
END
$$;
GRANT SELECT ON ALL TABLES IN SCHEMA herald_meta, herald_queue TO herald_reader;
GRANT EXECUTE ON FUNCTION herald.preferences(text) TO herald_reader;

-- Queues and partitions that come later.
ALTER DEFAULT PRIVILEGES IN SCHEMA herald_queue GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO herald_worker;
ALTER DEFAULT PRIVILEGES IN SCHEMA herald_queue GRANT SELECT ON TABLES TO herald_reader;
