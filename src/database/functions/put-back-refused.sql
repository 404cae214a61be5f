-- Puts back what failed by a refusal that turned out to be about the sender: pending again, its last attempt not counted. A message
-- whose secret labels were wiped cannot be rendered again and stays failed.
CREATE OR REPLACE FUNCTION herald.put_back_refused(refusing_method text, refused_sender text, refused_reply text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ids uuid[];
BEGIN
  WITH back AS (
    UPDATE herald.message m
    SET status = 'pending', detail = 'put back: the refusal was about the sender', counted = greatest(m.counted - 1, 0), next_attempt_at = now(),
      settled_at = NULL
    FROM herald.refusal r, herald.template_version v
    WHERE r.method = refusing_method AND r.sender = refused_sender AND r.reply = refused_reply AND m.id = r.message_id
      AND m.status = 'failed' AND m.reason IN ('sender_refused', 'content_refused') AND r.reply LIKE m.reason || ' %'
      AND v.template = m.template AND v.version = m.template_version AND (cardinality(v.secrets) = 0 OR m.secrets IS NOT NULL)
    RETURNING m.id, m.attempts
  ), uncounted AS (
    UPDATE herald.attempt a SET counted = false FROM back b WHERE a.message_id = b.id AND a.number = b.attempts
  )
  SELECT array_agg(id) INTO ids FROM back;
  -- Those put back before, too: the worker that had settled such a message may have removed its new job with the old one.
  PERFORM herald.ensure_jobs(ARRAY(SELECT r.message_id FROM herald.refusal r JOIN herald.message m ON m.id = r.message_id
    WHERE r.method = refusing_method AND r.sender = refused_sender AND r.reply = refused_reply AND m.status = 'pending'));
  RETURN coalesce(cardinality(ids), 0);
END
$$;
