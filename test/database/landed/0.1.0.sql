CREATE SCHEMA IF NOT EXISTS herald_meta;
CREATE TABLE IF NOT EXISTS herald_meta.migration (
  name text PRIMARY KEY,
  sha256 text NOT NULL,
  release text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);
--> statement-breakpoint
-- 0000_tables
CREATE SCHEMA "herald";
--> statement-breakpoint
CREATE TABLE "herald"."attachment" (
	"notification_id" uuid NOT NULL,
	"position" smallint NOT NULL,
	"name" text NOT NULL,
	"content_type" text NOT NULL,
	"content" "bytea" NOT NULL,
	CONSTRAINT "attachment_notification_id_position_pk" PRIMARY KEY("notification_id","position")
);
--> statement-breakpoint
CREATE TABLE "herald"."attempt" (
	"message_id" uuid NOT NULL,
	"number" smallint NOT NULL,
	"worker" text NOT NULL,
	"started_at" timestamp with time zone NOT NULL,
	"finished_at" timestamp with time zone NOT NULL,
	"outcome" text NOT NULL,
	"reason" text,
	"detail" text,
	"reply_code" text,
	"reply_enhanced" text,
	"reply_text" text,
	"receiver_id" text,
	"counted" boolean NOT NULL,
	CONSTRAINT "attempt_message_id_number_pk" PRIMARY KEY("message_id","number"),
	CONSTRAINT "attempt_outcome" CHECK ("herald"."attempt"."outcome" in ('sent', 'retry', 'failed', 'unknown'))
);
--> statement-breakpoint
CREATE TABLE "herald"."audit" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"subject" text,
	"why" text,
	"detail" jsonb
);
--> statement-breakpoint
CREATE TABLE "herald"."endpoint" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"method" text DEFAULT 'webhook' NOT NULL,
	"tenant" text,
	"recipient_id" text,
	"groups" text[] NOT NULL,
	"url_host" text NOT NULL,
	"sealed" text NOT NULL,
	"format" text DEFAULT 'standard' NOT NULL,
	"http_method" text DEFAULT 'POST' NOT NULL,
	"timeout_seconds" double precision DEFAULT 20 NOT NULL,
	"retry" text DEFAULT 'all' NOT NULL,
	"max_concurrency" smallint DEFAULT 10 NOT NULL,
	"requests_per_second" double precision,
	"disabled_at" timestamp with time zone,
	"disabled_reason" text,
	"failures" integer DEFAULT 0 NOT NULL,
	"faults" integer DEFAULT 0 NOT NULL,
	"failing_since" timestamp with time zone,
	"warned_at" timestamp with time zone,
	"opened_at" timestamp with time zone,
	"probe_at" timestamp with time zone,
	"probing" boolean DEFAULT false NOT NULL,
	"probes" integer DEFAULT 0 NOT NULL,
	"window_at" timestamp with time zone,
	"window_calls" integer DEFAULT 0 NOT NULL,
	"window_faults" integer DEFAULT 0 NOT NULL,
	"tokens" double precision DEFAULT 1 NOT NULL,
	"tokens_at" timestamp with time zone DEFAULT now() NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "endpoint_format" CHECK ("herald"."endpoint"."format" in ('standard', 'slack', 'teams', 'discord', 'pagerduty', 'ntfy')),
	CONSTRAINT "endpoint_http_method" CHECK ("herald"."endpoint"."http_method" in ('POST', 'PUT', 'PATCH')),
	CONSTRAINT "endpoint_timeout" CHECK ("herald"."endpoint"."timeout_seconds" between 1 and 60),
	CONSTRAINT "endpoint_retry" CHECK ("herald"."endpoint"."retry" in ('all', 'transient')),
	CONSTRAINT "endpoint_max_concurrency" CHECK ("herald"."endpoint"."max_concurrency" between 1 and 1000),
	CONSTRAINT "endpoint_requests_per_second" CHECK ("herald"."endpoint"."requests_per_second" > 0),
	CONSTRAINT "endpoint_disabled" CHECK (("herald"."endpoint"."disabled_at" is null) = ("herald"."endpoint"."disabled_reason" is null)),
	CONSTRAINT "endpoint_disabled_reason" CHECK ("herald"."endpoint"."disabled_reason" in ('operator', 'gone', 'unusable', 'failing'))
);
--> statement-breakpoint
CREATE TABLE "herald"."message" (
	"id" uuid PRIMARY KEY NOT NULL,
	"notification_id" uuid NOT NULL,
	"template" text NOT NULL,
	"template_version" integer NOT NULL,
	"method" text NOT NULL,
	"ordinal" smallint NOT NULL,
	"status" text NOT NULL,
	"reason" text,
	"detail" text,
	"recipient_id" text NOT NULL,
	"recipient" jsonb NOT NULL,
	"address" text,
	"labels" jsonb NOT NULL,
	"secrets" jsonb,
	"data" jsonb,
	"actions" jsonb,
	"targets" text[] NOT NULL,
	"endpoint_id" uuid,
	"tenant" text,
	"group_key" text,
	"unsubscribe_url" text,
	"dedupe_key" text,
	"dedupe_slot" bigint DEFAULT 0 NOT NULL,
	"dedupe_scope" text,
	"priority" smallint DEFAULT 0 NOT NULL,
	"send_at" timestamp with time zone,
	"expires_at" timestamp with time zone,
	"next_attempt_at" timestamp with time zone NOT NULL,
	"attempts" smallint DEFAULT 0 NOT NULL,
	"counted" smallint DEFAULT 0 NOT NULL,
	"max_attempts" smallint,
	"crashes" smallint DEFAULT 0 NOT NULL,
	"unknown" text DEFAULT 'retry' NOT NULL,
	"lease_token" uuid,
	"leased_by" text,
	"attempt_started_at" timestamp with time zone,
	"created_by" text NOT NULL,
	"trace_context" jsonb,
	"attachments" smallint DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"settled_at" timestamp with time zone,
	CONSTRAINT "message_status" CHECK ("herald"."message"."status" in ('pending', 'sending', 'sent', 'failed', 'inhibited', 'cancelled', 'expired', 'held')),
	CONSTRAINT "message_unknown" CHECK ("herald"."message"."unknown" in ('retry', 'hold'))
);
--> statement-breakpoint
CREATE TABLE "herald"."method" (
	"name" text PRIMARY KEY NOT NULL,
	"enabled" boolean DEFAULT true NOT NULL,
	"notify" boolean DEFAULT true NOT NULL,
	"requires" text,
	"paused_at" timestamp with time zone,
	"paused_by" text,
	"pause_kind" text,
	"pause_reason" text,
	"pause_detail" text,
	"probe_at" timestamp with time zone,
	"probe_failures" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "method_pause_kind" CHECK ("herald"."method"."pause_kind" in ('operator', 'fault'))
);
--> statement-breakpoint
CREATE TABLE "herald"."preference" (
	"recipient_id" text NOT NULL,
	"scope" text NOT NULL,
	"subject" text NOT NULL,
	"method" text DEFAULT '*' NOT NULL,
	"enabled" boolean NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "preference_recipient_id_scope_subject_method_pk" PRIMARY KEY("recipient_id","scope","subject","method"),
	CONSTRAINT "preference_scope" CHECK ("herald"."preference"."scope" in ('template', 'group', 'all')),
	CONSTRAINT "preference_subject" CHECK (("herald"."preference"."scope" = 'all') = ("herald"."preference"."subject" = ''))
);
--> statement-breakpoint
CREATE TABLE "herald"."rate_bucket" (
	"key" text PRIMARY KEY NOT NULL,
	"tokens" double precision NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "herald"."refusal" (
	"method" text NOT NULL,
	"sender" text NOT NULL,
	"reply" text NOT NULL,
	"message_id" uuid NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "refusal_method_sender_reply_message_id_pk" PRIMARY KEY("method","sender","reply","message_id")
);
--> statement-breakpoint
CREATE TABLE "herald"."sender" (
	"method" text NOT NULL,
	"name" text NOT NULL,
	"paused_at" timestamp with time zone,
	"pause_reason" text,
	"pause_detail" text,
	"probe_at" timestamp with time zone,
	"probe_failures" integer DEFAULT 0 NOT NULL,
	"max_connections" smallint,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "sender_method_name_pk" PRIMARY KEY("method","name")
);
--> statement-breakpoint
CREATE TABLE "herald"."setting" (
	"key" text PRIMARY KEY NOT NULL,
	"value" jsonb NOT NULL,
	"updated_by" text NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "herald"."suppression" (
	"method" text NOT NULL,
	"address" text NOT NULL,
	"reason" text NOT NULL,
	"hits" integer DEFAULT 0 NOT NULL,
	"first_at" timestamp with time zone DEFAULT now() NOT NULL,
	"last_at" timestamp with time zone DEFAULT now() NOT NULL,
	"suppressed_at" timestamp with time zone,
	CONSTRAINT "suppression_method_address_pk" PRIMARY KEY("method","address")
);
--> statement-breakpoint
CREATE TABLE "herald"."template" (
	"name" text PRIMARY KEY NOT NULL,
	"group" text DEFAULT 'General' NOT NULL,
	"kind" text DEFAULT 'system' NOT NULL,
	"current_version" integer NOT NULL,
	"methods" text[],
	"methods_override" text[],
	"fallback" text DEFAULT 'all' NOT NULL,
	"enabled" boolean DEFAULT true NOT NULL,
	"enabled_by_default" boolean DEFAULT true NOT NULL,
	"mandatory" boolean DEFAULT false NOT NULL,
	"ttl_seconds" integer,
	"unknown" text DEFAULT 'retry' NOT NULL,
	"max_attempts" smallint,
	"sender" text,
	"example" jsonb,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "template_kind" CHECK ("herald"."template"."kind" in ('system', 'custom', 'test')),
	CONSTRAINT "template_fallback" CHECK ("herald"."template"."fallback" in ('all', 'first')),
	CONSTRAINT "template_unknown" CHECK ("herald"."template"."unknown" in ('retry', 'hold')),
	CONSTRAINT "template_ttl" CHECK ("herald"."template"."ttl_seconds" > 0),
	CONSTRAINT "template_max_attempts" CHECK ("herald"."template"."max_attempts" between 1 and 1000)
);
--> statement-breakpoint
CREATE TABLE "herald"."template_version" (
	"template" text NOT NULL,
	"version" integer NOT NULL,
	"title" text NOT NULL,
	"body" text NOT NULL,
	"actions" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"labels" text[] NOT NULL,
	"secrets" text[] NOT NULL,
	"content_hash" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "template_version_template_version_pk" PRIMARY KEY("template","version")
);
--> statement-breakpoint
ALTER TABLE "herald"."template_version" ADD CONSTRAINT "template_version_template_template_name_fk" FOREIGN KEY ("template") REFERENCES "herald"."template"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "audit_at" ON "herald"."audit" USING btree ("at","id");--> statement-breakpoint
CREATE INDEX "audit_subject" ON "herald"."audit" USING btree ("subject","at");--> statement-breakpoint
CREATE INDEX "endpoint_recipient" ON "herald"."endpoint" USING btree ("method","recipient_id");--> statement-breakpoint
CREATE INDEX "endpoint_tenant" ON "herald"."endpoint" USING btree ("method","tenant");--> statement-breakpoint
CREATE INDEX "message_recipients" ON "herald"."message" USING btree ("recipient_id","created_at","id");--> statement-breakpoint
CREATE INDEX "message_addresses" ON "herald"."message" USING btree ("address","created_at","id") WHERE "herald"."message"."address" is not null;--> statement-breakpoint
CREATE INDEX "message_templates" ON "herald"."message" USING btree ("template","created_at","id");--> statement-breakpoint
CREATE INDEX "message_times" ON "herald"."message" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX "message_reasons" ON "herald"."message" USING btree ("created_at","id") WHERE "herald"."message"."reason" is not null;--> statement-breakpoint
CREATE INDEX "message_open" ON "herald"."message" USING btree ("method","next_attempt_at") WHERE "herald"."message"."settled_at" is null;--> statement-breakpoint
CREATE INDEX "message_endpoint" ON "herald"."message" USING btree ("endpoint_id","created_at") WHERE "herald"."message"."endpoint_id" is not null;--> statement-breakpoint
CREATE INDEX "message_targets" ON "herald"."message" USING gin ("targets") WHERE "herald"."message"."targets" <> '{}';--> statement-breakpoint
CREATE INDEX "message_notification" ON "herald"."message" USING btree ("notification_id");--> statement-breakpoint
CREATE UNIQUE INDEX "message_dedupe" ON "herald"."message" USING btree ("dedupe_key","dedupe_slot","recipient_id","dedupe_scope") WHERE "herald"."message"."dedupe_key" is not null;
--> statement-breakpoint
INSERT INTO herald_meta.migration (name, sha256, release) VALUES ('0000_tables', '167b17cc5b3ec845b874be4e71fc41f238002a09af543a61a49bd04de0311333', '0.1.0')
ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, release = excluded.release, applied_at = now();
--> statement-breakpoint
-- functions
-- Settings of the tables that drizzle-kit cannot express.
-- A message changes twice: when its attempt opens and when it settles. Half of each page starts empty, so that the first change finds
-- room beside the old version of the row and touches no index. Measured: that holds for 45 of 100 updates at 50, for 14 at 80.
-- Autovacuum runs after thousands of changes instead of after a fifth of a large table.
ALTER TABLE herald.message SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
  autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 5000);
--> statement-breakpoint
ALTER TABLE herald.method SET (fillfactor = 50);
--> statement-breakpoint
ALTER TABLE herald.endpoint SET (fillfactor = 50);
--> statement-breakpoint
ALTER TABLE herald.rate_bucket SET (fillfactor = 50);
--> statement-breakpoint
-- Time-ordered ids (RFC 9562 version 7), so that rows of one time lie together in the indexes. PostgreSQL has uuidv7() only from 18.
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
--> statement-breakpoint
-- Raises an error about the input. The codes: HE001 template, HE002 labels, HE003 recipients, HE004 methods, HE005 size,
-- HE006 options. COLUMN carries the path to the wrong value. No message repeats what may be an address or a secret.
CREATE OR REPLACE FUNCTION herald.reject(code text, path text, message text, hint text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = code, COLUMN = path, MESSAGE = format('herald: %s', message), HINT = hint;
END
$$;
--> statement-breakpoint
-- One line of text. A plain expression, like those of the next functions: the planner writes it where the call stands.
CREATE OR REPLACE FUNCTION herald.is_line(value jsonb, longest integer) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT coalesce(jsonb_typeof(value) = 'string' AND length(value #>> '{}') BETWEEN 1 AND longest
    AND (value #>> '{}') COLLATE "C" !~ '[\u0001-\u001f\u007f-\u009f]', false)
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION herald.is_number(value jsonb, low numeric, high numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE jsonb_typeof(value) WHEN 'number' THEN value::numeric BETWEEN low AND high ELSE false END
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION herald.is_url(value jsonb, schemes text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT coalesce(jsonb_typeof(value) = 'string' AND length(value #>> '{}') <= 2000
    AND (value #>> '{}') COLLATE "C" ~* ('^(' || schemes || ')[^\u0001-\u0020\u007f-\u00a0"<>\\^`{|}]+$'), false)
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION herald.are_strings(members jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT jsonb_typeof(members) = 'object' AND NOT members @? 'strict $.* ? (@.type() != "string")'
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION herald.are_lines(elements jsonb, fewest integer, most integer, longest integer) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  IF jsonb_typeof(elements) <> 'array' OR jsonb_array_length(elements) NOT BETWEEN fewest AND most THEN
    RETURN false;
  END IF;
  FOR i IN 0 .. jsonb_array_length(elements) - 1 LOOP
    IF NOT herald.is_line(elements -> i, longest) THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN true;
END
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION herald.are_actions(elements jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  IF jsonb_typeof(elements) <> 'array' OR jsonb_array_length(elements) > 10 THEN
    RETURN false;
  END IF;
  FOR i IN 0 .. jsonb_array_length(elements) - 1 LOOP
    IF NOT (herald.are_strings(elements -> i) AND herald.is_line(elements -> i -> 'label', 200)
      AND herald.is_url(elements -> i -> 'url', 'https?://|mailto:')) THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN true;
END
$$;
--> statement-breakpoint
-- A time between the years 1 and 9999. Not IMMUTABLE: text without an offset means the session's time zone.
CREATE OR REPLACE FUNCTION herald.is_time(value jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  RETURN jsonb_typeof(value) = 'string' AND (value #>> '{}')::timestamptz BETWEEN '0001-01-01 00:00Z' AND '9999-12-31 00:00Z';
EXCEPTION WHEN data_exception THEN
  RETURN false;
END
$$;
--> statement-breakpoint
-- The shape of one plain address, RFC 5321 section 4.1.2 with RFC 6531: no quotes, comments, lists or literals.
CREATE OR REPLACE FUNCTION herald.is_address(address text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT octet_length(address) <= 254 AND position('@' IN address) <= 65 AND address !~ '@[0-9.]+$'
    AND address COLLATE "C" ~ '^[^\u0001-\u0020\u007f-\u00a0\u00ad\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"(),.:;<>@[\\\]]+(\.[^\u0001-\u0020\u007f-\u00a0\u00ad\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"(),.:;<>@[\\\]]+)*@[a-zA-Z0-9\u00a1-\u1fff\u2c00-\u2fff\u3001-\ufdff](-*[a-zA-Z0-9\u00a1-\u1fff\u2c00-\u2fff\u3001-\ufdff]|\.[a-zA-Z0-9\u00a1-\u1fff\u2c00-\u2fff\u3001-\ufdff])*$'
$$;
--> statement-breakpoint
-- The position of the first attachment that is none, counted from 0; null if all are. Decoding here keeps a broken one out of the table.
CREATE OR REPLACE FUNCTION herald.wrong_attachment(elements jsonb) RETURNS integer
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
  i integer := 0;
  a jsonb;
BEGIN
  FOR a IN SELECT e.value FROM jsonb_array_elements(elements) WITH ORDINALITY AS e (value, position) ORDER BY e.position LOOP
    IF NOT (herald.are_strings(a) AND a - '{name,contentType,content}'::text[] = '{}' AND herald.is_line(a -> 'name', 200)
      AND (a ->> 'name') !~ '[/\\]' AND coalesce(length(a ->> 'contentType') <= 200, false)
      AND (a ->> 'contentType') COLLATE "C" ~ '^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$' AND coalesce(octet_length(decode(a ->> 'content', 'base64')) > 0, false)) THEN
      RETURN i;
    END IF;
    i := i + 1;
  END LOOP;
  RETURN NULL;
EXCEPTION WHEN invalid_parameter_value OR data_exception THEN
  RETURN i;
END
$$;
--> statement-breakpoint
-- What an option must be; null for one that does not exist.
CREATE OR REPLACE FUNCTION herald.rule_of(option text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE option
    WHEN 'template' THEN 'must be the name of a template'
    WHEN 'to' THEN 'must be a recipient or an array of 100000 at most'
    WHEN 'labels' THEN 'must be an object of strings; pass other values as data'
    WHEN 'secrets' THEN 'must be an object of strings'
    WHEN 'invalidAddress' THEN 'must be "reject" or "inhibit"'
    WHEN 'actions' THEN 'must be an array of 10 at most, each {"label": "...", "url": "https://..."}'
    WHEN 'targets' THEN 'must be an array of 100 strings at most, each one line of 200 characters at most'
    WHEN 'methods' THEN 'must be an array of 1 to 10 names of methods'
    WHEN 'dedupeKey' THEN 'must be one line of 1 to 400 characters'
    WHEN 'dedupeWindowSeconds' THEN 'must be a number from 1 to 3155760000, beside a dedupeKey'
    WHEN 'sendAt' THEN 'must be a time such as 2030-01-31T12:00:00Z, without a delay beside it'
    WHEN 'delaySeconds' THEN 'must be a number from 0 to 3155760000'
    WHEN 'expiresAt' THEN 'must be a time such as 2030-01-31T12:00:00Z, after sendAt and without a time to live beside it'
    WHEN 'ttlSeconds' THEN 'must be a number from 1 to 3155760000'
    WHEN 'priority' THEN 'must be a whole number from -1000 to 1000'
    WHEN 'tenant' THEN 'must be one line of 1 to 200 characters'
    WHEN 'groupKey' THEN 'must be one line of 1 to 500 characters'
    WHEN 'unsubscribeUrl' THEN 'must be an https URL of 2000 characters at most'
    WHEN 'createdBy' THEN 'must be one line of 1 to 200 characters'
    WHEN 'attachments' THEN 'must be an array of 10 at most, each {"name": "...", "contentType": "type/subtype", "content": "base64"}'
    WHEN 'traceContext' THEN 'must be an object of strings'
  END
$$;
--> statement-breakpoint
-- The first option that breaks its rule. One expression over all of them costs a few microseconds, a query over the
-- members ten times that. JSON null stands for an option that is not given.
CREATE OR REPLACE FUNCTION herald.wrong_option(o jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT CASE
    WHEN jsonb_typeof(o -> 'template') IS DISTINCT FROM 'string' THEN 'template'
    WHEN coalesce(jsonb_typeof(o -> 'to') NOT IN ('object', 'array'), true) THEN 'to'
    WHEN o ? 'labels' AND NOT herald.are_strings(o -> 'labels') THEN 'labels'
    WHEN o ? 'secrets' AND NOT herald.are_strings(o -> 'secrets') THEN 'secrets'
    WHEN o ? 'actions' AND NOT herald.are_actions(o -> 'actions') THEN 'actions'
    WHEN o ? 'targets' AND NOT herald.are_lines(o -> 'targets', 0, 100, 200) THEN 'targets'
    WHEN o ? 'methods' AND NOT herald.are_lines(o -> 'methods', 1, 10, 50) THEN 'methods'
    WHEN o ? 'dedupeKey' AND NOT herald.is_line(o -> 'dedupeKey', 400) THEN 'dedupeKey'
    WHEN o ? 'dedupeWindowSeconds' AND NOT (herald.is_number(o -> 'dedupeWindowSeconds', 1, 3155760000) AND o ? 'dedupeKey') THEN 'dedupeWindowSeconds'
    WHEN o ? 'sendAt' AND NOT (herald.is_time(o -> 'sendAt') AND NOT o ? 'delaySeconds') THEN 'sendAt'
    WHEN o ? 'delaySeconds' AND NOT herald.is_number(o -> 'delaySeconds', 0, 3155760000) THEN 'delaySeconds'
    WHEN o ? 'expiresAt' AND NOT (herald.is_time(o -> 'expiresAt') AND NOT o ? 'ttlSeconds') THEN 'expiresAt'
    WHEN o ? 'ttlSeconds' AND NOT herald.is_number(o -> 'ttlSeconds', 1, 3155760000) THEN 'ttlSeconds'
    WHEN o ? 'priority' AND NOT (herald.is_number(o -> 'priority', -1000, 1000) AND mod((o ->> 'priority')::numeric, 1) = 0) THEN 'priority'
    WHEN o ? 'tenant' AND NOT herald.is_line(o -> 'tenant', 200) THEN 'tenant'
    WHEN o ? 'groupKey' AND NOT herald.is_line(o -> 'groupKey', 500) THEN 'groupKey'
    WHEN o ? 'unsubscribeUrl' AND NOT herald.is_url(o -> 'unsubscribeUrl', 'https://') THEN 'unsubscribeUrl'
    WHEN o ? 'createdBy' AND NOT herald.is_line(o -> 'createdBy', 200) THEN 'createdBy'
    WHEN o ? 'invalidAddress' AND o ->> 'invalidAddress' NOT IN ('reject', 'inhibit') THEN 'invalidAddress'
    WHEN o ? 'attachments' AND (jsonb_typeof(o -> 'attachments') <> 'array' OR jsonb_array_length(o -> 'attachments') > 10) THEN 'attachments'
    WHEN o ? 'traceContext' AND NOT herald.are_strings(o -> 'traceContext') THEN 'traceContext'
  END
$$;
--> statement-breakpoint
-- Checks what needs no table, before anything is written, and answers with the options alone: without the recipients,
-- and without those that are null.
CREATE OR REPLACE FUNCTION herald.options_of(notification jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  known CONSTANT text[] := ARRAY['template', 'to', 'labels', 'secrets', 'data', 'actions', 'targets', 'methods', 'dedupeKey',
    'dedupeWindowSeconds', 'sendAt', 'delaySeconds', 'expiresAt', 'ttlSeconds', 'priority', 'tenant', 'groupKey',
    'unsubscribeUrl', 'createdBy', 'traceContext', 'invalidAddress', 'attachments'];
  wrong text;
BEGIN
  IF jsonb_typeof(notification) IS DISTINCT FROM 'object' THEN
    PERFORM herald.reject('HE006', '', 'the notification must be a JSON object', 'Pass {"template": "...", "to": {...}, "labels": {...}}.');
  ELSIF notification - known <> '{}' THEN
    wrong := (SELECT k FROM jsonb_object_keys(notification - known) AS k LIMIT 1);
    PERFORM herald.reject('HE006', wrong, format('unknown option "%s"', wrong), format('Known options: %s.', array_to_string(known, ', ')));
  ELSIF notification @? 'strict $.* ? (@ == null)' THEN
    notification := (SELECT jsonb_object_agg(o.key, o.value) FROM jsonb_each(notification) AS o WHERE o.value <> 'null');
  END IF;
  wrong := herald.wrong_option(notification);
  IF wrong IN ('labels', 'secrets') AND jsonb_typeof(notification -> wrong) = 'object' THEN
    wrong := wrong || '.' || (SELECT l.key FROM jsonb_each(notification -> wrong) AS l WHERE jsonb_typeof(l.value) <> 'string' LIMIT 1);
    PERFORM herald.reject('HE002', wrong, format('%s is not a string', wrong), 'Labels are flat strings; pass other values as data.');
  ELSIF wrong IS NOT NULL THEN
    PERFORM herald.reject(CASE wrong WHEN 'template' THEN 'HE001' WHEN 'labels' THEN 'HE002' WHEN 'secrets' THEN 'HE002' WHEN 'to' THEN 'HE003'
      WHEN 'methods' THEN 'HE004' ELSE 'HE006' END, wrong, format('%s is wrong', wrong), format('It %s.', herald.rule_of(wrong)));
  ELSIF jsonb_typeof(notification -> 'to') = 'array' AND jsonb_array_length(notification -> 'to') > 100000 THEN
    PERFORM herald.reject('HE003', 'to', format('%s recipients, the limit of one call is 100000', jsonb_array_length(notification -> 'to')),
      'Enqueue in several calls.');
  END IF;
  IF notification ? 'attachments' THEN
    IF herald.wrong_attachment(notification -> 'attachments') IS NOT NULL THEN
      wrong := format('attachments[%s]', herald.wrong_attachment(notification -> 'attachments'));
      PERFORM herald.reject('HE006', wrong, format('%s is wrong', wrong),
        'Each has a name without slashes, a contentType such as application/pdf and its content as base64.');
    ELSIF octet_length(notification ->> 'attachments') > 14000000 THEN
      PERFORM herald.reject('HE005', 'attachments', 'the attachments are larger than 10 MB together', 'Store large files elsewhere and pass a link.');
    END IF;
  END IF;
  notification := notification - 'to' - 'attachments';
  IF octet_length(notification::text) > 262144 THEN
    PERFORM herald.reject('HE005', '', format('the notification is %s bytes without its recipients, the limit is 262144', octet_length(notification::text)),
      'Store large content elsewhere and pass a link.');
  END IF;
  RETURN notification;
END
$$;
--> statement-breakpoint
-- Whether this is a recipient, but for its address: the fast yes. herald.reject_recipient says what is wrong with the others.
CREATE OR REPLACE FUNCTION herald.is_recipient(value jsonb, fields text[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT CASE jsonb_typeof(value) WHEN 'object' THEN
    value - fields = '{}'
    AND pg_column_size(value) <= 4096
    AND NOT value @? 'strict $.* ? (@.type() != "string" && @.type() != "number" || @ like_regex "[\\u0001-\\u001f\\u007f-\\u009f]")'
    AND coalesce(length(value ->> 'id') BETWEEN 1 AND 200, false)
    AND coalesce(length(value ->> 'name') <= 200, true)
    AND coalesce(length(value ->> 'locale') <= 35, true)
    AND coalesce(length(value ->> 'timeZone') <= 64, true)
  ELSE false END
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION herald.reject_recipient(value jsonb, fields text[], path text) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  stray CONSTANT text := (SELECT f FROM jsonb_object_keys(CASE jsonb_typeof(value) WHEN 'object' THEN value - fields ELSE '{}' END) AS f LIMIT 1);
  wrong CONSTANT text := CASE
    WHEN jsonb_typeof(value) <> 'object' OR pg_column_size(value) > 4096 THEN NULL
    WHEN stray IS NOT NULL THEN stray
    WHEN NOT coalesce(jsonb_typeof(value -> 'id') = 'number' OR herald.is_line(value -> 'id', 200), false) THEN 'id'
    WHEN length(value ->> 'name') > 200 THEN 'name'
    WHEN length(value ->> 'locale') > 35 THEN 'locale'
    WHEN length(value ->> 'timeZone') > 64 THEN 'timeZone'
    ELSE coalesce((SELECT f.key FROM jsonb_each(value) AS f WHERE NOT (jsonb_typeof(f.value) = 'number' OR f.value = '""' OR herald.is_line(f.value, 4096)) LIMIT 1), 'email') END;
BEGIN
  RETURN herald.reject('HE003', concat_ws('.', path, wrong), concat_ws('.', path, wrong) || CASE
      WHEN jsonb_typeof(value) <> 'object' THEN ' must be an object'
      WHEN wrong IS NULL THEN ' is larger than 4096 bytes'
      WHEN wrong = stray THEN ' is no known field'
      WHEN wrong IN ('id', 'name') THEN ' must be one line of 200 characters at most'
      WHEN wrong = 'locale' THEN ' must be a language tag of 35 characters at most'
      WHEN wrong = 'timeZone' THEN ' must be a time zone of 64 characters at most'
      WHEN wrong = 'email' THEN ' must be one plain address such as name@example.com'
      ELSE ' must be one line of text' END,
    format('A recipient has an id and, as far as they are known, %s.', array_to_string(array_remove(fields, 'id'), ', ')));
END
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION herald.accepts_recipient(value jsonb, fields text[], lenient boolean, place text, nth bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT herald.is_recipient(value, fields) AND (lenient OR coalesce(value ->> 'email', '') = '' OR herald.is_address(value ->> 'email'))
    OR herald.reject_recipient(value, fields, format(place, nth - 1))
$$;
--> statement-breakpoint
-- A recipient without empty fields and with numbers as text.
CREATE OR REPLACE FUNCTION herald.tidy_recipient(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT jsonb_object_agg(f.key, f.value) FROM jsonb_each_text(value) AS f WHERE f.value <> ''
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION herald.stored_recipient(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE WHEN value @? 'strict $.* ? (@ == "" || @.type() == "number")' THEN herald.tidy_recipient(value) ELSE value END
$$;
--> statement-breakpoint
-- What a recipient wants: one row, or none. The most specific choice decides: template before group before all, then a
-- named method before '*'. The words sort that way backwards, so the primary key answers without a sort. The planner
-- inlines this function where it stands after LATERAL; STRICT, SET or SECURITY DEFINER would prevent that.
CREATE OR REPLACE FUNCTION herald.choice_of(recipient_id text, template text, template_group text, method text) RETURNS TABLE (enabled boolean)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT p.enabled
  FROM herald.preference p
  WHERE p.recipient_id = $1
    AND p.method IN ($4, '*')
    AND ((p.scope = 'template' AND p.subject = $2) OR (p.scope = 'group' AND p.subject = $3) OR p.scope = 'all')
  ORDER BY p.scope DESC, p.subject DESC, p.method DESC
  LIMIT 1
$$;
--> statement-breakpoint
-- The same as a value: true, false, or null without a row.
CREATE OR REPLACE FUNCTION herald.preference_of(recipient_id text, template text, template_group text, method text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT c.enabled FROM herald.choice_of($1, $2, $3, $4) AS c
$$;
--> statement-breakpoint
-- Sets a preference, or removes it where enabled is null. Scope: template, group or all (subject '').
CREATE OR REPLACE FUNCTION herald.set_preference(recipient_id text, scope text, subject text, enabled boolean, method text DEFAULT '*') RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  mandatory boolean;
BEGIN
  IF NOT coalesce(herald.is_line(to_jsonb($1), 200), false) THEN
    PERFORM herald.reject('HE003', 'recipient_id', 'recipient_id must be one line of 1 to 200 characters', 'Pass the id that notifications are addressed to.');
  ELSIF $2 IS NULL OR $2 NOT IN ('template', 'group', 'all') OR ($2 = 'all') <> (coalesce($3, '') = '') THEN
    PERFORM herald.reject('HE006', 'scope', 'scope must be template or group, with its name as subject, or all with an empty one',
      'For example: ''template'', ''workspace-deleted''.');
  END IF;
  IF $4 IS NULL THEN
    DELETE FROM herald.preference p WHERE p.recipient_id = $1 AND p.scope = $2 AND p.subject = coalesce($3, '') AND p.method = $5;
    RETURN;
  END IF;
  mandatory := (SELECT bool_and(t.mandatory) FROM herald.template t WHERE $3 = CASE $2 WHEN 'template' THEN t.name ELSE t."group" END);
  IF $2 <> 'all' AND mandatory IS NULL THEN
    PERFORM herald.reject('HE001', 'subject', format('unknown %s "%s"', $2, left($3, 200)), 'See "pg-herald templates list".');
  ELSIF $2 = 'template' AND NOT $4 AND mandatory THEN
    PERFORM herald.reject('HE006', 'subject', format('template "%s" is mandatory and cannot be switched off', $3), 'Leave it on, or drop "mandatory" from its header.');
  ELSIF $5 IS DISTINCT FROM '*' AND NOT EXISTS (SELECT FROM herald.method m WHERE m.name = $5) THEN
    PERFORM herald.reject('HE004', 'method', format('unknown method "%s"', left($5, 200)), 'Methods are the rows of herald.method; ''*'' means all of them.');
  END IF;
  INSERT INTO herald.preference AS p (recipient_id, scope, subject, method, enabled) VALUES ($1, $2, coalesce($3, ''), $5, $4)
  ON CONFLICT ON CONSTRAINT preference_recipient_id_scope_subject_method_pk DO UPDATE SET enabled = EXCLUDED.enabled, updated_at = now();
END
$$;
--> statement-breakpoint
-- What a recipient gets at present: a row per template and method. decided_by says which rule decided.
CREATE OR REPLACE FUNCTION herald.preferences(recipient_id text)
RETURNS TABLE (template text, template_group text, method text, enabled boolean, mandatory boolean, decided_by text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT t.name, t."group", m.name,
    t.enabled AND m.enabled AND (t.mandatory OR coalesce(c.enabled, t.enabled_by_default)),
    t.mandatory, CASE
      WHEN NOT t.enabled THEN 'template_disabled'
      WHEN NOT m.enabled THEN 'method_disabled'
      WHEN t.mandatory THEN 'mandatory'
      WHEN c.enabled IS NOT NULL THEN 'preference'
      ELSE 'default' END
  FROM herald.template t
  JOIN herald.method m ON m.name = ANY (coalesce(t.methods_override, t.methods,
    (SELECT ARRAY(SELECT jsonb_array_elements_text(s.value)) FROM herald.setting s WHERE s.key = 'methods'), ARRAY['smtp']))
  LEFT JOIN LATERAL herald.choice_of($1, t.name, t."group", m.name) AS c ON true
  ORDER BY t."group", t.name, m.name
$$;
--> statement-breakpoint
-- The endpoints that a message of one method goes to: the recipient's own, else the tenant's, else those of nobody in
-- particular. One that does not want the template's group, or is switched off, comes along, so that a row can say why nothing was sent;
-- if others of the same owner want it, those that do not are left out.
CREATE OR REPLACE FUNCTION herald.endpoints_of(recipient_id text, tenant text, template_group text, method text)
RETURNS TABLE (id uuid, number bigint, enabled boolean, subscribed boolean)
LANGUAGE sql STABLE
AS $$
  SELECT o.id, row_number() OVER (ORDER BY o.created_at, o.id) - 1, o.enabled, o.subscribed
  FROM (
    SELECT e.id, e.created_at, e.disabled_at IS NULL AS enabled, e.groups = '{}' OR $3 = ANY (e.groups) AS subscribed,
      rank() OVER (ORDER BY e.recipient_id IS NULL, e.tenant IS NULL) AS owner,
      bool_or(e.groups = '{}' OR $3 = ANY (e.groups)) OVER (PARTITION BY e.recipient_id IS NULL, e.tenant IS NULL) AS any_subscribed
    FROM herald.endpoint e
    WHERE e.method = $4 AND (e.recipient_id = $1 OR e.recipient_id IS NULL AND (e.tenant = $2 OR e.tenant IS NULL))
  ) o
  WHERE o.owner = 1 AND (o.subscribed OR NOT o.any_subscribed)
  ORDER BY o.created_at, o.id LIMIT 1000
$$;
--> statement-breakpoint
DO $$
BEGIN
  IF to_regtype('herald.judgement') IS NULL THEN
    CREATE TYPE herald.judgement AS (id text, address text, position bigint, method text, ordinal bigint, scope text, reason text, endpoint uuid, number bigint);
  END IF;
END
$$;
--> statement-breakpoint
-- Why a message is not to be sent; null: it is. A plain expression, like those of the next two: the planner writes it where the call stands.
CREATE OR REPLACE FUNCTION herald.reason_against(expired boolean, template_enabled boolean, method_enabled boolean, requires text, recipient jsonb, lenient boolean,
  suppressed boolean, endpoint_enabled boolean, endpoint_subscribed boolean, mandatory boolean, choice boolean, enabled_by_default boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE
    WHEN expired THEN 'expired'
    WHEN NOT template_enabled THEN 'template_disabled'
    WHEN NOT method_enabled THEN 'method_disabled'
    WHEN requires IS NOT NULL AND coalesce(recipient ->> requires, '') = '' THEN 'no_address'
    WHEN lenient AND requires = 'email' AND NOT herald.is_address(recipient ->> 'email') THEN 'invalid_address'
    WHEN suppressed THEN 'suppressed'
    WHEN NOT endpoint_enabled THEN 'endpoint_disabled'
    WHEN NOT endpoint_subscribed THEN 'not_subscribed'
    WHEN mandatory OR choice THEN NULL
    WHEN NOT choice THEN 'preference'
    WHEN NOT enabled_by_default THEN 'default_off'
  END
$$;
--> statement-breakpoint
-- Writes the jobs that unsettled messages lack, brings those forward that wait longer than their message, and wakes the workers. A
-- message that is pending again after an attempt may still have the job of that attempt: its worker has settled it and is about to remove
-- the job. The job is taken out of that lease, which the removal names, so that it stays for the next one. A lease that is younger than
-- the attempt has not begun yet, and is left alone.
CREATE OR REPLACE FUNCTION herald.ensure_jobs(message_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  woken bigint;
BEGIN
  UPDATE herald_queue.job j SET state = 'retry', start_after = m.next_attempt_at, heartbeat_on = NULL
  FROM herald.message m
  WHERE m.id = ANY (message_ids) AND m.status = 'pending' AND j.name = m.method AND j.id = m.id
    AND j.state = 'active' AND j.started_on <= m.attempt_started_at;
  INSERT INTO herald_queue.job (id, name, priority, start_after, created_on, expire_seconds, deletion_seconds, keep_until, retry_limit,
    retry_delay, retry_backoff, retry_delay_max, policy, dead_letter, heartbeat_seconds, blocked, blocking, pending_dependencies)
  SELECT m.id, m.method, m.priority, m.next_attempt_at, now(), q.expire_seconds, q.deletion_seconds,
    m.next_attempt_at + q.retention_seconds * interval '1 second', q.retry_limit, q.retry_delay, q.retry_backoff, q.retry_delay_max, q.policy,
    q.dead_letter, q.heartbeat_seconds, false, false, 0
  FROM herald.message m
  LEFT JOIN herald_queue.queue q ON q.name = m.method
  WHERE m.id = ANY (message_ids) AND m.status IN ('pending', 'sending')
  ON CONFLICT (name, id) DO UPDATE SET start_after = EXCLUDED.start_after
  WHERE job.state < 'active' AND job.start_after > EXCLUDED.start_after;
  GET DIAGNOSTICS woken = ROW_COUNT;
  PERFORM pg_notify('herald', m.method) FROM herald.message m WHERE m.id = ANY (message_ids) GROUP BY m.method;
  RETURN woken;
END
$$;
--> statement-breakpoint
-- Writes the messages of one notification and their jobs, in the caller's transaction. One row comes back per message: the
-- written ones in the order of recipients and methods, then those that stood already under the dedupe key.
-- SECURITY DEFINER, so that an application role needs no right but to use the schema; the empty search_path keeps a caller
-- from slipping in objects of its own. Generic plans, because planning costs more than running.
CREATE OR REPLACE FUNCTION herald.enqueue(notification jsonb)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text, deduplicated boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
  n CONSTANT uuid := herald.uuid_v7();
  -- Ids of messages: the notification's with another end, counting up from a random number, in the order of the input.
  id_head CONSTANT text := left(n::text, 24);
  id_tail CONSTANT bigint := 140737488355328 + (('x' || right(n::text, 12))::bit(48)::bigint & 70368744177663);
  options CONSTANT jsonb := herald.options_of(notification);
  recipients jsonb := jsonb_strip_nulls(notification -> 'to');
  place text := 'to[%s]';
  fields text[] := ARRAY['id', 'email', 'name', 'locale', 'timeZone'];
  t record;
  lenient CONSTANT boolean := coalesce(options ->> 'invalidAddress' = 'inhibit', false);
  open_labels jsonb;
  hidden_labels jsonb;
  chosen text[];
  listening text[];
  dedupe_window bigint := 0;
  send_at timestamptz;
  start_at timestamptz;
  expires_at timestamptz;
  missing text;
  written bigint;
  has_endpoints boolean;
  judged herald.judgement[];
  files CONSTANT smallint := coalesce(jsonb_array_length(nullif(notification -> 'attachments', 'null')), 0);
BEGIN
  SELECT o.*, tpl.name, tpl."group", tpl.current_version, tpl.methods_override, tpl.methods AS own_methods, tpl.fallback, tpl.enabled,
      tpl.enabled_by_default, tpl.mandatory, tpl.ttl_seconds, tpl.unknown, tpl.max_attempts, v.labels AS required, v.secrets AS secret_names
    INTO t
    FROM jsonb_to_record(options) AS o (template text, labels jsonb, secrets jsonb, data jsonb, actions jsonb, targets text[], methods text[],
      "dedupeKey" text, "dedupeWindowSeconds" double precision, "sendAt" timestamptz, "delaySeconds" double precision, "expiresAt" timestamptz,
      "ttlSeconds" double precision, priority smallint, tenant text, "groupKey" text, "unsubscribeUrl" text, "createdBy" text, "traceContext" jsonb)
    LEFT JOIN herald.template tpl ON tpl.name = o.template
    LEFT JOIN herald.template_version v ON v.template = tpl.name AND v.version = tpl.current_version;
  IF t.required IS NULL THEN
    PERFORM herald.reject('HE001', 'template', format('unknown template "%s"', left(t.template, 200)),
      'Write templates/<name>.md and run "pg-herald templates sync".');
  END IF;

  -- Labels that the template keeps secret never stay among the others, whoever enqueues.
  open_labels := coalesce(t.labels, '{}');
  hidden_labels := coalesce(t.secrets, '{}');
  IF cardinality(t.secret_names) > 0 THEN
    hidden_labels := hidden_labels || coalesce((SELECT jsonb_object_agg(l.key, l.value) FROM jsonb_each(open_labels) l WHERE l.key = ANY (t.secret_names)), '{}');
    open_labels := open_labels - t.secret_names;
  END IF;
  IF NOT (open_labels || hidden_labels) ?& t.required THEN
    missing := (SELECT r FROM unnest(t.required) AS r WHERE NOT (open_labels || hidden_labels) ? r LIMIT 1);
    PERFORM herald.reject('HE002', 'labels.' || missing, format('template "%s" version %s needs the label "%s"', t.name, t.current_version, missing),
      'Add it to the labels of the notification.');
  END IF;

  chosen := coalesce(nullif(t.methods_override, '{}'), t.methods, nullif(t.own_methods, '{}'));
  IF chosen IS NULL THEN
    chosen := coalesce(nullif((SELECT ARRAY(SELECT jsonb_array_elements_text(s.value)) FROM herald.setting s WHERE s.key = 'methods'), '{}'), '{smtp}');
  END IF;
  SELECT array_agg(m.name) FILTER (WHERE m.notify), fields || array_agg(m.requires) FILTER (WHERE m.requires <> ALL (fields)), count(*),
      bool_or(EXISTS (SELECT FROM herald.endpoint e WHERE e.method = m.name))
    INTO listening, fields, written, has_endpoints
    FROM herald.method m WHERE m.name = ANY (chosen) AND m.name <> '*';
  IF written < cardinality(chosen) THEN
    missing := (SELECT c FROM unnest(chosen) AS c WHERE NOT EXISTS (SELECT FROM herald.method m WHERE m.name = c AND m.name <> '*') LIMIT 1);
  END IF;
  IF missing IS NOT NULL THEN
    PERFORM herald.reject('HE004', 'methods', format('unknown method "%s"', left(missing, 200)),
      'Known methods are the rows of herald.method; add one with "pg-herald migrate --method NAME".');
  END IF;

  send_at := coalesce(t."sendAt", now() + t."delaySeconds" * interval '1 second');
  start_at := greatest(send_at, now());
  expires_at := coalesce(t."expiresAt", start_at + coalesce(t."ttlSeconds", t.ttl_seconds) * interval '1 second');
  IF expires_at <= send_at THEN
    PERFORM herald.reject('HE006', 'expiresAt', 'the message would expire before it may be sent', 'Set expiresAt after sendAt.');
  END IF;
  IF t."dedupeWindowSeconds" IS NOT NULL THEN
    dedupe_window := 1 + floor(extract(epoch FROM now()) / t."dedupeWindowSeconds");
  END IF;
  IF jsonb_typeof(recipients) = 'object' THEN
    recipients := jsonb_build_array(recipients);
    place := 'to';
  END IF;

  IF jsonb_array_length(recipients) = 1 AND cardinality(chosen) = 1 AND NOT has_endpoints THEN
    -- One message, as nearly always: the same as below without what is only for several, which takes longer to set up than to run.
    SELECT ARRAY[ROW(r.snapshot ->> 'id', nullif(lower(r.snapshot ->> m.requires), ''), 1, m.name, 1, CASE WHEN t.fallback = 'first' THEN '*' ELSE m.name END,
        herald.reason_against(expires_at <= now(), t.enabled, m.enabled, m.requires, r.snapshot, lenient, u.address IS NOT NULL, NULL, NULL, t.mandatory, p.enabled, t.enabled_by_default),
        NULL, 0)::herald.judgement]
      INTO judged
      FROM (SELECT recipients -> 0 AS snapshot) r
      CROSS JOIN herald.method m
      LEFT JOIN herald.suppression u ON u.method = m.name AND u.address = lower(r.snapshot ->> m.requires) AND u.suppressed_at IS NOT NULL
      LEFT JOIN LATERAL herald.choice_of(r.snapshot ->> 'id', t.name, t."group", m.name) p ON true
      WHERE m.name = chosen[1] AND herald.accepts_recipient(r.snapshot, fields, lenient, place, 1);
  ELSE
    SELECT array_agg(ROW(s.id, s.address, s.position, s.method, s.ordinal, s.scope, s.reason, s.endpoint, s.number)::herald.judgement) INTO judged
    FROM (
      -- Sorted by recipient, so that two calls with one dedupe key wait for each other instead of deadlocking. Of a
      -- recipient that is given twice the first counts; of a fallback's methods the first that nothing speaks against.
      SELECT DISTINCT ON (k.id COLLATE "C", k.scope COLLATE "C") k.id, k.address, k.position, k.method, k.ordinal, k.scope, k.reason, k.endpoint, k.number
      FROM (
        SELECT r.id, nullif(lower(r.snapshot ->> m.requires), '') AS address, r.position, c.name AS method, c.ordinal, CASE WHEN t.fallback = 'first' THEN '*' WHEN ep.id IS NULL THEN c.name ELSE c.name || ':' || ep.id END AS scope,
          ep.id AS endpoint, coalesce(ep.number, 0) AS number,
          herald.reason_against(expires_at <= now(), t.enabled, m.enabled, m.requires, r.snapshot, lenient, u.address IS NOT NULL, ep.enabled, ep.subscribed, t.mandatory, p.enabled, t.enabled_by_default) AS reason
        FROM (
          SELECT e.value ->> 'id' AS id, e.value AS snapshot, e.position
          FROM jsonb_array_elements(recipients) WITH ORDINALITY AS e (value, position)
          WHERE herald.accepts_recipient(e.value, fields, lenient, place, e.position)
        ) r
        CROSS JOIN unnest(chosen) WITH ORDINALITY AS c (name, ordinal)
        JOIN herald.method m ON m.name = c.name
        LEFT JOIN herald.suppression u ON u.method = m.name AND u.address = lower(r.snapshot ->> m.requires) AND u.suppressed_at IS NOT NULL
        LEFT JOIN LATERAL herald.choice_of(r.id, t.name, t."group", m.name) p ON true
        LEFT JOIN LATERAL herald.endpoints_of(r.id, t.tenant, t."group", m.name) ep ON has_endpoints
      ) k
      ORDER BY k.id COLLATE "C", k.scope COLLATE "C", k.position, k.reason IS NOT NULL, k.ordinal, k.number
    ) s;
  END IF;

  RETURN QUERY
  WITH written AS (
    INSERT INTO herald.message AS w (id, notification_id, template, template_version, method, ordinal, status, reason, recipient_id,
      address, recipient, labels, secrets, data, actions, targets, tenant, group_key, unsubscribe_url, dedupe_key, dedupe_slot, priority, send_at, endpoint_id, attachments,
      expires_at, next_attempt_at, max_attempts, unknown, created_by, trace_context, created_at, settled_at, dedupe_scope)
    SELECT (id_head || to_hex(id_tail + (s.position * 16 + s.ordinal) * 16384 + s.number))::uuid, n, t.name, t.current_version, s.method, s.ordinal,
      CASE WHEN s.reason IS NULL THEN 'pending' WHEN s.reason = 'expired' THEN 'expired' ELSE 'inhibited' END, s.reason, s.id,
      s.address, herald.stored_recipient(recipients -> (s.position - 1)::int),
      open_labels, CASE WHEN s.reason IS NULL THEN nullif(hidden_labels, '{}') END, t.data, t.actions, coalesce(t.targets, '{}'), t.tenant, t."groupKey",
      t."unsubscribeUrl", t."dedupeKey", dedupe_window, coalesce(t.priority, 0), send_at, s.endpoint, files, expires_at, start_at, t.max_attempts, t.unknown,
      coalesce(t."createdBy", session_user), t."traceContext", now(), CASE WHEN s.reason IS NOT NULL THEN now() END,
      CASE WHEN t."dedupeKey" IS NOT NULL THEN s.scope END
    FROM unnest(judged) s
    ON CONFLICT DO NOTHING
    RETURNING w.id, w.recipient_id, w.method, w.status, w.reason, w.priority
  ), job AS (
    -- The columns and values are those of pg-boss's own insert(); a contract test compares the rows.
    INSERT INTO herald_queue.job (id, name, priority, start_after, created_on, expire_seconds, deletion_seconds, keep_until, retry_limit,
      retry_delay, retry_backoff, retry_delay_max, policy, dead_letter, heartbeat_seconds, blocked, blocking, pending_dependencies)
    SELECT w.id, w.method, w.priority, start_at, now(), q.expire_seconds, q.deletion_seconds, start_at + q.retention_seconds * interval '1 second',
      q.retry_limit, q.retry_delay, q.retry_backoff, q.retry_delay_max, q.policy, q.dead_letter, q.heartbeat_seconds, false, false, 0
    FROM written w
    LEFT JOIN herald_queue.queue q ON q.name = w.method
    WHERE w.status <> ALL ('{inhibited,expired}')
  )
  SELECT w.id, w.recipient_id, w.method, w.status, w.reason, false FROM written w ORDER BY w.id;
  GET DIAGNOSTICS written = ROW_COUNT;

  IF files > 0 AND written > 0 THEN
    INSERT INTO herald.attachment (notification_id, position, name, content_type, content)
    SELECT n, a.position, a.value ->> 'name', lower(a.value ->> 'contentType'), decode(a.value ->> 'content', 'base64')
    FROM jsonb_array_elements(notification -> 'attachments') WITH ORDINALITY AS a (value, position);
  END IF;
  IF t."dedupeKey" IS NOT NULL AND (has_endpoints OR written < jsonb_array_length(recipients) * (CASE t.fallback WHEN 'first' THEN 1 ELSE cardinality(chosen) END)) THEN
    RETURN QUERY
    SELECT m.id, m.recipient_id, m.method, m.status, m.reason, true
    FROM (SELECT e.value ->> 'id' AS id, min(e.position) AS position
      FROM jsonb_array_elements(recipients) WITH ORDINALITY AS e (value, position) GROUP BY 1) r
    JOIN herald.message m ON m.recipient_id = r.id
    WHERE m.dedupe_key = t."dedupeKey" AND m.dedupe_slot = dedupe_window AND m.notification_id <> n
      AND split_part(m.dedupe_scope, ':', 1) = ANY (CASE t.fallback WHEN 'first' THEN '{*}' ELSE chosen END)
    ORDER BY r.position, array_position(chosen, m.method), m.id;
  END IF;
  IF start_at <= now() AND written > 0 AND listening IS NOT NULL THEN
    PERFORM pg_notify('herald', l) FROM unnest(listening) AS l;
  END IF;
END
$$;
--> statement-breakpoint
-- The same with named arguments, for triggers, pg_cron, psql and other languages:
--   SELECT * FROM herald.enqueue('workspace-deleted', '{"id": "42", "email": "ada@example.com"}', labels => '{"workspace": "w"}');
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
  attachments jsonb DEFAULT NULL)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text, deduplicated boolean)
LANGUAGE sql VOLATILE
AS $$
  SELECT * FROM herald.enqueue(jsonb_build_object(
    'template', $1, 'to', $2, 'labels', $3, 'data', $4, 'actions', $5, 'targets', to_jsonb($6), 'methods', to_jsonb($7),
    'dedupeKey', $8, 'dedupeWindowSeconds', extract(epoch FROM $9), 'sendAt', $10, 'delaySeconds', extract(epoch FROM $11),
    'expiresAt', $12, 'ttlSeconds', extract(epoch FROM $13), 'priority', $14, 'tenant', $15, 'groupKey', $16,
    'unsubscribeUrl', $17, 'createdBy', $18, 'invalidAddress', $19, 'attachments', $20))
$$;
--> statement-breakpoint
-- Cancels in the caller's transaction and answers at once, per message: cancelled, in_flight (a worker is dispatching
-- it right now) or already_settled. The row lock decides between us and a worker that begins at the same moment. Jobs that
-- nobody has leased go too: one may be scheduled for next year.
CREATE OR REPLACE FUNCTION herald.cancel(message_ids uuid[] DEFAULT NULL, dedupe_key text DEFAULT NULL, target text DEFAULT NULL)
RETURNS TABLE (message_id uuid, answer text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  ids uuid[] := $1;
BEGIN
  IF num_nonnulls($1, $2, $3) <> 1 THEN
    PERFORM herald.reject('HE006', '', 'cancel takes exactly one of message_ids, dedupe_key and target', 'Name the argument, for example target => ''42''.');
  ELSIF $2 IS NOT NULL THEN
    ids := ARRAY(SELECT m.id FROM herald.message m WHERE m.dedupe_key = $2);
  ELSIF $3 IS NOT NULL THEN
    ids := ARRAY(SELECT m.id FROM herald.message m WHERE m.targets @> ARRAY[$3] AND m.targets <> '{}');
  END IF;
  RETURN QUERY
  WITH locked AS (
    SELECT m.id, m.method, m.status FROM herald.message m WHERE m.id = ANY (ids) ORDER BY m.id FOR UPDATE
  ), stopped AS (
    UPDATE herald.message m
    SET status = 'cancelled', reason = 'cancelled', settled_at = now(), secrets = NULL
    FROM locked l
    WHERE m.id = l.id AND l.status IN ('pending', 'held')
    RETURNING m.id, m.method
  ), job AS (
    DELETE FROM herald_queue.job j USING stopped s WHERE j.name = s.method AND j.id = s.id AND j.state < 'active'
  )
  SELECT l.id, CASE WHEN l.status IN ('pending', 'held') THEN 'cancelled' WHEN l.status = 'sending' THEN 'in_flight' ELSE 'already_settled' END
  FROM locked l
  ORDER BY l.id;
END
$$;
--> statement-breakpoint
-- Makes messages of these states pending again, but for erased ones, which have nobody to go to. Runs with the caller's rights:
-- herald.retry and herald.replay lend theirs. A lease that began before the message was settled is over, as herald.ensure_jobs must know also
-- where no attempt was opened in it.
CREATE OR REPLACE FUNCTION herald.reopen(message_ids uuid[], states text[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
BEGIN
  UPDATE herald.message m
  SET status = 'pending', reason = NULL, detail = NULL, counted = 0, next_attempt_at = now(), settled_at = NULL, send_at = NULL,
    attempt_started_at = greatest(m.attempt_started_at, m.settled_at),
    expires_at = CASE WHEN m.expires_at <= now() THEN NULL ELSE m.expires_at END
  FROM herald.template_version v
  WHERE m.id = ANY (message_ids) AND m.status = ANY (states) AND m.recipient_id <> 'erased'
    AND v.template = m.template AND v.version = m.template_version
    AND (cardinality(v.secrets) = 0 OR m.secrets IS NOT NULL);
  PERFORM herald.ensure_jobs(message_ids);
  RETURN QUERY
  SELECT m.id, m.status = 'pending' AND m.next_attempt_at = now(), m.status FROM herald.message m WHERE m.id = ANY (message_ids);
END
$$;
--> statement-breakpoint
-- Delivers again, or for the first time, what failed, expired, was inhibited or is held. Attempts so far stay on record
-- but no longer count against the limit. A message whose secret labels were wiped cannot be rendered again and stays.
CREATE OR REPLACE FUNCTION herald.retry(message_ids uuid[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT * FROM herald.reopen($1, '{failed,held,expired,inhibited}')
$$;
--> statement-breakpoint
-- The same, and what was sent as well: a receiver that lost what it had accepted asks for it again. Same id, so that one
-- that did not lose it can tell.
CREATE OR REPLACE FUNCTION herald.replay(message_ids uuid[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT * FROM herald.reopen($1, '{sent,failed,held,expired,inhibited}')
$$;
--> statement-breakpoint
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
--> statement-breakpoint
-- Deletes one batch of what is settled and older than its template's group is kept: the setting "retention" holds days by group, "*" for
-- all others, null for ever. One caller at a time; the others and those who set nothing get 0 at once. Rows that somebody has locked
-- are left for the next time.
CREATE OR REPLACE FUNCTION herald.apply_retention(most integer DEFAULT 2000) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  policy CONSTANT jsonb := (SELECT s.value FROM herald.setting s WHERE s.key = 'retention');
  ids uuid[];
  files uuid[];
BEGIN
  IF policy IS NULL OR policy = '{}' OR NOT pg_try_advisory_xact_lock(4720190818) THEN
    RETURN 0;
  END IF;
  ids := ARRAY(
    SELECT o.id
    FROM herald.template t
    CROSS JOIN LATERAL (
      SELECT now() - (CASE WHEN policy ? t."group" THEN policy ->> t."group" ELSE policy ->> '*' END)::double precision * interval '1 day' AS before
    ) p
    CROSS JOIN LATERAL (
      SELECT m.id FROM herald.message m
      WHERE m.template = t.name AND m.created_at < p.before AND m.settled_at < p.before
      ORDER BY m.created_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ) o
    LIMIT $1);
  DELETE FROM herald.attempt a WHERE a.message_id = ANY (ids);
  WITH gone AS (DELETE FROM herald.message m WHERE m.id = ANY (ids) RETURNING m.notification_id, m.attachments)
  SELECT array_agg(DISTINCT g.notification_id) INTO files FROM gone g WHERE g.attachments > 0;
  DELETE FROM herald.attachment a
  WHERE a.notification_id = ANY (files) AND NOT EXISTS (SELECT FROM herald.message m WHERE m.notification_id = a.notification_id);
  RETURN cardinality(ids);
END
$$;
--> statement-breakpoint
-- Takes a person out of one batch of messages, by recipient id or by address: names, addresses, labels, data, secrets, files and what
-- receivers replied. Template, method, status, times and attempts stay, so that counts do. What waits is cancelled first; what is being
-- dispatched is left and counted as in_flight. Their preferences and the suppressions of their addresses go, too, and by recipient id
-- their endpoints, whose URLs and contacts are addresses. Call it again until it answers erased = 0.
CREATE OR REPLACE FUNCTION herald.erase(recipient_id text DEFAULT NULL, address text DEFAULT NULL, most integer DEFAULT 1000)
RETURNS TABLE (erased bigint, cancelled bigint, in_flight bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  person CONSTANT text := $1;
  mailbox CONSTANT text := lower($2);
  ids uuid[];
  mailboxes text[];
  stopped bigint;
BEGIN
  IF num_nonnulls(person, mailbox) <> 1 OR coalesce(person, mailbox) IN ('', 'erased') THEN
    PERFORM herald.reject('HE006', '', 'erase takes exactly one of recipient_id and address', 'Name the argument, for example recipient_id => ''user-7''.');
  END IF;
  ids := ARRAY(
    SELECT m.id FROM herald.message m
    WHERE CASE WHEN person IS NULL THEN m.address = mailbox ELSE m.recipient_id = person END AND m.status <> 'sending' LIMIT $3);
  -- In the order in which enqueue and settle lock.
  PERFORM FROM herald.message m WHERE m.id = ANY (ids) ORDER BY m.id FOR UPDATE;
  SELECT count(*) FILTER (WHERE c.answer = 'cancelled') INTO stopped FROM herald.cancel(ids) c;
  WITH before AS (SELECT m.id, m.method, m.address FROM herald.message m WHERE m.id = ANY (ids) AND m.status <> 'sending'),
  after AS (
    UPDATE herald.message m
    SET recipient_id = 'erased', recipient = '{"id": "erased"}', address = NULL, labels = '{}', secrets = NULL, data = NULL, actions = NULL,
      targets = array_remove(m.targets, m.recipient_id), group_key = NULL, unsubscribe_url = NULL, dedupe_key = NULL, dedupe_scope = NULL,
      trace_context = NULL, detail = NULL
    FROM before b WHERE m.id = b.id
    RETURNING m.id, m.notification_id, m.attachments
  ), replies AS (
    UPDATE herald.attempt a SET detail = NULL, reply_text = NULL, receiver_id = NULL FROM after f WHERE a.message_id = f.id
  ), files AS (
    -- Whoever else got the notification keeps its files.
    DELETE FROM herald.attachment a USING (SELECT DISTINCT f.notification_id FROM after f WHERE f.attachments > 0) n
    WHERE a.notification_id = n.notification_id
      AND NOT EXISTS (SELECT FROM herald.message m WHERE m.notification_id = n.notification_id AND m.recipient_id <> 'erased' AND m.id <> ALL (ids))
  )
  SELECT count(*), array_agg(DISTINCT b.address) INTO erased, mailboxes FROM before b;
  DELETE FROM herald.suppression s WHERE s.address = mailbox OR s.address = ANY (mailboxes);
  DELETE FROM herald.preference p WHERE p.recipient_id = person;
  -- With the last batch: what waits for an endpoint is cancelled before it goes.
  DELETE FROM herald.endpoint e WHERE e.recipient_id = person AND cardinality(ids) < $3;
  RETURN QUERY SELECT erased, stopped, count(*) FROM herald.message m
    WHERE CASE WHEN person IS NULL THEN m.address = mailbox ELSE m.recipient_id = person END AND m.status = 'sending';
END
$$;
--> statement-breakpoint
-- Postgres lets everybody execute a new function. Only the owner and the roles of roles.sql may call these.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA herald FROM PUBLIC;
--> statement-breakpoint
INSERT INTO herald_meta.migration (name, sha256, release) VALUES ('functions', '4a8cce0304345042314e539621551a362700ce5a42452f2de4c93a8049b74033', '0.1.0')
ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, release = excluded.release, applied_at = now();

    BEGIN;
    SET LOCAL lock_timeout = 30000;
    SET LOCAL idle_in_transaction_session_timeout = 30000;
    SELECT pg_advisory_xact_lock(('x' || encode(sha224((current_database() || '.pgboss.herald_queue')::bytea), 'hex'))::bit(64)::bigint);
CREATE SCHEMA IF NOT EXISTS herald_queue;

    CREATE TYPE herald_queue.job_state AS ENUM (
      'created',
      'retry',
      'active',
      'completed',
      'cancelled',
      'failed'
    )
  ;

    CREATE FUNCTION herald_queue.job_now()
    RETURNS timestamp with time zone AS
    $$
      SELECT pg_catalog.now();
    $$
    LANGUAGE sql STABLE;
  ;

    CREATE TABLE herald_queue.version (
      version int primary key,
      cron_on timestamp with time zone,
      bam_on timestamp with time zone,
      flow_on timestamp with time zone,
      reindex_on timestamp with time zone,
      monitor_backoff_on timestamp with time zone
    )
  ;

    CREATE TABLE herald_queue.queue (
      name text NOT NULL,
      policy text NOT NULL,
      retry_limit int NOT NULL,
      retry_delay int NOT NULL,
      retry_backoff bool NOT NULL,
      retry_delay_max int,
      expire_seconds int NOT NULL,
      retention_seconds int NOT NULL,
      deletion_seconds int NOT NULL,
      dead_letter text REFERENCES herald_queue.queue (name) CHECK (dead_letter IS DISTINCT FROM name),
      partition bool NOT NULL,
      table_name text NOT NULL,
      deferred_count int NOT NULL default 0,
      blocked_count int NOT NULL default 0,
      queued_count int NOT NULL default 0,
      ready_count int NOT NULL default 0,
      warning_queued int NOT NULL default 0,
      active_count int NOT NULL default 0,
      failed_count int NOT NULL default 0,
      total_count int NOT NULL default 0,
      retained_count int,
      retained_on timestamp with time zone,
      created_delta int NOT NULL default 0,
      completed_delta int NOT NULL default 0,
      failed_delta int NOT NULL default 0,
      delta_on timestamp with time zone,
      delta_seconds int,
      wait_bins int[],
      run_bins int[],
      ready_oldest_seconds int,
      ready_history int[] NOT NULL default '{}',
      heartbeat_seconds int,
      notify bool NOT NULL DEFAULT false,
      singletons_active text[],
      monitor_claim_on timestamp with time zone,
      monitor_on timestamp with time zone,
      maintain_on timestamp with time zone,
      created_on timestamp with time zone not null default now(),
      updated_on timestamp with time zone not null default now(),
      PRIMARY KEY (name)
    )
  ;

    CREATE TABLE herald_queue.schedule (
      name text REFERENCES herald_queue.queue ON DELETE CASCADE,
      key text not null DEFAULT '',
      kind text not null DEFAULT 'cron' CHECK (kind IN ('cron', 'rrule')),
      cron text not null,
      timezone text DEFAULT 'UTC',
      data jsonb,
      options jsonb,
      created_on timestamp with time zone not null default now(),
      updated_on timestamp with time zone not null default now(),
      last_job_id uuid,
      PRIMARY KEY (name, key)
    )
  ;

    CREATE TABLE herald_queue.subscription (
      event text not null,
      name text not null REFERENCES herald_queue.queue ON DELETE CASCADE,
      created_on timestamp with time zone not null default now(),
      updated_on timestamp with time zone not null default now(),
      PRIMARY KEY(event, name)
    )
  ;

    CREATE TABLE herald_queue.bam (
      id uuid PRIMARY KEY default gen_random_uuid(),
      name text NOT NULL,
      version int NOT NULL,
      status text NOT NULL DEFAULT 'pending',
      queue text,
      table_name text NOT NULL,
      command text NOT NULL,
      error text,
      created_on timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
      started_on timestamp with time zone,
      completed_on timestamp with time zone
    )
  ;

    CREATE FUNCTION herald_queue.job_table_format(command text, table_name text)
    RETURNS text AS
    $$
      SELECT format(
        regexp_replace(
          regexp_replace(command, '\.job\y', '.%1$I', 'g'),
          '\yjob_i(\d+)', '%1$s_i\1', 'g'
        ),
        table_name
      );
    $$
    LANGUAGE sql IMMUTABLE;
  ;

    CREATE FUNCTION herald_queue.job_table_run(command text, tbl_name text DEFAULT NULL, queue_name text DEFAULT NULL)
    RETURNS VOID AS
    $$
    DECLARE
      tbl RECORD;
    BEGIN
      IF queue_name IS NOT NULL THEN
        SELECT table_name INTO tbl_name FROM herald_queue.queue WHERE name = queue_name;
      END IF;

      IF tbl_name IS NOT NULL THEN
        EXECUTE herald_queue.job_table_format(command, tbl_name);
        RETURN;
      END IF;

      EXECUTE herald_queue.job_table_format(command, 'job_common');

      FOR tbl IN SELECT table_name FROM herald_queue.queue WHERE partition = true
      LOOP
        EXECUTE herald_queue.job_table_format(command, tbl.table_name);
      END LOOP;
    END;
    $$
    LANGUAGE plpgsql;
  ;

    CREATE FUNCTION herald_queue.job_table_run_async(command_name text, version int, command text, tbl_name text DEFAULT NULL, queue_name text DEFAULT NULL)
    RETURNS VOID AS
    $$
    BEGIN
      IF queue_name IS NOT NULL THEN
        SELECT table_name INTO tbl_name FROM herald_queue.queue WHERE name = queue_name;
      END IF;

      IF tbl_name IS NOT NULL THEN
        INSERT INTO herald_queue.bam (name, version, status, queue, table_name, command)
        VALUES (
          command_name,
          version,
          'pending',
          queue_name,
          tbl_name,
          herald_queue.job_table_format(command, tbl_name)
        );
        RETURN;
      END IF;

      INSERT INTO herald_queue.bam (name, version, status, queue, table_name, command)
      SELECT
        command_name,
        version,
        'pending',
        NULL,
        'job_common',
        herald_queue.job_table_format(command, 'job_common')
      UNION ALL
      SELECT
        command_name,
        version,
        'pending',
        queue.name,
        queue.table_name,
        herald_queue.job_table_format(command, queue.table_name)
      FROM herald_queue.queue
      WHERE partition = true;
    END;
    $$
    LANGUAGE plpgsql;
  ;

    CREATE TABLE herald_queue.job (
      id uuid not null default gen_random_uuid(),
      name text not null,
      priority integer not null default(0),
      data jsonb,
      state herald_queue.job_state not null default 'created',
      retry_limit integer not null default 2,
      retry_count integer not null default 0,
      retry_delay integer not null default 0,
      retry_backoff boolean not null default false,
      retry_delay_max integer,
      expire_seconds int not null default 900,
      deletion_seconds int not null default 604800,
      singleton_key text,
      singleton_on timestamp without time zone,
      group_id text,
      group_tier text,
      start_after timestamp with time zone not null default now(),
      created_on timestamp with time zone not null default now(),
      started_on timestamp with time zone,
      completed_on timestamp with time zone,
      keep_until timestamp with time zone NOT NULL default now() + interval '1209600',
      output jsonb,
      dead_letter text,
      policy text,
      heartbeat_on timestamp with time zone,
      heartbeat_seconds int,
      blocked boolean not null default false,
      blocking boolean not null default false,
      pending_dependencies int not null default 0,
      source_name text,
      source_id uuid,
      source_created_on timestamp with time zone,
      source_retry_count int,
      source_output jsonb,
      source_root_id uuid,
      trace_context jsonb,
      upsert_by_key bool
    ) PARTITION BY LIST (name)
  ;
ALTER TABLE herald_queue.job ADD PRIMARY KEY (name, id);

    CREATE TABLE herald_queue.job_common (LIKE herald_queue.job INCLUDING GENERATED INCLUDING DEFAULTS);

    SELECT herald_queue.job_table_run($cmd$ALTER TABLE herald_queue.job ADD PRIMARY KEY (name, id)$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$ALTER TABLE herald_queue.job ADD CONSTRAINT q_fkey FOREIGN KEY (name) REFERENCES herald_queue.queue (name) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$ALTER TABLE herald_queue.job ADD CONSTRAINT dlq_fkey FOREIGN KEY (dead_letter) REFERENCES herald_queue.queue (name) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE UNIQUE INDEX job_i1 ON herald_queue.job (name, COALESCE(singleton_key, '')) WHERE state = 'created' AND policy = 'short'$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE UNIQUE INDEX job_i2 ON herald_queue.job (name, COALESCE(singleton_key, '')) WHERE state = 'active' AND policy = 'singleton'$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE UNIQUE INDEX job_i3 ON herald_queue.job (name, state, COALESCE(singleton_key, '')) WHERE state <= 'active' AND policy = 'stately'$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE UNIQUE INDEX job_i6 ON herald_queue.job (name, COALESCE(singleton_key, '')) WHERE state <= 'active' AND policy = 'exclusive'$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE UNIQUE INDEX job_i8 ON herald_queue.job (name, singleton_key) WHERE state IN ('active', 'retry', 'failed') AND policy = 'key_strict_fifo'$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE INDEX job_i10 ON herald_queue.job (name, singleton_key, state DESC, created_on, id) INCLUDE (start_after) WHERE state < 'active' AND NOT blocked AND policy = 'key_strict_fifo'$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$ALTER TABLE herald_queue.job ADD CONSTRAINT job_key_strict_fifo_singleton_key_check CHECK (NOT (policy = 'key_strict_fifo' AND singleton_key IS NULL))$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE UNIQUE INDEX job_i4 ON herald_queue.job (name, singleton_on, COALESCE(singleton_key, '')) WHERE state <> 'cancelled' AND singleton_on IS NOT NULL$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE INDEX job_i11 ON herald_queue.job (name, priority DESC, created_on, start_after) WHERE state < 'active' AND NOT blocked$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE INDEX job_i7 ON herald_queue.job (name, group_id) WHERE state = 'active' AND group_id IS NOT NULL$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE INDEX job_i9 ON herald_queue.job (name, id) WHERE blocking AND state = 'completed'$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE INDEX job_i12 ON herald_queue.job (source_root_id) WHERE source_root_id IS NOT NULL$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE UNIQUE INDEX job_i13 ON herald_queue.job (name, singleton_key) WHERE state = 'created' AND upsert_by_key$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE INDEX job_i14 ON herald_queue.job (name, state, blocked, start_after) WHERE state IN ('created', 'retry', 'active', 'failed')$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE INDEX job_i15 ON herald_queue.job (name, created_on)$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE INDEX job_i16 ON herald_queue.job (name, completed_on) WHERE completed_on IS NOT NULL$cmd$, 'job_common');
    SELECT herald_queue.job_table_run($cmd$CREATE INDEX job_i17 ON herald_queue.job (name, singleton_key, created_on) WHERE state < 'active' AND singleton_key IS NOT NULL$cmd$, 'job_common');

    ALTER TABLE herald_queue.job ATTACH PARTITION herald_queue.job_common DEFAULT;
  ;

    CREATE TABLE herald_queue.warning (
      id uuid PRIMARY KEY default gen_random_uuid(),
      type text NOT NULL,
      message text NOT NULL,
      data jsonb,
      created_on timestamp with time zone NOT NULL DEFAULT now()
    )
  ;
CREATE INDEX warning_i1 ON herald_queue.warning (created_on DESC);

    CREATE TABLE herald_queue.queue_stats (
      id uuid NOT NULL DEFAULT gen_random_uuid(),
      name text NOT NULL,
      deferred_count int NOT NULL DEFAULT 0,
      queued_count   int NOT NULL DEFAULT 0,
      ready_count    int NOT NULL DEFAULT 0,
      active_count   int NOT NULL DEFAULT 0,
      failed_count   int NOT NULL DEFAULT 0,
      total_count    int NOT NULL DEFAULT 0,
      created_delta   int,
      completed_delta int,
      failed_delta    int,
      delta_seconds   int,
      delta_on        timestamptz,
      wait_bins       int[],
      run_bins        int[],
      ready_oldest_seconds int,
      captured_on timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (id, captured_on)
    ) PARTITION BY RANGE (captured_on)
  ;
CREATE INDEX queue_stats_i1 ON herald_queue.queue_stats (name, captured_on DESC) INCLUDE (deferred_count, queued_count, ready_count, active_count, failed_count, total_count);
;

    DO $$
    DECLARE
      d date;
      i int;
      part_name text;
    BEGIN
      FOR i IN 0..1 LOOP
        d := (herald_queue.job_now() AT TIME ZONE 'UTC')::date + i;
        part_name := 'queue_stats_' || to_char(d, 'YYYYMMDD');
        IF NOT EXISTS (
          SELECT 1 FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = 'herald_queue' AND c.relname = part_name
        ) THEN
          EXECUTE format(
            'CREATE TABLE herald_queue.%I PARTITION OF herald_queue.queue_stats FOR VALUES FROM (%L) TO (%L)',
            part_name,
            to_char(d, 'YYYY-MM-DD') || ' 00:00:00+00',
            to_char(d + 1, 'YYYY-MM-DD') || ' 00:00:00+00'
          );
        END IF;
      END LOOP;
    END;
    $$
  ;

    CREATE TABLE herald_queue.job_dependency (
      child_name text NOT NULL,
      child_id uuid NOT NULL,
      parent_name text NOT NULL,
      parent_id uuid NOT NULL,
      PRIMARY KEY (child_name, child_id, parent_name, parent_id)
    )
  ;
CREATE INDEX IF NOT EXISTS job_dep_parent_idx ON herald_queue.job_dependency (parent_name, parent_id);

    CREATE TABLE herald_queue.instance (
      id uuid PRIMARY KEY,
      name text,
      host text NOT NULL,
      pid int NOT NULL,
      version text NOT NULL,
      node_version text NOT NULL,
      application_name text,
      heartbeat_seconds int NOT NULL,
      supervise bool NOT NULL,
      schedule bool NOT NULL,
      migrate bool NOT NULL,
      persist_queue_stats bool NOT NULL,
      persist_warnings bool NOT NULL,
      pool_max int,
      pool_total int,
      pool_idle int,
      pool_waiting int,
      workers jsonb NOT NULL DEFAULT '[]'::jsonb,
      metrics jsonb,
      config jsonb NOT NULL DEFAULT '{}'::jsonb,
      crash_restarts int NOT NULL DEFAULT 0,
      crash_restarts_since timestamptz,
      started_on timestamptz NOT NULL DEFAULT now(),
      heartbeat_on timestamptz NOT NULL DEFAULT now(),
      stopped_on timestamptz
    )
  ;

    CREATE FUNCTION herald_queue.create_queue(queue_name text, options jsonb)
    RETURNS VOID AS
    $$
    DECLARE
      tablename varchar := CASE WHEN options->>'partition' = 'true'
                            THEN 'j' || encode(sha224(queue_name::bytea), 'hex')
                            ELSE 'job_common'
                            END;
      queue_created_on timestamptz;
    BEGIN

      WITH q as (
        INSERT INTO herald_queue.queue (
          name,
          policy,
          retry_limit,
          retry_delay,
          retry_backoff,
          retry_delay_max,
          expire_seconds,
          retention_seconds,
          deletion_seconds,
          warning_queued,
          dead_letter,
          partition,
          table_name,
          heartbeat_seconds,
          notify,
          created_on,
          updated_on
        )
        VALUES (
          queue_name,
          options->>'policy',
          COALESCE((options->>'retryLimit')::int, 2),
          COALESCE((options->>'retryDelay')::int, 0),
          COALESCE((options->>'retryBackoff')::bool, false),
          (options->>'retryDelayMax')::int,
          COALESCE((options->>'expireInSeconds')::int, 900),
          COALESCE((options->>'retentionSeconds')::int, 1209600),
          COALESCE((options->>'deleteAfterSeconds')::int, 604800),
          COALESCE((options->>'warningQueueSize')::int, 0),
          options->>'deadLetter',
          COALESCE((options->>'partition')::bool, false),
          tablename,
          (options->>'heartbeatSeconds')::int,
          COALESCE((options->>'notify')::bool, false),
          herald_queue.job_now(),
          herald_queue.job_now()
        )
        ON CONFLICT DO NOTHING
        RETURNING created_on
      )
      SELECT created_on into queue_created_on from q;

      IF queue_created_on IS NULL OR options->>'partition' IS DISTINCT FROM 'true' THEN
        RETURN;
      END IF;

      EXECUTE format('CREATE TABLE herald_queue.%I (LIKE herald_queue.job INCLUDING DEFAULTS)', tablename);

      EXECUTE herald_queue.job_table_format($cmd$ALTER TABLE herald_queue.job ADD PRIMARY KEY (name, id)$cmd$, tablename);
      EXECUTE herald_queue.job_table_format($cmd$ALTER TABLE herald_queue.job ADD CONSTRAINT q_fkey FOREIGN KEY (name) REFERENCES herald_queue.queue (name) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED$cmd$, tablename);
      EXECUTE herald_queue.job_table_format($cmd$ALTER TABLE herald_queue.job ADD CONSTRAINT dlq_fkey FOREIGN KEY (dead_letter) REFERENCES herald_queue.queue (name) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED$cmd$, tablename);

      EXECUTE herald_queue.job_table_format($cmd$CREATE INDEX job_i11 ON herald_queue.job (name, priority DESC, created_on, start_after) WHERE state < 'active' AND NOT blocked$cmd$, tablename);
      EXECUTE herald_queue.job_table_format($cmd$CREATE UNIQUE INDEX job_i4 ON herald_queue.job (name, singleton_on, COALESCE(singleton_key, '')) WHERE state <> 'cancelled' AND singleton_on IS NOT NULL$cmd$, tablename);
      EXECUTE herald_queue.job_table_format($cmd$CREATE INDEX job_i7 ON herald_queue.job (name, group_id) WHERE state = 'active' AND group_id IS NOT NULL$cmd$, tablename);
      EXECUTE herald_queue.job_table_format($cmd$CREATE INDEX job_i9 ON herald_queue.job (name, id) WHERE blocking AND state = 'completed'$cmd$, tablename);
      EXECUTE herald_queue.job_table_format($cmd$CREATE INDEX job_i12 ON herald_queue.job (source_root_id) WHERE source_root_id IS NOT NULL$cmd$, tablename);
      EXECUTE herald_queue.job_table_format($cmd$CREATE UNIQUE INDEX job_i13 ON herald_queue.job (name, singleton_key) WHERE state = 'created' AND upsert_by_key$cmd$, tablename);
      EXECUTE herald_queue.job_table_format($cmd$CREATE INDEX job_i14 ON herald_queue.job (name, state, blocked, start_after) WHERE state IN ('created', 'retry', 'active', 'failed')$cmd$, tablename);
      EXECUTE herald_queue.job_table_format($cmd$CREATE INDEX job_i15 ON herald_queue.job (name, created_on)$cmd$, tablename);
      EXECUTE herald_queue.job_table_format($cmd$CREATE INDEX job_i16 ON herald_queue.job (name, completed_on) WHERE completed_on IS NOT NULL$cmd$, tablename);
      EXECUTE herald_queue.job_table_format($cmd$CREATE INDEX job_i17 ON herald_queue.job (name, singleton_key, created_on) WHERE state < 'active' AND singleton_key IS NOT NULL$cmd$, tablename);

      IF options->>'policy' = 'short' THEN
        EXECUTE herald_queue.job_table_format($cmd$CREATE UNIQUE INDEX job_i1 ON herald_queue.job (name, COALESCE(singleton_key, '')) WHERE state = 'created' AND policy = 'short'$cmd$, tablename);
      ELSIF options->>'policy' = 'singleton' THEN
        EXECUTE herald_queue.job_table_format($cmd$CREATE UNIQUE INDEX job_i2 ON herald_queue.job (name, COALESCE(singleton_key, '')) WHERE state = 'active' AND policy = 'singleton'$cmd$, tablename);
      ELSIF options->>'policy' = 'stately' THEN
        EXECUTE herald_queue.job_table_format($cmd$CREATE UNIQUE INDEX job_i3 ON herald_queue.job (name, state, COALESCE(singleton_key, '')) WHERE state <= 'active' AND policy = 'stately'$cmd$, tablename);
      ELSIF options->>'policy' = 'exclusive' THEN
        EXECUTE herald_queue.job_table_format($cmd$CREATE UNIQUE INDEX job_i6 ON herald_queue.job (name, COALESCE(singleton_key, '')) WHERE state <= 'active' AND policy = 'exclusive'$cmd$, tablename);
      ELSIF options->>'policy' = 'key_strict_fifo' THEN
        EXECUTE herald_queue.job_table_format($cmd$CREATE UNIQUE INDEX job_i8 ON herald_queue.job (name, singleton_key) WHERE state IN ('active', 'retry', 'failed') AND policy = 'key_strict_fifo'$cmd$, tablename);
        EXECUTE herald_queue.job_table_format($cmd$CREATE INDEX job_i10 ON herald_queue.job (name, singleton_key, state DESC, created_on, id) INCLUDE (start_after) WHERE state < 'active' AND NOT blocked AND policy = 'key_strict_fifo'$cmd$, tablename);
        EXECUTE herald_queue.job_table_format($cmd$ALTER TABLE herald_queue.job ADD CONSTRAINT job_key_strict_fifo_singleton_key_check CHECK (NOT (policy = 'key_strict_fifo' AND singleton_key IS NULL))$cmd$, tablename);
      END IF;

      EXECUTE format('ALTER TABLE herald_queue.%I ADD CONSTRAINT cjc CHECK (name=%L)', tablename, queue_name);
      EXECUTE format('ALTER TABLE herald_queue.job ATTACH PARTITION herald_queue.%I FOR VALUES IN (%L)', tablename, queue_name);
    END;
    $$
    LANGUAGE plpgsql;
  ;

    CREATE FUNCTION herald_queue.delete_queue(queue_name text)
    RETURNS VOID AS
    $$
    DECLARE
      v_table varchar;
      v_partition bool;
    BEGIN
      
      SELECT table_name, partition
      FROM herald_queue.queue
      WHERE name = queue_name
      INTO v_table, v_partition;

      IF v_partition THEN
        EXECUTE format('DROP TABLE IF EXISTS herald_queue.%I', v_table);
      ELSE
        EXECUTE format('DELETE FROM herald_queue.%I WHERE name = %L', v_table, queue_name);
      END IF;
    
      DELETE FROM herald_queue.queue WHERE name = queue_name;
    END;
    $$
    LANGUAGE plpgsql;
  ;
INSERT INTO herald_queue.version(version) VALUES ('46');
    COMMIT;
  
SELECT herald_queue.create_queue('dead-letter', '{"policy":"standard","retentionSeconds":31536000}'::jsonb);
SELECT herald_queue.create_queue('smtp', '{"policy":"standard","partition":true,"notify":false,"deadLetter":"dead-letter","heartbeatSeconds":15,"expireInSeconds":1200,"retryLimit":25,"retryDelay":0,"retryBackoff":false,"retentionSeconds":31536000,"deleteAfterSeconds":3600}'::jsonb);
INSERT INTO herald.method (name, requires) VALUES ('smtp', 'email');
SELECT herald_queue.create_queue('webhook', '{"policy":"standard","partition":true,"notify":false,"deadLetter":"dead-letter","heartbeatSeconds":15,"expireInSeconds":1200,"retryLimit":25,"retryDelay":0,"retryBackoff":false,"retentionSeconds":31536000,"deleteAfterSeconds":3600}'::jsonb);
INSERT INTO herald.method (name, requires) VALUES ('webhook', NULL);
SELECT herald_queue.create_queue('inbox', '{"policy":"standard","partition":true,"notify":false,"deadLetter":"dead-letter","heartbeatSeconds":15,"expireInSeconds":1200,"retryLimit":25,"retryDelay":0,"retryBackoff":false,"retentionSeconds":31536000,"deleteAfterSeconds":3600}'::jsonb);
INSERT INTO herald.method (name, requires) VALUES ('inbox', NULL);

INSERT INTO herald.template (name, "group", current_version) VALUES ('greeting', 'Greetings', 1), ('code', 'Security', 1);
INSERT INTO herald.template_version (template, version, title, body, labels, secrets, content_hash) VALUES
  ('greeting', 1, 'Hello {{labels.who}}', 'Dear {{labels.who}}', '{who}', '{}', 'x'),
  ('code', 1, 'Your code', 'It is {{labels.code}}.', '{code}', '{code}', 'y');
INSERT INTO herald.endpoint (id, name, method, groups, url_host, sealed) VALUES
  ('01890000-0000-7000-8000-000000000001', 'everything', 'webhook', '{}', 'hooks.example.com', 'sealed');
INSERT INTO herald.suppression (method, address, reason, suppressed_at) VALUES ('smtp', 'dead@example.com', 'operator', now());
SELECT herald.set_preference('3', 'template', 'greeting', false);
SELECT herald.enqueue('greeting', '[{"id": "1", "email": "a@example.com"}, {"id": "2", "email": "b@example.com"},
  {"id": "3", "email": "c@example.com"}, {"id": "4", "email": "dead@example.com"}]', '{"who": "Ada"}', dedupe_key => 'k',
  targets => '{thing-1}', data => '{"deep": [1, {"more": true}]}');
SELECT herald.enqueue('greeting', '{"id": "5", "email": "e@example.com"}', '{"who": "Eve"}', methods => '{smtp,webhook}',
  attachments => '[{"name": "a.txt", "contentType": "text/plain", "content": "aGVsbG8="}]');
SELECT herald.enqueue('code', '{"id": "6", "email": "f@example.com"}', '{"code": "123456"}', delay => '1 day');
SELECT herald.enqueue('greeting', '{"id": "7", "email": "g@example.com"}', '{"who": "Gus"}', dedupe_key => 'cancelled');
SELECT herald.cancel(dedupe_key => 'cancelled');
UPDATE herald.message SET status = 'held', next_attempt_at = 'infinity' WHERE recipient_id = '2';
