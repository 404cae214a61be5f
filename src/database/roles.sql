-- Roles with the rights that each part needs. The owner of the tables runs this: pg-herald migrate --roles.
-- They cannot log in. Grant them to roles that can: GRANT herald_enqueuer TO app;
DO $$
DECLARE
  caller_path CONSTANT text := pg_catalog.current_setting('search_path');
  name text;
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  FOREACH name IN ARRAY ARRAY['herald_enqueuer', 'herald_inbox', 'herald_worker', 'herald_reader', 'herald_operator'] LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', name);
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      -- Another database of this server created it at the same moment.
      NULL;
    END;
  END LOOP;
  PERFORM pg_catalog.set_config('search_path', caller_path, true);
END
$$;
