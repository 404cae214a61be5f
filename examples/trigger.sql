-- Notifications from a trigger: no application code has to remember them. Run with psql after `pg-herald migrate` and
-- `pg-herald templates sync`; deleting a row then tells its owner in the same transaction, whichever program deletes it.
CREATE SCHEMA IF NOT EXISTS shop;

CREATE TABLE IF NOT EXISTS shop.workspace (
  id text PRIMARY KEY,
  name text NOT NULL,
  owner_id text NOT NULL,
  owner_email text NOT NULL
);

CREATE OR REPLACE FUNCTION shop.tell_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM herald.enqueue(
    'workspace-deleted',
    jsonb_build_object('id', OLD.owner_id, 'email', OLD.owner_email),
    labels => jsonb_build_object('workspace', OLD.name, 'reason', 'it was deleted in the database', 'initiator', session_user),
    targets => ARRAY[OLD.id],
    dedupe_key => 'workspace-deleted:' || OLD.id,
    created_by => 'trigger shop.tell_owner');
  RETURN OLD;
END $$;

DROP TRIGGER IF EXISTS tell_owner ON shop.workspace;
CREATE TRIGGER tell_owner AFTER DELETE ON shop.workspace FOR EACH ROW EXECUTE FUNCTION shop.tell_owner();
