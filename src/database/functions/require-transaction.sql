-- Refuses an enqueue that says "requireTransaction" outside of a transaction block: nothing could roll it back.
-- Postgres has no function that tells whether a block is open, but a deferred trigger can. Without a block it runs in
-- the statement that enqueued, otherwise in the one that commits. herald.enqueue records its statement last, so that
-- nothing is refused while SET CONSTRAINTS ALL IMMEDIATE is in force. The fixed search_path is needed although this is
-- not SECURITY DEFINER: from PostgreSQL 18 on a deferred trigger runs as the role that queued it, which is the owner of
-- herald.enqueue, but with the search_path of the caller's COMMIT.
CREATE OR REPLACE FUNCTION herald.require_transaction() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF current_setting('herald.enqueued_at', true) = extract(epoch FROM statement_timestamp())::text THEN
    RAISE EXCEPTION USING ERRCODE = 'HE006', COLUMN = 'tx', MESSAGE = 'herald: no transaction is open, so nothing could roll this back',
      HINT = 'Pass the transaction (tx), not the database or pool beside it. If you mean it, set autocommit to true.';
  END IF;
  RETURN NULL;
END
$$;

DO $$
DECLARE
  caller_path CONSTANT text := pg_catalog.current_setting('search_path');
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = 'herald.notification'::regclass AND tgname = 'require_transaction') THEN
    CREATE CONSTRAINT TRIGGER require_transaction AFTER INSERT ON herald.notification DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION herald.require_transaction();
  END IF;
  PERFORM pg_catalog.set_config('search_path', caller_path, true);
END
$$;
