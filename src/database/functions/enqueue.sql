-- Writes the messages of one notification and their jobs, in the caller's transaction. Returns one row per message: first
-- those just written, in recipient and method order, then any that an earlier enqueue wrote with the same dedupe key.
-- SECURITY DEFINER, so that a role that enqueues needs no table privileges; the fixed search_path keeps a caller from
-- injecting its own objects. Generic plans, because planning costs more than running.
CREATE OR REPLACE FUNCTION herald.enqueue(notification jsonb)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text, deduplicated boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  notification_id CONSTANT uuid := herald.uuid_v7();
  options CONSTANT jsonb := herald.check_options(notification);
  attachments CONSTANT jsonb := coalesce(nullif(notification -> 'attachments', 'null'), '[]');
  resolved CONSTANT record := herald.resolve_template(options ->> 'template');
  template CONSTANT herald.template := resolved.template;
  labels CONSTANT record := herald.split_labels(options, template, resolved.required, resolved.secret_names);
  delivery CONSTANT record := herald.resolve_methods(options, template);
  recipients CONSTANT jsonb := herald.check_recipients(notification -> 'to', delivery.fields, options ->> 'invalidAddress');
  written bigint;
BEGIN
  IF jsonb_array_length(recipients) > 1 THEN
    PERFORM herald.check_volume(jsonb_array_length(recipients), delivery.methods, delivery.has_endpoints, options, labels.secrets);
  END IF;
  RETURN QUERY SELECT w.*, false
    FROM herald.write_messages(notification_id, options, template, labels.secrets, jsonb_array_length(attachments), recipients,
      delivery.methods, delivery.notified, delivery.has_endpoints) w;
  GET DIAGNOSTICS written = ROW_COUNT;
  IF written > 0 THEN
    PERFORM herald.write_content(notification_id, labels.labels, options, attachments);
  END IF;
  IF options ? 'dedupeKey' AND (delivery.has_endpoints
      OR written < jsonb_array_length(recipients) * (CASE template.fallback WHEN 'first' THEN 1 ELSE cardinality(delivery.methods) END)) THEN
    RETURN QUERY SELECT e.*, true
      FROM herald.earlier_messages(notification_id, options, recipients, delivery.methods, template.fallback) e;
  END IF;
  IF options -> 'requireTransaction' = 'true' THEN
    PERFORM set_config('herald.enqueued_at', extract(epoch FROM statement_timestamp())::text, true);
  END IF;
END
$$;
