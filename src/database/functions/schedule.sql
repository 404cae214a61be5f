-- Returns when the messages of a notification may be sent: not before send_at (null: now), first at start_at, not after
-- expires_at.
CREATE OR REPLACE FUNCTION herald.resolve_schedule(options jsonb, template herald.template,
  OUT send_at timestamptz, OUT start_at timestamptz, OUT expires_at timestamptz)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  send_at := coalesce((options ->> 'sendAt')::timestamptz, now() + (options ->> 'delaySeconds')::double precision * interval '1 second');
  start_at := greatest(send_at, now());
  expires_at := coalesce((options ->> 'expiresAt')::timestamptz,
    start_at + coalesce((options ->> 'ttlSeconds')::double precision, template.ttl_seconds) * interval '1 second');
  IF expires_at <= send_at THEN
    PERFORM herald.reject('HE006', 'expiresAt', 'the message would expire before it may be sent', 'Set expiresAt after sendAt.');
  END IF;
END
$$;

-- Returns the number of the dedupe window since the epoch, or 0 without a window.
CREATE OR REPLACE FUNCTION herald.dedupe_slot(options jsonb) RETURNS bigint
LANGUAGE sql STABLE
AS $$
  SELECT coalesce(1 + floor(extract(epoch FROM now()) / (options ->> 'dedupeWindowSeconds')::double precision), 0)::bigint
$$;
