-- Writes the messages of one notification and their jobs, in the caller's transaction. Returns one row per message:
-- first those just written, in the order of recipients and methods, then those that an earlier enqueue wrote with the
-- same dedupe key. With "returnRefusal" an invalid notification returns one row instead of an error: status 'refused',
-- the place as method, and the reason. SECURITY DEFINER, so that a role that enqueues needs no table privileges; the
-- fixed search_path keeps a caller from injecting its own objects. Generic plans, because planning costs more than
-- running.
CREATE OR REPLACE FUNCTION herald.enqueue(notification jsonb)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text, deduplicated boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  notification_id CONSTANT uuid := herald.uuid_v7();
  attachments CONSTANT jsonb := coalesce(nullif(notification -> 'attachments', 'null'), '[]');
  options jsonb;
  resolved record;
  template herald.template;
  labels record;
  delivery record;
  schedule record;
  later_methods text[] := '{}';
  later record;
  recipients jsonb;
  written bigint;
  place text;
  message text;
  hint text;
  ignored text;
BEGIN
  BEGIN
    options := herald.check_options(notification);
    resolved := herald.resolve_template(options ->> 'template');
    template := resolved.template;
    labels := herald.split_labels(options, template, resolved.required, resolved.secret_names);
    IF cardinality(resolved.data_fields) > 0 THEN
      PERFORM herald.check_data(options -> 'data', resolved.data_fields, template);
    END IF;
    delivery := herald.resolve_methods(options, template);
    IF template.steps IS NOT NULL THEN
      later := herald.step_methods(template);
      later_methods := later.methods;
      delivery.fields := delivery.fields || later.fields;
    END IF;
    recipients := herald.check_recipients(notification -> 'to', delivery.fields, options ->> 'invalidAddress');
    IF options ? 'tenant' THEN
      recipients := herald.with_tenant_defaults(recipients, options ->> 'tenant');
    END IF;
    schedule := herald.resolve_schedule(options, template);
    IF jsonb_array_length(recipients) > 1 THEN
      PERFORM herald.check_volume(jsonb_array_length(recipients),
        delivery.methods || later_methods, delivery.has_endpoints, options, labels.secrets);
    END IF;
  -- An error would abort the transaction, even for a caller that catches it. This block writes nothing, so it takes no
  -- transaction id.
  EXCEPTION WHEN SQLSTATE 'HE001' OR SQLSTATE 'HE002' OR SQLSTATE 'HE003' OR SQLSTATE 'HE004' OR SQLSTATE 'HE005' OR SQLSTATE 'HE006' THEN
    IF NOT coalesce(notification @> '{"returnRefusal": true}', false) THEN
      RAISE;
    END IF;
    GET STACKED DIAGNOSTICS place = COLUMN_NAME, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN QUERY SELECT NULL::uuid, NULL, place, 'refused', format('%s. %s', message, hint), false;
    RETURN;
  END;
  IF jsonb_array_length(recipients) = 1 AND cardinality(delivery.methods) = 1 AND NOT delivery.has_endpoints THEN
    SELECT w.*, false, (w.message_id IS NOT NULL)::integer
      INTO message_id, recipient_id, method, status, reason, deduplicated, written
      FROM herald.write_message(notification_id, options, template, labels.secrets, jsonb_array_length(attachments),
        schedule.send_at, schedule.start_at, schedule.expires_at, recipients -> 0, delivery.methods[1], 1) w;
    IF written > 0 THEN
      RETURN NEXT;
    END IF;
  ELSE
    RETURN QUERY SELECT w.*, false
      FROM herald.write_messages(notification_id, options, template, labels.secrets, jsonb_array_length(attachments),
        schedule.send_at, schedule.start_at, schedule.expires_at, recipients, delivery.methods,
        delivery.has_endpoints) w
      ORDER BY w.message_id;
    GET DIAGNOSTICS written = ROW_COUNT;
  END IF;
  IF written > 0 THEN
    PERFORM herald.write_content(notification_id, labels.labels, options, attachments);
    IF template.steps IS NOT NULL THEN
      RETURN QUERY SELECT s.*, false FROM herald.write_steps(notification_id, options, template, labels.secrets,
        jsonb_array_length(attachments), schedule.start_at, recipients) s;
    END IF;
    IF schedule.start_at <= now() THEN
      PERFORM herald.wake(delivery.notified);
    END IF;
  END IF;
  IF options ? 'dedupeKey' AND (delivery.has_endpoints
      OR written < jsonb_array_length(recipients) * (CASE template.fallback WHEN 'first' THEN 1 ELSE cardinality(delivery.methods) END)) THEN
    RETURN QUERY SELECT e.*, true
      FROM herald.earlier_messages(notification_id, options, recipients, delivery.methods, template.fallback) e;
  END IF;
  IF options -> 'requireTransaction' = 'true' THEN
    -- An assignment, because PERFORM runs a query.
    ignored := set_config('herald.enqueued_at', extract(epoch FROM statement_timestamp())::text, true);
  END IF;
END
$$;
