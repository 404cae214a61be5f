-- Returns what an option must be; null for an unknown option.
CREATE OR REPLACE FUNCTION herald.option_rule(option text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE option
    WHEN 'template' THEN 'must be the name of a template'
    WHEN 'to' THEN 'must be a recipient or an array of 100000 at most'
    WHEN 'labels' THEN 'must be an object of strings; pass other values as data'
    WHEN 'secrets' THEN 'must be an object of strings'
    WHEN 'sealId' THEN 'must be a time-ordered UUID (version 7) of the last 24 hours, beside encrypted secrets'
    WHEN 'allowPlainSecrets' THEN 'must be true or false, and not beside encrypted secrets'
    WHEN 'requireTransaction' THEN 'must be true or false'
    WHEN 'returnRefusal' THEN 'must be true or false'
    WHEN 'invalidAddress' THEN 'must be "reject" or "inhibit"'
    WHEN 'actions' THEN 'must be an array of 10 at most, each {"label": "...", "url": "https://..."}'
    WHEN 'targets' THEN 'must be an array of 100 strings at most, each one line of 200 characters at most'
    WHEN 'methods' THEN 'must be an array of 1 to 10 names of methods'
    WHEN 'dedupeKey' THEN 'must be one line of 1 to 400 characters'
    WHEN 'dedupeWindowSeconds' THEN 'must be a number from 1 to 3155760000, beside a dedupeKey'
    WHEN 'sendAt' THEN 'must be a time such as 2030-01-31T12:00:00Z, without a delay beside it'
    WHEN 'delaySeconds' THEN 'must be a number from 0 to 3155760000'
    WHEN 'expiresAt' THEN
      'must be a time such as 2030-01-31T12:00:00Z, after sendAt and without a time to live beside it'
    WHEN 'ttlSeconds' THEN 'must be a number from 1 to 3155760000'
    WHEN 'urgent' THEN 'must be true or false'
    WHEN 'quiet' THEN 'must be "send" or "drop", and not beside urgent'
    WHEN 'priority' THEN 'must be a whole number from -1000 to 1000'
    WHEN 'tenant' THEN 'must be one line of 1 to 200 characters'
    WHEN 'groupKey' THEN 'must be one line of 1 to 500 characters'
    WHEN 'unsubscribeUrl' THEN 'must be an https URL of at most 900 characters in ASCII'
    WHEN 'data' THEN 'must be JSON of at most 100 levels, with numbers that JavaScript can hold'
    WHEN 'createdBy' THEN 'must be one line of 1 to 200 characters'
    WHEN 'attachments' THEN
      'must be an array of 10 at most, each {"name": "...", "contentType": "type/subtype", "content": "base64"}'
    WHEN 'traceContext' THEN 'must be an object of strings'
  END
$$;

-- Returns the first invalid option among those that most notifications do without, or null. In plpgsql, because the
-- planner inlines a function in SQL, and Postgres sets up an expression anew in each transaction, used or not.
CREATE OR REPLACE FUNCTION herald.wrong_rare_option(o jsonb) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
  RETURN CASE
    WHEN o ? 'secrets' AND NOT herald.are_strings(o -> 'secrets') THEN 'secrets'
    WHEN o ? 'sealId' AND NOT (o ? 'secrets' AND herald.is_recent_id(o ->> 'sealId')) THEN 'sealId'
    WHEN o ? 'allowPlainSecrets' AND NOT (jsonb_typeof(o -> 'allowPlainSecrets') = 'boolean' AND NOT o ? 'sealId')
      THEN 'allowPlainSecrets'
    WHEN o ? 'actions' AND NOT herald.are_actions(o -> 'actions') THEN 'actions'
    WHEN o ? 'targets' AND NOT herald.are_lines(o -> 'targets', 0, 100, 200) THEN 'targets'
    WHEN o ? 'methods' AND NOT herald.are_lines(o -> 'methods', 1, 10, 50) THEN 'methods'
    WHEN o ? 'dedupeWindowSeconds' AND NOT (herald.is_number(o -> 'dedupeWindowSeconds', 1, 3155760000)
      AND o ? 'dedupeKey') THEN 'dedupeWindowSeconds'
    WHEN o ? 'sendAt' AND NOT (herald.is_time(o -> 'sendAt') AND NOT o ? 'delaySeconds') THEN 'sendAt'
    WHEN o ? 'delaySeconds' AND NOT herald.is_number(o -> 'delaySeconds', 0, 3155760000) THEN 'delaySeconds'
    WHEN o ? 'expiresAt' AND NOT (herald.is_time(o -> 'expiresAt') AND NOT o ? 'ttlSeconds') THEN 'expiresAt'
    WHEN o ? 'ttlSeconds' AND NOT herald.is_number(o -> 'ttlSeconds', 1, 3155760000) THEN 'ttlSeconds'
    WHEN o ? 'urgent' AND jsonb_typeof(o -> 'urgent') <> 'boolean' THEN 'urgent'
    WHEN o ? 'quiet' AND (NOT o -> 'quiet' IN ('"send"', '"drop"') OR coalesce(o -> 'urgent' = 'true', false)) THEN 'quiet'
    WHEN o ? 'priority' AND NOT (herald.is_number(o -> 'priority', -1000, 1000)
      AND mod((o ->> 'priority')::numeric, 1) = 0) THEN 'priority'
    WHEN o ? 'tenant' AND NOT herald.is_line(o -> 'tenant', 200) THEN 'tenant'
    WHEN o ? 'groupKey' AND NOT herald.is_line(o -> 'groupKey', 500) THEN 'groupKey'
    WHEN o ? 'unsubscribeUrl' AND NOT (herald.is_url(o -> 'unsubscribeUrl', 'https://')
      AND herald.ascii_length(o ->> 'unsubscribeUrl') <= 900) THEN 'unsubscribeUrl'
    WHEN o ? 'data' AND NOT herald.is_readable_json(o -> 'data') THEN 'data'
    WHEN o ? 'createdBy' AND NOT herald.is_line(o -> 'createdBy', 200) THEN 'createdBy'
    WHEN o ? 'invalidAddress' AND o ->> 'invalidAddress' NOT IN ('reject', 'inhibit') THEN 'invalidAddress'
    WHEN o ? 'attachments' AND (jsonb_typeof(o -> 'attachments') <> 'array'
      OR jsonb_array_length(o -> 'attachments') > 10) THEN 'attachments'
    WHEN o ? 'traceContext' AND NOT herald.are_strings(o -> 'traceContext') THEN 'traceContext'
  END;
END
$$;

-- Returns the first invalid option of all, or null. JSON null means that an option is not given. One expression over
-- all of them costs a few microseconds, a query over the members ten times that.
CREATE OR REPLACE FUNCTION herald.wrong_option(o jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT CASE
    WHEN jsonb_typeof(o -> 'template') IS DISTINCT FROM 'string' THEN 'template'
    WHEN coalesce(jsonb_typeof(o -> 'to') NOT IN ('object', 'array'), true) THEN 'to'
    WHEN o ? 'labels' AND NOT herald.are_strings(o -> 'labels') THEN 'labels'
    WHEN o ? 'dedupeKey' AND NOT herald.is_line(o -> 'dedupeKey', 400) THEN 'dedupeKey'
    WHEN o ? 'requireTransaction' AND jsonb_typeof(o -> 'requireTransaction') <> 'boolean' THEN 'requireTransaction'
    WHEN o ? 'returnRefusal' AND jsonb_typeof(o -> 'returnRefusal') <> 'boolean' THEN 'returnRefusal'
    WHEN o - '{template,to,labels,dedupeKey,requireTransaction,returnRefusal}'::text[] <> '{}'
      THEN herald.wrong_rare_option(o)
  END
$$;

-- Checks what needs no table, before anything is written, and returns the options without recipients, attachments and
-- nulls.
CREATE OR REPLACE FUNCTION herald.check_options(notification jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  known CONSTANT text[] := ARRAY['template', 'to', 'labels', 'secrets', 'data', 'actions', 'targets', 'methods',
    'dedupeKey', 'dedupeWindowSeconds', 'sendAt', 'delaySeconds', 'expiresAt', 'ttlSeconds', 'urgent', 'quiet', 'priority',
    'tenant', 'groupKey', 'unsubscribeUrl', 'createdBy', 'traceContext', 'invalidAddress', 'attachments', 'sealId',
    'allowPlainSecrets', 'requireTransaction',
    'returnRefusal'];
  wrong text;
BEGIN
  IF jsonb_typeof(notification) IS DISTINCT FROM 'object' THEN
    PERFORM herald.reject('HE006', '', 'the notification must be a JSON object',
      'Pass {"template": "...", "to": {...}, "labels": {...}}.');
  ELSIF notification - known <> '{}' THEN
    wrong := (SELECT k FROM jsonb_object_keys(notification - known) AS k LIMIT 1);
    PERFORM herald.reject('HE006', wrong, format('unknown option "%s"', wrong),
      format('Known options: %s.', array_to_string(known, ', ')));
  ELSIF notification @? 'strict $.* ? (@ == null)' THEN
    notification := (SELECT jsonb_object_agg(o.key, o.value) FROM jsonb_each(notification) AS o
      WHERE o.value <> 'null');
  END IF;
  wrong := herald.wrong_option(notification);
  IF wrong IN ('labels', 'secrets') AND jsonb_typeof(notification -> wrong) = 'object' THEN
    wrong := wrong || '.' || (SELECT l.key FROM jsonb_each(notification -> wrong) AS l
      WHERE jsonb_typeof(l.value) <> 'string' LIMIT 1);
    PERFORM herald.reject('HE002', wrong, format('%s is not a string', wrong),
      'Labels are flat strings; pass other values as data.');
  ELSIF wrong IS NOT NULL THEN
    PERFORM herald.reject(CASE wrong WHEN 'template' THEN 'HE001' WHEN 'labels' THEN 'HE002' WHEN 'secrets' THEN 'HE002'
        WHEN 'to' THEN 'HE003' WHEN 'methods' THEN 'HE004' ELSE 'HE006' END,
      wrong, format('%s is wrong', wrong), format('It %s.', herald.option_rule(wrong)));
  ELSIF jsonb_typeof(notification -> 'to') = 'array' AND jsonb_array_length(notification -> 'to') > 100000 THEN
    PERFORM herald.reject('HE003', 'to',
      format('%s recipients, the limit of one call is 100000', jsonb_array_length(notification -> 'to')),
      'Enqueue in several calls.');
  END IF;
  IF notification ? 'attachments' THEN
    IF herald.wrong_attachment(notification -> 'attachments') IS NOT NULL THEN
      wrong := format('attachments[%s]', herald.wrong_attachment(notification -> 'attachments'));
      PERFORM herald.reject('HE006', wrong, format('%s is wrong', wrong),
        'Each has a name without slashes, a contentType such as application/pdf, not multipart, and its content as '
          'base64.');
    ELSIF octet_length(notification ->> 'attachments') > 14000000 THEN
      PERFORM herald.reject('HE005', 'attachments', 'the attachments are larger than 10 MB together',
        'Store large files elsewhere and pass a link.');
    END IF;
  END IF;
  notification := notification - 'to' - 'attachments';
  IF octet_length(notification::text) > 262144 THEN
    PERFORM herald.reject('HE005', '',
      format('the notification is %s bytes without its recipients, the limit is 262144',
        octet_length(notification::text)),
      'Store large content elsewhere and pass a link.');
  END IF;
  RETURN notification;
END
$$;
