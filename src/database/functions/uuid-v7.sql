-- Time-ordered ids (RFC 9562 version 7), so that rows of one time are close together in the indexes. PostgreSQL has
-- uuidv7() only from 18 on.
CREATE OR REPLACE FUNCTION herald.uuid_v7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
  SELECT encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        FROM 1 FOR 6),
      52, 1), 53, 1), 'hex')::uuid
$$;

-- Returns whether this is a time-ordered id that was made within 24 hours of now.
CREATE OR REPLACE FUNCTION herald.is_recent_id(id text) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  RETURN coalesce(id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$', false)
    AND abs(('x' || left(replace(id, '-', ''), 12))::bit(48)::bigint - extract(epoch FROM now()) * 1000) < 86400000;
END
$$;
