-- The same with named arguments, for triggers, pg_cron, psql and other languages, for example:
--   SELECT * FROM herald.enqueue('workspace-deleted', '{"id": "42", "email": "ada@example.com"}',
--     labels => '{"workspace": "w"}');
CREATE OR REPLACE FUNCTION herald.enqueue(
  template text,
  recipients jsonb,
  labels jsonb DEFAULT NULL,
  data jsonb DEFAULT NULL,
  actions jsonb DEFAULT NULL,
  targets text[] DEFAULT NULL,
  methods text[] DEFAULT NULL,
  dedupe_key text DEFAULT NULL,
  dedupe_window interval DEFAULT NULL,
  send_at timestamptz DEFAULT NULL,
  delay interval DEFAULT NULL,
  expires_at timestamptz DEFAULT NULL,
  ttl interval DEFAULT NULL,
  priority integer DEFAULT NULL,
  tenant text DEFAULT NULL,
  group_key text DEFAULT NULL,
  unsubscribe_url text DEFAULT NULL,
  created_by text DEFAULT NULL,
  invalid_address text DEFAULT NULL,
  attachments jsonb DEFAULT NULL,
  urgent boolean DEFAULT NULL,
  quiet text DEFAULT NULL)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text, deduplicated boolean)
LANGUAGE sql VOLATILE
AS $$
  SELECT * FROM herald.enqueue(jsonb_build_object(
    'template', $1, 'to', $2, 'labels', $3, 'data', $4, 'actions', $5, 'targets', to_jsonb($6), 'methods', to_jsonb($7),
    'dedupeKey', $8, 'dedupeWindowSeconds', extract(epoch FROM $9), 'sendAt', $10, 'delaySeconds', extract(epoch FROM $11),
    'expiresAt', $12, 'ttlSeconds', extract(epoch FROM $13), 'priority', $14, 'tenant', $15, 'groupKey', $16,
    'unsubscribeUrl', $17, 'createdBy', $18, 'invalidAddress', $19, 'attachments', $20, 'urgent', $21, 'quiet', $22))
$$;
