-- Identifies the server whose transaction ids a token names. '0' where the role may not know.
CREATE OR REPLACE FUNCTION herald.cluster_id() RETURNS text
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  IF has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') THEN
    RETURN (SELECT c.system_identifier::text FROM pg_catalog.pg_control_system() c);
  END IF;
  RETURN '0';
END
$$;

-- Returns the snapshot of the calling statement as a token: which transactions it sees. The characters need no escape
-- in a URL. A snapshot with very many open transactions is written as an older one, which sees a little less.
CREATE OR REPLACE FUNCTION herald.inbox_token() RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  snapshot CONSTANT pg_snapshot := pg_current_snapshot();
  max_length CONSTANT integer := 2900;
  written CONSTANT text := CASE WHEN length(snapshot::text) <= max_length THEN snapshot::text
    ELSE format('%s:%s:', pg_snapshot_xmin(snapshot), pg_snapshot_xmin(snapshot)) END;
BEGIN
  -- The snapshot of a hot standby does not name the open transactions, so its token would hide what they commit.
  IF pg_is_in_recovery() THEN
    RETURN 'standby';
  END IF;
  RETURN format('%s.%s.%s', herald.cluster_id(), extract(epoch FROM statement_timestamp())::bigint,
    translate(written, ':,', '_-'));
END
$$;

-- Returns the snapshot of a token. Null if it cannot be used: it is not a token, is from another server or from a
-- standby, from a time before this server was restored, or older than a day.
CREATE OR REPLACE FUNCTION herald.inbox_snapshot(token text) RETURNS pg_snapshot
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  -- [0-9], because \d means the digits of every script under some collations.
  part CONSTANT text[] := regexp_match(left(token, 3000),
    '^([0-9]{1,20})\.([0-9]{1,12})\.([0-9]{1,19}_[0-9]{1,19}_[0-9-]*)$');
  snapshot pg_snapshot;
BEGIN
  IF part IS NULL OR part[1] <> herald.cluster_id() THEN
    RETURN NULL;
  ELSIF to_timestamp(part[2]::double precision)
      NOT BETWEEN statement_timestamp() - interval '1 day' AND statement_timestamp() + interval '5 minutes' THEN
    RETURN NULL;
  END IF;
  snapshot := translate(part[3], '_-', ':,')::pg_snapshot;
  RETURN CASE WHEN pg_snapshot_xmax(snapshot) <= pg_snapshot_xmax(pg_current_snapshot()) THEN snapshot END;
EXCEPTION WHEN invalid_text_representation THEN
  RETURN NULL;
END
$$;
