DO $$
DECLARE
  caller_path CONSTANT text := pg_catalog.current_setting('search_path');
  name text;
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  FOREACH name IN ARRAY '{herald,herald_queue,herald_meta}'::text[] LOOP
    IF to_regnamespace(name) IS NULL THEN EXECUTE format('CREATE SCHEMA %I', name); END IF;
  END LOOP;
  PERFORM pg_catalog.set_config('search_path', caller_path, true);
END $$;
CREATE TABLE IF NOT EXISTS herald_meta.migration (
  name text PRIMARY KEY,
  sha256 text NOT NULL,
  release text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);
--> statement-breakpoint
-- 0000_tables
CREATE TABLE "herald"."acknowledgement" (
	"notification_id" uuid NOT NULL,
	"recipient_id" text NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "acknowledgement_notification_id_recipient_id_pk" PRIMARY KEY("notification_id","recipient_id")
);
--> statement-breakpoint
CREATE TABLE "herald"."attachment" (
	"notification_id" uuid NOT NULL,
	"position" smallint NOT NULL,
	"name" text NOT NULL,
	"content_type" text NOT NULL,
	"content" "bytea" NOT NULL,
	"bytes" integer GENERATED ALWAYS AS (octet_length(content)) STORED,
	CONSTRAINT "attachment_notification_id_position_pk" PRIMARY KEY("notification_id","position")
);
--> statement-breakpoint
CREATE TABLE "herald"."attempt" (
	"message_id" uuid NOT NULL,
	"number" integer NOT NULL,
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
	"database_user" text DEFAULT SESSION_USER NOT NULL,
	"action" text NOT NULL,
	"subject" text,
	"why" text,
	"detail" jsonb
);
--> statement-breakpoint
CREATE TABLE "herald"."ended_session" (
	"id" text PRIMARY KEY NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
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
CREATE TABLE "herald"."hours" (
	"scope" text NOT NULL,
	"subject" text NOT NULL,
	"zone" text,
	"windows" jsonb NOT NULL,
	"opens" integer[] NOT NULL,
	"closes" integer[] NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "hours_scope_subject_pk" PRIMARY KEY("scope","subject"),
	CONSTRAINT "hours_scope" CHECK ("herald"."hours"."scope" in ('recipient', 'tenant', 'all')),
	CONSTRAINT "hours_subject" CHECK (("herald"."hours"."scope" = 'all') = ("herald"."hours"."subject" = ''))
);
--> statement-breakpoint
CREATE TABLE "herald"."inbox" (
	"message_id" uuid PRIMARY KEY NOT NULL,
	"recipient_id" text NOT NULL,
	"tenant" text,
	"added_at" timestamp with time zone DEFAULT now() NOT NULL,
	"seen_at" timestamp with time zone,
	"read_at" timestamp with time zone,
	"archived_at" timestamp with time zone,
	"added_xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	"changed_xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL
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
	"secrets" jsonb,
	"targets" text[] NOT NULL,
	"endpoint_id" uuid,
	"tenant" text,
	"group_key" text,
	"unsubscribe_url" text,
	"dedupe_key" text,
	"dedupe_slot" bigint DEFAULT 0 NOT NULL,
	"dedupe_scope" text,
	"priority" smallint DEFAULT 0 NOT NULL,
	"step" smallint,
	"unless" text,
	"send_at" timestamp with time zone,
	"quiet" text,
	"quiet_until" timestamp with time zone,
	"expires_at" timestamp with time zone,
	"next_attempt_at" timestamp with time zone NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"counted" integer DEFAULT 0 NOT NULL,
	"max_attempts" smallint,
	"crashes" integer DEFAULT 0 NOT NULL,
	"unknowns" integer DEFAULT 0 NOT NULL,
	"uncounted" integer DEFAULT 0 NOT NULL,
	"uncounted_since" timestamp with time zone,
	"fault_at" timestamp with time zone,
	"unknown" text DEFAULT 'retry' NOT NULL,
	"lease_token" uuid,
	"leased_by" text,
	"attempt_started_at" timestamp with time zone,
	"created_by" text NOT NULL,
	"attachments" smallint DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"settled_at" timestamp with time zone,
	CONSTRAINT "message_status" CHECK ("herald"."message"."status" in ('pending', 'sending', 'sent', 'failed', 'inhibited', 'cancelled', 'expired', 'held')),
	CONSTRAINT "message_quiet" CHECK ("herald"."message"."quiet" in ('send', 'drop', 'pass')),
	CONSTRAINT "message_unknown" CHECK ("herald"."message"."unknown" in ('retry', 'hold')),
	CONSTRAINT "message_unless" CHECK ("herald"."message"."unless" in ('seen', 'read', 'acknowledged'))
);
--> statement-breakpoint
CREATE TABLE "herald"."method" (
	"name" text PRIMARY KEY NOT NULL,
	"enabled" boolean DEFAULT true NOT NULL,
	"notify" boolean DEFAULT true NOT NULL,
	"requires" text,
	"quiet_hours" boolean DEFAULT true NOT NULL,
	"paused_at" timestamp with time zone,
	"paused_by" text,
	"pause_kind" text,
	"pause_reason" text,
	"pause_detail" text,
	"probe_at" timestamp with time zone,
	"probe_failures" integer DEFAULT 0 NOT NULL,
	"last_sent_at" timestamp with time zone,
	"erased_key" "bytea",
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "method_pause_kind" CHECK ("herald"."method"."pause_kind" in ('operator', 'fault'))
);
--> statement-breakpoint
CREATE TABLE "herald"."notification" (
	"id" uuid PRIMARY KEY NOT NULL,
	"labels" jsonb NOT NULL,
	"data" jsonb,
	"actions" jsonb,
	"trace_context" jsonb,
	"seal_id" uuid
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
CREATE TABLE "herald"."preference_history" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "herald"."preference_history_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"recipient_id" text NOT NULL,
	"scope" text NOT NULL,
	"subject" text NOT NULL,
	"method" text NOT NULL,
	"enabled" boolean,
	"changed_by" text NOT NULL,
	"database_user" text DEFAULT SESSION_USER NOT NULL,
	"at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "preference_history_changed_by" CHECK ("herald"."preference_history"."changed_by" in ('link', 'inbox', 'api', 'operator', 'report', 'import', 'sql'))
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
	"kind" text NOT NULL,
	"message_id" uuid NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"recipient" text,
	"reply" jsonb,
	"first_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"put_back_at" timestamp with time zone,
	"put_backs" integer DEFAULT 0 NOT NULL,
	"waiting" boolean DEFAULT false NOT NULL,
	"secrets" jsonb,
	CONSTRAINT "refusal_method_sender_kind_message_id_pk" PRIMARY KEY("method","sender","kind","message_id"),
	CONSTRAINT "refusal_kind" CHECK ("herald"."refusal"."kind" in ('refused', 'unknown'))
);
--> statement-breakpoint
CREATE TABLE "herald"."report" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"message_id" uuid,
	"kind" text NOT NULL,
	"effect" text NOT NULL,
	"unmatched" text,
	"status_code" text,
	"reply_text" text,
	"reporter" text,
	"domain" text,
	"source" text NOT NULL,
	"source_id" text NOT NULL,
	"times" integer DEFAULT 1 NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "report_source" UNIQUE("source","source_id"),
	CONSTRAINT "report_kind" CHECK ("herald"."report"."kind" in ('bounce', 'delay', 'complaint', 'unsubscribe', 'other')),
	CONSTRAINT "report_effect" CHECK ("herald"."report"."effect" in ('dead', 'soft', 'ours', 'complaint', 'unsubscribe', 'none')),
	CONSTRAINT "report_unmatched" CHECK (("herald"."report"."message_id" is null) = ("herald"."report"."unmatched" is not null))
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
	"succeeded_at" timestamp with time zone,
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
	"cause" text DEFAULT 'operator' NOT NULL,
	"reason" text NOT NULL,
	"hits" integer DEFAULT 0 NOT NULL,
	"first_at" timestamp with time zone DEFAULT now() NOT NULL,
	"last_at" timestamp with time zone DEFAULT now() NOT NULL,
	"suppressed_at" timestamp with time zone,
	"expires_at" timestamp with time zone,
	CONSTRAINT "suppression_method_address_pk" PRIMARY KEY("method","address"),
	CONSTRAINT "suppression_cause" CHECK ("herald"."suppression"."cause" in ('dead', 'soft', 'complaint', 'operator'))
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
	"quiet" text DEFAULT 'send' NOT NULL,
	"max_attempts" smallint,
	"sender" text,
	"steps" jsonb,
	"guard" text,
	"recipient_guard" boolean DEFAULT true NOT NULL,
	"example" jsonb,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "template_kind" CHECK ("herald"."template"."kind" in ('system', 'custom', 'test')),
	CONSTRAINT "template_fallback" CHECK ("herald"."template"."fallback" in ('all', 'first')),
	CONSTRAINT "template_unknown" CHECK ("herald"."template"."unknown" in ('retry', 'hold')),
	CONSTRAINT "template_quiet" CHECK ("herald"."template"."quiet" in ('send', 'drop')),
	CONSTRAINT "template_ttl" CHECK ("herald"."template"."ttl_seconds" > 0),
	CONSTRAINT "template_max_attempts" CHECK ("herald"."template"."max_attempts" between 1 and 1000),
	CONSTRAINT "template_guard" CHECK ("herald"."template"."guard" ~ '^[a-z_][a-z0-9_]{0,62}[.][a-z_][a-z0-9_]{0,62}$')
);
--> statement-breakpoint
CREATE TABLE "herald"."template_text" (
	"template" text NOT NULL,
	"version" integer NOT NULL,
	"language" text NOT NULL,
	"title" text NOT NULL,
	"body" text NOT NULL,
	"actions" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"preview" text,
	"words" jsonb,
	CONSTRAINT "template_text_template_version_language_pk" PRIMARY KEY("template","version","language")
);
--> statement-breakpoint
CREATE TABLE "herald"."template_version" (
	"template" text NOT NULL,
	"version" integer NOT NULL,
	"language" text DEFAULT 'en' NOT NULL,
	"title" text NOT NULL,
	"body" text NOT NULL,
	"actions" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"preview" text,
	"words" jsonb,
	"labels" text[] NOT NULL,
	"secrets" text[] NOT NULL,
	"data_fields" text[],
	"content_hash" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "template_version_template_version_pk" PRIMARY KEY("template","version")
);
--> statement-breakpoint
CREATE TABLE "herald"."tenant" (
	"id" text PRIMARY KEY NOT NULL,
	"brand" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"sender" text,
	"locale" text,
	"time_zone" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "tenant_id" CHECK (length("herald"."tenant"."id") between 1 and 200),
	CONSTRAINT "tenant_brand" CHECK (jsonb_typeof("herald"."tenant"."brand") = 'object'),
	CONSTRAINT "tenant_locale" CHECK (length("herald"."tenant"."locale") <= 35),
	CONSTRAINT "tenant_time_zone" CHECK (length("herald"."tenant"."time_zone") <= 64)
);
--> statement-breakpoint
CREATE TABLE "herald"."worker" (
	"name" text PRIMARY KEY NOT NULL,
	"methods" text[] NOT NULL,
	"version" text NOT NULL,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"seen_at" timestamp with time zone DEFAULT now() NOT NULL,
	"notified" boolean,
	"errors" jsonb DEFAULT '[]'::jsonb NOT NULL
);
--> statement-breakpoint
ALTER TABLE "herald"."template_text" ADD CONSTRAINT "template_text_version" FOREIGN KEY ("template","version") REFERENCES "herald"."template_version"("template","version") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "herald"."template_version" ADD CONSTRAINT "template_version_template_template_name_fk" FOREIGN KEY ("template") REFERENCES "herald"."template"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "audit_at" ON "herald"."audit" USING btree ("at","id");--> statement-breakpoint
CREATE INDEX "audit_subject" ON "herald"."audit" USING btree ("subject","at");--> statement-breakpoint
CREATE INDEX "endpoint_recipient" ON "herald"."endpoint" USING btree ("method","recipient_id");--> statement-breakpoint
CREATE INDEX "endpoint_tenant" ON "herald"."endpoint" USING btree ("method","tenant");--> statement-breakpoint
CREATE INDEX "inbox_items" ON "herald"."inbox" USING btree ("recipient_id","added_at","message_id");--> statement-breakpoint
CREATE INDEX "inbox_unread" ON "herald"."inbox" USING btree ("recipient_id","tenant","seen_at") WHERE "herald"."inbox"."read_at" is null and "herald"."inbox"."archived_at" is null;--> statement-breakpoint
CREATE INDEX "inbox_reader_changes" ON "herald"."inbox" USING btree ("recipient_id","changed_xid");--> statement-breakpoint
CREATE INDEX "inbox_changes" ON "herald"."inbox" USING btree ("changed_xid");--> statement-breakpoint
CREATE INDEX "message_recipients" ON "herald"."message" USING btree ("recipient_id","created_at","id");--> statement-breakpoint
CREATE INDEX "message_addresses" ON "herald"."message" USING btree ("address","created_at","id") WHERE "herald"."message"."address" is not null;--> statement-breakpoint
CREATE INDEX "message_templates" ON "herald"."message" USING btree ("template","created_at","id");--> statement-breakpoint
CREATE INDEX "message_times" ON "herald"."message" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX "message_reasons" ON "herald"."message" USING btree ("created_at","id") WHERE "herald"."message"."reason" is not null;--> statement-breakpoint
CREATE INDEX "message_open" ON "herald"."message" USING btree ("method","next_attempt_at") WHERE "herald"."message"."settled_at" is null;--> statement-breakpoint
CREATE INDEX "message_uncounted" ON "herald"."message" USING btree ("method") WHERE "herald"."message"."uncounted_since" is not null and "herald"."message"."settled_at" is null;--> statement-breakpoint
CREATE INDEX "message_endpoint" ON "herald"."message" USING btree ("endpoint_id","created_at") WHERE "herald"."message"."endpoint_id" is not null;--> statement-breakpoint
CREATE INDEX "message_targets" ON "herald"."message" USING gin ("targets") WHERE "herald"."message"."targets" <> '{}';--> statement-breakpoint
CREATE INDEX "message_notification" ON "herald"."message" USING btree ("notification_id");--> statement-breakpoint
CREATE INDEX "message_tenants" ON "herald"."message" USING btree ("tenant","created_at","id") WHERE "herald"."message"."tenant" is not null;--> statement-breakpoint
CREATE INDEX "message_steps" ON "herald"."message" USING btree ("recipient_id","notification_id") WHERE "herald"."message"."unless" is not null and "herald"."message"."settled_at" is null;--> statement-breakpoint
CREATE UNIQUE INDEX "message_dedupe" ON "herald"."message" USING btree ("dedupe_key","dedupe_slot","recipient_id","dedupe_scope") WHERE "herald"."message"."dedupe_key" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "notification_seal" ON "herald"."notification" USING btree ("seal_id") WHERE "herald"."notification"."seal_id" is not null;--> statement-breakpoint
CREATE INDEX "preference_history_recipient" ON "herald"."preference_history" USING btree ("recipient_id","id");--> statement-breakpoint
CREATE INDEX "report_message" ON "herald"."report" USING btree ("message_id") WHERE "herald"."report"."message_id" is not null;--> statement-breakpoint
CREATE INDEX "report_times" ON "herald"."report" USING btree ("at");
--> statement-breakpoint
INSERT INTO herald_meta.migration (name, sha256, release) VALUES ('0000_tables', 'b6c4f0b3afd5c182dec528d40b3792ad8ee9ee687ac3b827b787a5c9a6b9cb5f', '0.1.0')
ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, release = excluded.release, applied_at = now();
--> statement-breakpoint
-- functions
-- Settings of the tables that drizzle-kit cannot express. A message changes twice: when its attempt opens and when it
-- settles. Half of each page starts empty, so that the first change finds room beside the old version of the row and
-- touches no index. Measured: that holds for 45 of 100 updates at a fill factor of 50, for 14 at 80. Autovacuum runs
-- after thousands of changes instead of after a fifth of a large table.
ALTER TABLE herald.message SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
  autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 5000);
--> statement-breakpoint
ALTER TABLE herald.method SET (fillfactor = 50);
--> statement-breakpoint
ALTER TABLE herald.endpoint SET (fillfactor = 50);
--> statement-breakpoint
ALTER TABLE herald.rate_bucket SET (fillfactor = 50);
--> statement-breakpoint
-- The exact counts are read from an index alone, as long as vacuum has seen the pages of the items.
ALTER TABLE herald.inbox SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 1000,
  autovacuum_analyze_scale_factor = 0.02);
--> statement-breakpoint
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
--> statement-breakpoint
-- Returns whether this is a time-ordered id that was made within 24 hours of now.
CREATE OR REPLACE FUNCTION herald.is_recent_id(id text) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  RETURN coalesce(id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$', false)
    AND abs(('x' || left(replace(id, '-', ''), 12))::bit(48)::bigint - extract(epoch FROM now()) * 1000) < 86400000;
END
$$;
--> statement-breakpoint
-- Raises an error about the input. The codes: HE001 template, HE002 labels, HE003 recipients, HE004 methods, HE005
-- size, HE006 options. COLUMN has the path to the wrong value. No message repeats a possible address or secret, and
-- none is long, although names of options and labels may be.
CREATE OR REPLACE FUNCTION herald.reject(code text, path text, message text, hint text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = code, COLUMN = left(path, 300), MESSAGE = format('herald: %s', left(message, 1000)), HINT = hint;
END
$$;
--> statement-breakpoint
-- One line of text. A plain expression, like those of the next functions: the planner inlines it.
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
-- The length of a percent-encoded URL: a byte that is not ASCII takes three characters.
CREATE OR REPLACE FUNCTION herald.ascii_length(url text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT octet_length(url) + 2 * octet_length(regexp_replace(url, '[\u0001-\u007f]+', '', 'g'))
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
      AND herald.is_url(elements -> i -> 'url', 'https?://|mailto:')
      AND (elements -> i ->> 'url') !~* '^https?://[^/?#]*@' AND herald.ascii_length(elements -> i ->> 'url') <= 4096) THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN true;
END
$$;
--> statement-breakpoint
-- Returns an address as it is stored for look-ups: in lower case by the rule of ASCII, because a database with a
-- Turkish locale would turn I into a dotless i. COLLATE "default" lets indexes of columns match.
CREATE OR REPLACE FUNCTION herald.normalize_address(address text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT lower(address COLLATE "C") COLLATE "default"
$$;
--> statement-breakpoint
-- JSON that every reader can take: not nested deeper than 100 levels, and no number that JavaScript reads as infinite.
CREATE OR REPLACE FUNCTION herald.is_readable_json(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT NOT (jsonb_typeof(value) IN ('object', 'array') AND (value @? 'strict $.**{101}'
    OR value @? 'strict $.** ? (@.type() == "number" && (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308))'))
    AND NOT (jsonb_typeof(value) = 'number' AND value @? '$ ? (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308)')
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
-- One plain address, RFC 5321 section 4.1.2 with RFC 6531: no quotes, comments, lists or literals. The same rule as
-- `parseAddress`: a property test compares both. The long class is white space, control and format characters.
CREATE OR REPLACE FUNCTION herald.is_address(address text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT octet_length(address) <= 254 AND octet_length(split_part(address, '@', 1)) <= 64
    AND split_part(address, '@', 2) COLLATE "C" !~* '[^.]{64,}|(^|\.)(0x[0-9a-f]*|[0-9]+)$'
    AND address COLLATE "C" !~ '[\u0001-\u0020\u007f-\u00a0\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]'
    AND address COLLATE "C" ~ '^[^"(),.:;<>@[\\\]]+(\.[^"(),.:;<>@[\\\]]+)*@[a-zA-Z0-9\u00a1-\u1fff\u2c00-\u2fff\u3001-\ufdff](-*[a-zA-Z0-9\u00a1-\u1fff\u2c00-\u2fff\u3001-\ufdff]|\.[a-zA-Z0-9\u00a1-\u1fff\u2c00-\u2fff\u3001-\ufdff])*$'
$$;
--> statement-breakpoint
-- Returns the position of the first invalid attachment, counted from 0; null if all are valid. Decoding here keeps a
-- broken one out of the table.
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
      AND (a ->> 'contentType') COLLATE "C" ~ '^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+( *; *[A-Za-z0-9!#$&^_.+-]+=([A-Za-z0-9!#$&^_.+-]+|"[A-Za-z0-9_ !#$&''()*+,./:;<=>?@\[\]^{|}~-]*"))*$'
      AND (a ->> 'contentType') !~* '^multipart/' AND decode(a ->> 'content', 'base64') IS NOT NULL) THEN
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
--> statement-breakpoint
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
--> statement-breakpoint
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
--> statement-breakpoint
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
--> statement-breakpoint
-- Returns whether this is a valid recipient, apart from its address: the fast check. herald.reject_recipient says what
-- is wrong with an invalid one.
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
      WHEN wrong = stray THEN ' is not a known field'
      WHEN wrong IN ('id', 'name') THEN ' must be one line of 200 characters at most'
      WHEN wrong = 'locale' THEN ' must be a language tag of 35 characters at most'
      WHEN wrong = 'timeZone' THEN ' must be a time zone of 64 characters at most'
      WHEN wrong = 'email' THEN ' must be one plain address such as name@example.com'
      ELSE ' must be one line of text' END,
    format('A recipient has an id and, as far as they are known, %s.', array_to_string(array_remove(fields, 'id'), ', ')));
END
$$;
--> statement-breakpoint
-- Returns a recipient without empty fields and with numbers as text.
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
-- Checks the recipients of a notification and returns them as an array, without null fields and without white space
-- around addresses. An invalid address passes, and its message is inhibited, unless invalid_address is 'reject'.
CREATE OR REPLACE FUNCTION herald.check_recipients(recipients jsonb, fields text[], invalid_address text) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  path CONSTANT text := CASE jsonb_typeof(recipients) WHEN 'array' THEN 'to[%s]' ELSE 'to' END;
  checked jsonb := jsonb_strip_nulls(CASE jsonb_typeof(recipients) WHEN 'array' THEN recipients ELSE jsonb_build_array(recipients) END);
  must_be_valid CONSTANT boolean := coalesce(invalid_address = 'reject', false);
BEGIN
  -- The usual case, a call with one recipient: expressions without the two queries.
  IF jsonb_array_length(checked) = 1 AND herald.is_recipient(checked -> 0, fields)
      AND (NOT checked -> 0 ? 'email' OR herald.is_address(checked -> 0 ->> 'email')) THEN
    RETURN checked;
  END IF;
  IF EXISTS (SELECT FROM jsonb_array_elements(checked) AS r WHERE r.value ->> 'email' ~ '^\s|\s$') THEN
    checked := (SELECT jsonb_agg(CASE WHEN r.value ->> 'email' ~ '^\s|\s$'
      THEN jsonb_set(r.value, '{email}', to_jsonb(regexp_replace(r.value ->> 'email', '^\s+|\s+$', '', 'g'))) ELSE r.value END ORDER BY r.position)
      FROM jsonb_array_elements(checked) WITH ORDINALITY AS r (value, position));
  END IF;
  PERFORM herald.reject_recipient(r.value, fields, format(path, r.position - 1))
  FROM jsonb_array_elements(checked) WITH ORDINALITY AS r (value, position)
  WHERE NOT herald.is_recipient(r.value, fields)
    OR must_be_valid AND coalesce(r.value ->> 'email', '') <> '' AND NOT herald.is_address(r.value ->> 'email')
  LIMIT 1;
  RETURN checked;
END
$$;
--> statement-breakpoint
-- Refuses a notification that would write too much, before it writes anything: more than 200,000 messages, or more than
-- 256 MiB of what each message stores of the notification. Endpoints without a recipient or tenant multiply the
-- messages.
CREATE OR REPLACE FUNCTION herald.check_volume(recipients bigint, methods text[], has_endpoints boolean, options jsonb, secrets jsonb) RETURNS void
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  max_messages CONSTANT bigint := 200000;
  max_bytes CONSTANT bigint := 268435456;
  messages bigint := recipients * cardinality(methods);
  bytes bigint;
BEGIN
  IF has_endpoints THEN
    messages := recipients * (SELECT sum(greatest(1, (
      SELECT count(*) FROM (
        SELECT FROM herald.endpoint e
        WHERE e.method = m AND e.recipient_id IS NULL AND (e.tenant IS NULL OR e.tenant = options ->> 'tenant') LIMIT 1000) e)))
      FROM unnest(methods) AS m);
  END IF;
  IF messages > max_messages THEN
    PERFORM herald.reject('HE003', 'to', format('%s recipients make up to %s messages, the limit of one call is %s', recipients, messages, max_messages),
      'Enqueue in several calls.');
  END IF;
  bytes := messages * octet_length(concat(options -> 'targets', secrets, options ->> 'unsubscribeUrl', options ->> 'groupKey',
    options ->> 'dedupeKey', options ->> 'createdBy', options ->> 'tenant'));
  IF bytes > max_bytes THEN
    PERFORM herald.reject('HE005', 'to',
      format('targets, secret labels, keys and URLs of %s messages are %s bytes, the limit is %s', messages, bytes, max_bytes),
      'Enqueue in several calls, or pass what all recipients share as labels or data.');
  END IF;
END
$$;
--> statement-breakpoint
-- Adds a row to the history for each change of a preference, also one that was made without our functions. Nothing is
-- added where the choice stays the same.
CREATE OR REPLACE FUNCTION herald.record_preference() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  changed_by CONSTANT text := coalesce(nullif(current_setting('herald.changed_by', true), ''), 'sql');
BEGIN
  IF TG_OP = 'DELETE'
    OR (TG_OP = 'UPDATE' AND (OLD.recipient_id, OLD.scope, OLD.subject, OLD.method) <> (NEW.recipient_id, NEW.scope, NEW.subject, NEW.method)) THEN
    INSERT INTO herald.preference_history (recipient_id, scope, subject, method, enabled, changed_by)
    VALUES (OLD.recipient_id, OLD.scope, OLD.subject, OLD.method, NULL, changed_by);
  ELSIF TG_OP = 'UPDATE' AND OLD.enabled = NEW.enabled THEN
    RETURN NULL;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO herald.preference_history (recipient_id, scope, subject, method, enabled, changed_by)
    VALUES (NEW.recipient_id, NEW.scope, NEW.subject, NEW.method, NEW.enabled, changed_by);
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
DO $$
DECLARE
  caller_path CONSTANT text := pg_catalog.current_setting('search_path');
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = 'herald.preference'::regclass AND tgname = 'record_preference') THEN
    CREATE TRIGGER record_preference AFTER INSERT OR UPDATE OR DELETE ON herald.preference
      FOR EACH ROW EXECUTE FUNCTION herald.record_preference();
  END IF;
  PERFORM pg_catalog.set_config('search_path', caller_path, true);
END
$$;
--> statement-breakpoint
-- Returns the preference that decided at that time whether a recipient got a template by a method, with who had set it
-- and when; no row if there was none, so that the template's default applied. The same order as in choice_of.
CREATE OR REPLACE FUNCTION herald.choice_at(recipient_id text, template text, template_group text, method text, moment timestamptz)
RETURNS TABLE (scope text, subject text, by_method text, enabled boolean, changed_by text, database_user text, since timestamptz)
LANGUAGE sql STABLE
AS $$
  SELECT c.scope, c.subject, c.method, c.enabled, c.changed_by, c.database_user, c.at
  FROM (
    SELECT DISTINCT ON (h.scope, h.subject, h.method) h.*
    FROM herald.preference_history h
    WHERE h.recipient_id = $1 AND h.at <= $5 AND h.method IN ($4, '*')
      AND ((h.scope = 'template' AND h.subject = $2) OR (h.scope = 'group' AND h.subject = $3) OR h.scope = 'all')
    ORDER BY h.scope, h.subject, h.method, h.id DESC
  ) c
  WHERE c.enabled IS NOT NULL
  ORDER BY c.scope DESC, c.subject DESC, c.method DESC
  LIMIT 1
$$;
--> statement-breakpoint
-- Returns what a tenant has of the brand, or null: for the pages of recipients, whose role reads no table.
CREATE OR REPLACE FUNCTION herald.tenant_brand(tenant text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT t.brand FROM herald.tenant t WHERE t.id = $1
$$;
--> statement-breakpoint
-- Returns recipients with the locale and the time zone of the tenant, where they have none of their own: so that the
-- snapshot of each message says in which language and at which hours its recipient reads.
CREATE OR REPLACE FUNCTION herald.with_tenant_defaults(recipients jsonb, tenant text) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  defaults CONSTANT jsonb := (SELECT jsonb_strip_nulls(jsonb_build_object('locale', t.locale, 'timeZone', t.time_zone))
    FROM herald.tenant t WHERE t.id = tenant);
BEGIN
  IF defaults IS NULL OR defaults = '{}' THEN
    RETURN recipients;
  END IF;
  RETURN (SELECT coalesce(jsonb_agg(defaults || herald.stored_recipient(r.value) ORDER BY r.position), '[]')
    FROM jsonb_array_elements(recipients) WITH ORDINALITY AS r (value, position));
END
$$;
--> statement-breakpoint
DROP FUNCTION IF EXISTS herald.set_preference(text, text, text, boolean, text);
--> statement-breakpoint
DROP FUNCTION IF EXISTS herald.try_preference(text, text, text, boolean, text);
--> statement-breakpoint
-- Returns what a recipient wants: one row, or none. The most specific choice decides: template before group before all,
-- then a named method before '*'. In descending order the words sort that way, so the primary key returns them without
-- a sort. The planner inlines this function after LATERAL; STRICT, SET or SECURITY DEFINER would prevent that.
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
-- Sets a preference, or removes it where enabled is null. Scope: template, group or all (subject ''). The history says
-- who did: link, inbox, api, operator, report, import or sql.
-- drops: herald.set_preference(text, text, text, boolean, text)
CREATE OR REPLACE FUNCTION herald.set_preference(recipient_id text, scope text, subject text, enabled boolean, method text DEFAULT '*', changed_by text DEFAULT 'sql') RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
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
    PERFORM set_config('herald.changed_by', $6, true);
    DELETE FROM herald.preference p WHERE p.recipient_id = $1 AND p.scope = $2 AND p.subject = coalesce($3, '') AND p.method = $5;
    PERFORM set_config('herald.changed_by', '', true);
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
  PERFORM set_config('herald.changed_by', $6, true);
  INSERT INTO herald.preference AS p (recipient_id, scope, subject, method, enabled) VALUES ($1, $2, coalesce($3, ''), $5, $4)
  ON CONFLICT ON CONSTRAINT preference_recipient_id_scope_subject_method_pk DO UPDATE SET enabled = EXCLUDED.enabled, updated_at = now();
  PERFORM set_config('herald.changed_by', '', true);
END
$$;
--> statement-breakpoint
-- The same for clients: it returns what set_preference refuses, because an error would abort the caller's transaction.
-- drops: herald.try_preference(text, text, text, boolean, text)
CREATE OR REPLACE FUNCTION herald.try_preference(recipient_id text, scope text, subject text, enabled boolean, method text, changed_by text DEFAULT 'sql')
RETURNS TABLE (place text, message text)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  hint text;
BEGIN
  PERFORM herald.set_preference($1, $2, $3, $4, $5, $6);
EXCEPTION WHEN SQLSTATE 'HE001' OR SQLSTATE 'HE003' OR SQLSTATE 'HE004' OR SQLSTATE 'HE006' THEN
  GET STACKED DIAGNOSTICS place = COLUMN_NAME, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  message := format('%s. %s', message, hint);
  RETURN NEXT;
END
$$;
--> statement-breakpoint
-- Returns what a recipient gets at present: a row per template and method. decided_by names the rule that decided.
CREATE OR REPLACE FUNCTION herald.preferences(recipient_id text)
RETURNS TABLE (template text, template_group text, method text, enabled boolean, mandatory boolean, decided_by text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
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
-- Returns the endpoints that a message of one method goes to: the recipient's own, otherwise the tenant's, otherwise
-- those without a recipient or tenant. Endpoints that are disabled or not subscribed to the template's group are
-- included, so that a row can say why nothing was sent. If another endpoint of the same owner is subscribed, those that
-- are not are left out.
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
-- Returns the template that a notification names, and what its current version needs: labels, secret labels, and fields
-- of the data.
CREATE OR REPLACE FUNCTION herald.resolve_template(name text, OUT template herald.template, OUT required text[], OUT secret_names text[],
  OUT data_fields text[])
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  current record;
BEGIN
  SELECT t AS template, v.labels, v.secrets, v.data_fields INTO current
  FROM herald.template t JOIN herald.template_version v ON v.template = t.name AND v.version = t.current_version WHERE t.name = $1;
  IF NOT FOUND THEN
    PERFORM herald.reject('HE001', 'template', format('unknown template "%s"', left($1, 200)),
      'Write templates/<name>.md and run "pg-herald templates sync".');
  END IF;
  template := current.template;
  required := current.labels;
  secret_names := current.secrets;
  data_fields := current.data_fields;
END
$$;
--> statement-breakpoint
-- Refuses a notification whose data lacks a field that the template needs. Deeper fields show when it is rendered.
CREATE OR REPLACE FUNCTION herald.check_data(data jsonb, data_fields text[], template herald.template) RETURNS void
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  missing CONSTANT text[] := ARRAY(SELECT f FROM unnest(data_fields) AS f WHERE NOT coalesce(data ? f, false));
BEGIN
  IF cardinality(missing) > 0 THEN
    PERFORM herald.reject('HE002', 'data.' || missing[1],
      format('template "%s" version %s needs "%s" in its data', template.name, template.current_version,
        array_to_string(missing, '", "')),
      'Add it to the data of the notification.');
  END IF;
END
$$;
--> statement-breakpoint
-- Returns the names of the labels that a template declares secret; null for an unknown template. For clients that
-- encrypt them.
CREATE OR REPLACE FUNCTION herald.secret_labels(template text) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT v.secrets FROM herald.template t
  JOIN herald.template_version v ON v.template = t.name AND v.version = t.current_version WHERE t.name = $1
$$;
--> statement-breakpoint
-- Returns the texts of a template's current version, its labels and its secret ones; null for an unknown template. For
-- clients that encrypt labels, and render before they enqueue.
CREATE OR REPLACE FUNCTION herald.current_template(template text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object('name', t.name, 'version', v.version, 'language', v.language, 'title', v.title, 'preview', v.preview,
    'body', v.body, 'actions', v.actions, 'labels', v.labels, 'secrets', v.secrets, 'texts', (
      SELECT jsonb_agg(jsonb_build_object('language', x.language, 'title', x.title, 'preview', x.preview, 'body', x.body,
        'actions', x.actions) ORDER BY x.language)
      FROM herald.template_text x WHERE x.template = v.template AND x.version = v.version))
  FROM herald.template t
  JOIN herald.template_version v ON v.template = t.name AND v.version = t.current_version WHERE t.name = $1
$$;
--> statement-breakpoint
-- Splits the labels of a notification into the readable and the secret ones. A label that the template declares secret
-- is never stored among the others, and is refused in plain text: encrypted labels come in the option "secrets"
-- together with their sealId.
CREATE OR REPLACE FUNCTION herald.split_labels(options jsonb, template herald.template, required text[], secret_names text[],
  OUT labels jsonb, OUT secrets jsonb)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  missing text[];
  plain text;
  undeclared text;
BEGIN
  labels := coalesce(options -> 'labels', '{}');
  secrets := coalesce(options -> 'secrets', '{}');
  IF secrets <> '{}' AND NOT options ? 'sealId' THEN
    plain := (SELECT s FROM jsonb_object_keys(secrets) AS s LIMIT 1);
  END IF;
  IF cardinality(secret_names) > 0 THEN
    plain := coalesce((SELECT l FROM jsonb_object_keys(labels) AS l WHERE l = ANY (secret_names) LIMIT 1), plain);
    secrets := secrets || coalesce((SELECT jsonb_object_agg(l.key, l.value) FROM jsonb_each(labels) l WHERE l.key = ANY (secret_names)), '{}');
    labels := labels - secret_names;
  END IF;
  -- A secret that replaces a label must be declared, or a message would say what its record does not show. A secret of
  -- newer code, which this version neither declares nor needs, stays apart and is not rendered.
  IF secrets <> '{}' THEN
    undeclared := (SELECT s FROM jsonb_object_keys(secrets - secret_names) AS s
      WHERE s = ANY (required) OR labels ? s LIMIT 1);
  END IF;
  IF undeclared IS NOT NULL THEN
    PERFORM herald.reject('HE002', 'secrets.' || undeclared,
      format('template "%s" version %s does not declare "%s" secret', template.name, template.current_version, left(undeclared, 200)),
      'Declare it under "secrets" in the header of the template and sync, or pass it as a label.');
  END IF;
  IF plain IS NOT NULL AND options -> 'allowPlainSecrets' IS DISTINCT FROM 'true' THEN
    PERFORM herald.reject('HE002', 'labels.' || plain, format('the label "%s" is secret and must be encrypted', left(plain, 200)),
      'Give createHerald the encryptLabels of labelSecrets, or "pg-herald send" HERALD_SECRET_KEY. To store plain text, set allowPlainSecrets to true.');
  END IF;
  IF NOT (labels || secrets) ?& required THEN
    missing := ARRAY(SELECT r FROM unnest(required) AS r WHERE NOT (labels || secrets) ? r);
    PERFORM herald.reject('HE002', 'labels.' || missing[1],
      format('template "%s" version %s needs the label%s "%s"', template.name, template.current_version,
        CASE WHEN cardinality(missing) > 1 THEN 's' ELSE '' END, array_to_string(missing, '", "')),
      'Add what is missing to the labels of the notification.');
  END IF;
END
$$;
--> statement-breakpoint
-- Returns the methods of a notification, in order: the operator's choice, otherwise the caller's, the template's, the
-- default. fields: what a recipient may have for these methods. notified: the methods whose workers listen.
CREATE OR REPLACE FUNCTION herald.resolve_methods(options jsonb, template herald.template,
  OUT methods text[], OUT fields text[], OUT notified text[], OUT has_endpoints boolean)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  known bigint;
  missing text;
BEGIN
  methods := nullif(template.methods_override, '{}');
  IF methods IS NULL AND options ? 'methods' THEN
    methods := ARRAY(SELECT jsonb_array_elements_text(options -> 'methods'));
  END IF;
  methods := coalesce(methods, nullif(template.methods, '{}'));
  IF methods IS NULL THEN
    methods := coalesce(nullif((SELECT ARRAY(SELECT jsonb_array_elements_text(s.value)) FROM herald.setting s WHERE s.key = 'methods'), '{}'), '{smtp}');
  END IF;
  fields := ARRAY['id', 'email', 'name', 'locale', 'timeZone'];
  SELECT fields || array_agg(m.requires) FILTER (WHERE m.requires <> ALL (fields)), count(*),
      array_agg(m.name) FILTER (WHERE m.notify), bool_or(EXISTS (SELECT FROM herald.endpoint e WHERE e.method = m.name))
    INTO fields, known, notified, has_endpoints
    FROM herald.method m WHERE m.name = ANY (methods) AND m.name <> '*';
  IF known < cardinality(methods) THEN
    missing := (SELECT c FROM unnest(methods) AS c WHERE NOT EXISTS (SELECT FROM herald.method m WHERE m.name = c AND m.name <> '*') LIMIT 1);
  END IF;
  IF missing IS NOT NULL THEN
    PERFORM herald.reject('HE004', 'methods', format('unknown method "%s"', left(missing, 200)),
      'Known methods are the rows of herald.method; add one with "pg-herald migrate --method NAME".');
  END IF;
END
$$;
--> statement-breakpoint
-- Writes one job per message that lacks one. Columns and values are those that pg-boss's own insert() writes; a
-- contract test compares the rows. The caller passes the values: a plan that reads them from herald.message, made while
-- that table was small, would scan all of it. ON CONFLICT names no index, because Postgres would map it to the
-- partition in each call.
CREATE OR REPLACE FUNCTION herald.insert_jobs(message_ids uuid[], methods text[], priorities smallint[], start_after timestamptz[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  inserted bigint;
BEGIN
  INSERT INTO herald_queue.job (id, name, priority, start_after, created_on, expire_seconds, deletion_seconds, keep_until, retry_limit,
    retry_delay, retry_backoff, retry_delay_max, policy, dead_letter, heartbeat_seconds, blocked, blocking, pending_dependencies)
  SELECT m.id, m.method, m.priority, m.start_after, now(), q.expire_seconds, q.deletion_seconds,
    m.start_after + q.retention_seconds * interval '1 second', q.retry_limit, q.retry_delay, q.retry_backoff, q.retry_delay_max, q.policy,
    q.dead_letter, q.heartbeat_seconds, false, false, 0
  FROM unnest($1, $2, $3, $4) AS m (id, method, priority, start_after)
  LEFT JOIN herald_queue.queue q ON q.name = m.method
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS inserted = ROW_COUNT;
  RETURN inserted;
END
$$;
--> statement-breakpoint
-- Gives unsettled messages the jobs that they lack, brings forward jobs that wait longer than their message, and wakes
-- the workers. A message that is pending again after an attempt may still have the job of that attempt: its worker has
-- settled the message and is about to remove the job. The job is taken out of that lease, which the removal names, so
-- that it stays for the next lease. A lease that is younger than the attempt has not begun yet and stays.
CREATE OR REPLACE FUNCTION herald.ensure_jobs(message_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  inserted bigint;
  brought_forward bigint;
BEGIN
  UPDATE herald_queue.job j SET state = 'retry', start_after = m.next_attempt_at, heartbeat_on = NULL
  FROM herald.message m
  WHERE m.id = ANY (message_ids) AND m.status = 'pending' AND j.name = m.method AND j.id = m.id
    AND j.state = 'active' AND j.started_on <= m.attempt_started_at;
  SELECT herald.insert_jobs(array_agg(m.id), array_agg(m.method), array_agg(m.priority), array_agg(m.next_attempt_at)) INTO inserted
  FROM herald.message m WHERE m.id = ANY (message_ids) AND m.status IN ('pending', 'sending');
  UPDATE herald_queue.job j SET start_after = m.next_attempt_at
  FROM herald.message m
  WHERE m.id = ANY (message_ids) AND m.status IN ('pending', 'sending') AND j.name = m.method AND j.id = m.id
    AND j.state < 'active' AND j.start_after > m.next_attempt_at;
  GET DIAGNOSTICS brought_forward = ROW_COUNT;
  PERFORM pg_notify('herald', m.method) FROM herald.message m WHERE m.id = ANY (message_ids) GROUP BY m.method;
  RETURN inserted + brought_forward;
END
$$;
--> statement-breakpoint
-- Makes those messages due that wait because an attempt was not counted: it met a fault of the method or a sender. For
-- the operator who has fixed the cause. '*' means every method. Returns how many there were.
CREATE OR REPLACE FUNCTION herald.bring_forward(method text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ids uuid[];
BEGIN
  ids := ARRAY(
    SELECT m.id FROM herald.message m
    WHERE m.uncounted_since IS NOT NULL AND m.settled_at IS NULL AND m.status = 'pending'
      AND m.next_attempt_at > now() AND ($1 = '*' OR m.method = $1)
    ORDER BY m.id FOR UPDATE);
  UPDATE herald.message m SET next_attempt_at = now() WHERE m.id = ANY (ids);
  PERFORM herald.ensure_jobs(ids);
  RETURN cardinality(ids);
END
$$;
--> statement-breakpoint
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
--> statement-breakpoint
-- Returns the number of the dedupe window since the epoch, or 0 without a window.
CREATE OR REPLACE FUNCTION herald.dedupe_slot(options jsonb) RETURNS bigint
LANGUAGE sql STABLE
AS $$
  SELECT coalesce(1 + floor(extract(epoch FROM now()) / (options ->> 'dedupeWindowSeconds')::double precision), 0)::bigint
$$;
--> statement-breakpoint
-- Returns the name under which Postgres has an IANA time zone; null for every other text, without an error. Postgres
-- itself takes more than IANA has: any text in the form of POSIX, where "UTC+2" is west of Greenwich, and
-- abbreviations, where "CET" has no summer time although the zone of that name has. So a name must have the form of
-- IANA's, and the old names without an area are written as what they are links to. An offset such as "+05:30" counts as
-- in ISO 8601 and in JavaScript: east of Greenwich.
CREATE OR REPLACE FUNCTION herald.known_zone(zone text) RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  areas CONSTANT text[] := '{africa,america,antarctica,arctic,asia,atlantic,australia,brazil,canada,chile,etc,europe,'
    'indian,mexico,pacific,us}';
  lowered CONSTANT text := lower(zone COLLATE "C");
  name text := zone;
BEGIN
  -- Without a regular expression, which costs more than all the rest.
  IF split_part(lowered, '/', 1) = ANY (areas) AND lowered LIKE '%_/_%' AND lowered NOT LIKE '%//%'
      AND translate(lowered, 'abcdefghijklmnopqrstuvwxyz_-/', '') = '' THEN
    NULL;
  ELSIF lowered ~ '^etc/gmt([+-]([0-9]|1[0-4])|0)$' THEN
    NULL;
  ELSIF zone ~ '^[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?$' THEN
    name := format('<%s>%s%s:%s', zone, translate(left(zone, 1), '+-', '-+'), substr(zone, 2, 2),
      coalesce(nullif(right(substr(zone, 4), 2), ''), '00'));
  ELSE
    name := '{"cet": "Europe/Brussels", "cst6cdt": "America/Chicago", "cuba": "America/Havana", "eet": "Europe/Athens",
      "egypt": "Africa/Cairo", "eire": "Europe/Dublin", "est": "America/Panama", "est5edt": "America/New_York",
      "gb": "Europe/London", "gb-eire": "Europe/London", "gmt": "Etc/GMT", "gmt+0": "Etc/GMT", "gmt-0": "Etc/GMT",
      "gmt0": "Etc/GMT", "greenwich": "Etc/GMT", "hongkong": "Asia/Hong_Kong", "hst": "Pacific/Honolulu",
      "iceland": "Atlantic/Reykjavik", "iran": "Asia/Tehran", "israel": "Asia/Jerusalem", "jamaica": "America/Jamaica",
      "japan": "Asia/Tokyo", "kwajalein": "Pacific/Kwajalein", "libya": "Africa/Tripoli", "met": "Europe/Brussels",
      "mst": "America/Phoenix", "mst7mdt": "America/Denver", "navajo": "America/Denver", "nz": "Pacific/Auckland",
      "nz-chat": "Pacific/Chatham", "poland": "Europe/Warsaw", "portugal": "Europe/Lisbon", "prc": "Asia/Shanghai",
      "pst8pdt": "America/Los_Angeles", "roc": "Asia/Taipei", "rok": "Asia/Seoul", "singapore": "Asia/Singapore",
      "turkey": "Europe/Istanbul", "uct": "Etc/UTC", "universal": "Etc/UTC", "utc": "Etc/UTC", "w-su": "Europe/Moscow",
      "wet": "Europe/Lisbon", "zulu": "Etc/UTC"}'::jsonb ->> lowered;
  END IF;
  RETURN CASE WHEN now() AT TIME ZONE name IS NOT NULL THEN name END;
EXCEPTION WHEN invalid_parameter_value THEN
  RETURN NULL;
END
$$;
--> statement-breakpoint
-- Returns the first moment, not before the given one, at which the clock on the wall of a time zone shows a time
-- within the windows. Seconds of the week count from Monday 00:00 of that clock. Where the clock changes on the way to
-- the next window, the moment of the change is looked at, too: a time that is skipped is never shown, so that a window
-- from 02:30 opens with the change, and a time that is repeated is shown twice.
CREATE OR REPLACE FUNCTION herald.next_opening(opens integer[], closes integer[], zone text, at timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  week CONSTANT integer := 604800;
  current timestamptz := $4;
  early timestamptz;
  late timestamptz;
  middle timestamptz;
  shown timestamp;
  ahead interval;
  elapsed integer;
  slot integer;
BEGIN
  LOOP
    early := date_trunc('second', current);
    shown := early AT TIME ZONE zone;
    -- 1970-01-05 was a Monday.
    elapsed := mod(mod(extract(epoch FROM shown)::bigint - 345600, week) + week, week);
    slot := width_bucket(elapsed, opens);
    IF slot > 0 AND elapsed < closes[slot] THEN
      RETURN current;
    END IF;
    late := early + (coalesce(opens[slot + 1], opens[1] + week) - elapsed) * interval '1 second';
    ahead := shown - (early AT TIME ZONE 'UTC');
    IF (late AT TIME ZONE zone) - (late AT TIME ZONE 'UTC') = ahead THEN
      RETURN late;
    END IF;
    WHILE late - early > interval '1 second' LOOP
      middle := early + floor(extract(epoch FROM late - early) / 2) * interval '1 second';
      IF (middle AT TIME ZONE zone) - (middle AT TIME ZONE 'UTC') = ahead THEN
        early := middle;
      ELSE
        late := middle;
      END IF;
    END LOOP;
    current := late;
  END LOOP;
END
$$;
--> statement-breakpoint
-- Returns whose hours apply to a recipient (scope), in which time zone, and the first moment at or after the given one
-- at which they are open. The most specific hours decide. The zone is the one of the recipient's hours, otherwise the
-- recipient's own, the tenant's, or that for all; one that is unknown is passed over, and UTC is the last resort. known
-- is the zone as Postgres names it.
CREATE OR REPLACE FUNCTION herald.opening(recipient_id text, tenant text, time_zone text, at timestamptz,
  OUT opens_at timestamptz, OUT zone text, OUT known text, OUT scope text, OUT windows jsonb)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  applied record;
BEGIN
  SELECT coalesce(r.scope, t.scope, a.scope) AS scope, coalesce(r.windows, t.windows, a.windows) AS windows,
      coalesce(r.opens, t.opens, a.opens) AS opens, coalesce(r.closes, t.closes, a.closes) AS closes,
      ARRAY[r.zone, $3, t.zone, a.zone] AS zones
    INTO applied
    FROM (VALUES (1)) AS one
    LEFT JOIN herald.hours r ON r.scope = 'recipient' AND r.subject = $1
    LEFT JOIN herald.hours t ON t.scope = 'tenant' AND t.subject = $2
    LEFT JOIN herald.hours a ON a.scope = 'all' AND a.subject = '';
  scope := applied.scope;
  windows := applied.windows;
  FOREACH zone IN ARRAY applied.zones || 'UTC'::text LOOP
    known := herald.known_zone(zone);
    EXIT WHEN known IS NOT NULL;
  END LOOP;
  opens_at := CASE WHEN scope IS NULL OR NOT isfinite($4) THEN $4
    ELSE herald.next_opening(applied.opens, applied.closes, known, $4) END;
END
$$;
--> statement-breakpoint
-- Returns the first moment, at or after the given one, at which a recipient may be reached. time_zone is what the
-- application knows of the recipient; null: nothing.
CREATE OR REPLACE FUNCTION herald.next_open(recipient_id text, tenant text, time_zone text, at timestamptz DEFAULT now())
RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT o.opens_at FROM herald.opening($1, $2, $3, $4) AS o
$$;
--> statement-breakpoint
-- Returns whose hours apply to a recipient, their windows and time zone, and when they are open next; scope and windows
-- are null, and opens_at is the given moment, where there are none.
CREATE OR REPLACE FUNCTION herald.hours_of(recipient_id text, tenant text DEFAULT NULL, time_zone text DEFAULT NULL,
  at timestamptz DEFAULT now())
RETURNS TABLE (scope text, windows jsonb, zone text, opens_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT o.scope, o.windows, o.zone, o.opens_at FROM herald.opening($1, $2, $3, $4) AS o
$$;
--> statement-breakpoint
-- Returns until when quiet hours stop a message that may otherwise be sent at the given moment; null if they do not.
-- quiet: "pass" for a message that they never stop, "send" for one that is sent in spite of them if it would expire
-- before they end, and "drop" for one that expires then.
CREATE OR REPLACE FUNCTION herald.quiet_until(method text, quiet text, recipient_id text, tenant text, time_zone text,
  at timestamptz, expires_at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  opens_at timestamptz;
BEGIN
  IF quiet = 'pass' OR NOT (SELECT m.quiet_hours FROM herald.method m WHERE m.name = $1) THEN
    RETURN NULL;
  END IF;
  opens_at := (herald.opening($3, $4, $5, $6)).opens_at;
  IF opens_at <= $6 OR (quiet = 'send' AND expires_at <= opens_at) THEN
    RETURN NULL;
  END IF;
  RETURN least(opens_at, expires_at);
END
$$;
--> statement-breakpoint
-- The same for a message that is stored.
CREATE OR REPLACE FUNCTION herald.message_quiet_until(message_id uuid, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT herald.quiet_until(m.method, CASE WHEN t.mandatory THEN 'pass' ELSE coalesce(m.quiet, t.quiet) END,
    m.recipient_id, m.tenant, m.recipient ->> 'timeZone', $2, m.expires_at)
  FROM herald.message m JOIN herald.template t ON t.name = m.template WHERE m.id = $1
$$;
--> statement-breakpoint
-- Returns what keeps a pending message from being sent at its time, or why it waits: until when, that moment on the
-- recipient's clock, the time zone, and whose hours they are. Null if quiet hours have nothing to do with it.
CREATE OR REPLACE FUNCTION herald.message_quiet_hours(message_id uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  message record;
  until timestamptz;
  opening record;
BEGIN
  IF NOT EXISTS (SELECT FROM herald.hours) THEN
    RETURN NULL;
  END IF;
  SELECT m.recipient_id, m.tenant, m.recipient ->> 'timeZone' AS time_zone, m.reason, m.next_attempt_at,
      herald.message_quiet_until(m.id, greatest(m.next_attempt_at, now())) AS until
    INTO message FROM herald.message m WHERE m.id = $1 AND m.status = 'pending';
  until := coalesce(message.until,
    CASE WHEN message.reason = 'quiet_hours' AND message.next_attempt_at > now() THEN message.next_attempt_at END);
  IF until IS NULL THEN
    RETURN NULL;
  END IF;
  opening := herald.opening(message.recipient_id, message.tenant, message.time_zone, until);
  RETURN jsonb_build_object('until', until, 'opensAt', opening.opens_at, 'zone', opening.zone, 'scope', opening.scope,
    'localTime', to_char(opening.opens_at AT TIME ZONE opening.known, CASE
      WHEN opening.opens_at < now() + interval '1 day' THEN 'HH24:MI'
      WHEN opening.opens_at < now() + interval '6 days' THEN 'Dy HH24:MI'
      ELSE 'YYYY-MM-DD HH24:MI' END));
END
$$;
--> statement-breakpoint
-- Returns the windows as seconds of the week, sorted and without overlaps. A window that ends earlier in the day than
-- it begins, ends on the next day. Refuses windows that are wrong.
CREATE OR REPLACE FUNCTION herald.check_windows(windows jsonb, OUT opens integer[], OUT closes integer[])
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  week CONSTANT integer := 604800;
  names CONSTANT text[] := '{mon,tue,wed,thu,fri,sat,sun}';
  example CONSTANT text := 'For example [{"days": "mon-fri", "from": "08:00", "to": "20:00"}].';
  given jsonb;
  place text;
  days text;
  part text;
  first_day integer;
  last_day integer;
  from_second integer;
  to_second integer;
BEGIN
  IF jsonb_typeof(windows) IS DISTINCT FROM 'array' OR jsonb_array_length(windows) NOT BETWEEN 1 AND 50 THEN
    PERFORM herald.reject('HE006', 'windows', 'windows must be an array of 1 to 50 open windows', example);
  END IF;
  FOR i IN 0 .. jsonb_array_length(windows) - 1 LOOP
    given := windows -> i;
    place := format('windows[%s]', i);
    IF jsonb_typeof(given) <> 'object' OR given - '{days,from,to}'::text[] <> '{}' THEN
      PERFORM herald.reject('HE006', place, place || ' must be an object of days, from and to', example);
    END IF;
    IF (given ->> 'from') !~ '^([01][0-9]|2[0-3]):[0-5][0-9]$' IS NOT FALSE THEN
      PERFORM herald.reject('HE006', place || '.from', place || '.from must be a time from 00:00 to 23:59', example);
    ELSIF (given ->> 'to') !~ '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$' IS NOT FALSE THEN
      PERFORM herald.reject('HE006', place || '.to', place || '.to must be a time from 00:00 to 24:00', example);
    ELSIF given -> 'from' = given -> 'to' THEN
      PERFORM herald.reject('HE006', place || '.to', place || '.to is the same time as from',
        'For a whole day write from 00:00 to 24:00.');
    END IF;
    from_second := extract(epoch FROM (given ->> 'from')::interval);
    to_second := extract(epoch FROM (given ->> 'to')::interval);
    IF to_second < from_second THEN
      to_second := to_second + 86400;
    END IF;
    days := CASE coalesce(jsonb_typeof(given -> 'days'), 'null') WHEN 'null' THEN 'mon-sun'
      WHEN 'array' THEN (SELECT string_agg(d, ',') FROM jsonb_array_elements_text(given -> 'days') AS d)
      ELSE given ->> 'days' END;
    FOREACH part IN ARRAY regexp_split_to_array(lower(coalesce(days, '') COLLATE "C"), '\s*,\s*') LOOP
      first_day := array_position(names, split_part(part, '-', 1));
      last_day := array_position(names, coalesce(nullif(split_part(part, '-', 2), ''), split_part(part, '-', 1)));
      IF first_day IS NULL OR last_day IS NULL OR part !~ '^[a-z]{3}(-[a-z]{3})?$' THEN
        PERFORM herald.reject('HE006', place || '.days',
          place || '.days must be days such as "mon", "mon-fri" or "sat,sun"', example);
      END IF;
      FOR day IN first_day .. last_day + CASE WHEN last_day < first_day THEN 7 ELSE 0 END LOOP
        opens := opens || (mod(day - 1, 7) * 86400 + from_second);
        closes := closes || (mod(day - 1, 7) * 86400 + to_second);
      END LOOP;
    END LOOP;
  END LOOP;
  -- What reaches beyond Sunday continues on Monday; windows that touch become one.
  SELECT array_agg(m.opens ORDER BY m.opens), array_agg(m.closes ORDER BY m.opens) INTO opens, closes
  FROM (
    SELECT min(g.opens) AS opens, max(g.closes) AS closes
    FROM (
      SELECT b.opens, b.closes, sum(b.begins) OVER (ORDER BY b.opens, b.closes) AS number
      FROM (
        SELECT p.opens, p.closes, (p.opens > coalesce(max(p.closes) OVER (ORDER BY p.opens, p.closes
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -1))::integer AS begins
        FROM (
          SELECT w.opens, least(w.closes, week) AS closes FROM unnest(opens, closes) AS w (opens, closes)
          UNION ALL
          SELECT 0, w.closes - week FROM unnest(opens, closes) AS w (opens, closes) WHERE w.closes > week
        ) p
      ) b
    ) g
    GROUP BY g.number
  ) m;
END
$$;
--> statement-breakpoint
-- Sets the hours in which messages may reach a recipient, the recipients of a tenant, or (scope "all", subject '') all
-- recipients; null windows remove them. Messages that wait for quiet hours to end follow the change.
CREATE OR REPLACE FUNCTION herald.set_hours(scope text, subject text, windows jsonb, zone text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $$
DECLARE
  seconds record;
BEGIN
  IF $1 IS NULL OR $1 NOT IN ('recipient', 'tenant', 'all') OR ($1 = 'all') <> (coalesce($2, '') = '') THEN
    PERFORM herald.reject('HE006', 'scope', 'scope must be recipient or tenant, with an id as subject, or all with an empty one',
      'For example: ''tenant'', ''acme''.');
  ELSIF $1 <> 'all' AND NOT herald.is_line(to_jsonb($2), 200) THEN
    PERFORM herald.reject('HE003', 'subject', 'subject must be one line of 1 to 200 characters',
      'Pass the id of the recipient or the tenant.');
  ELSIF $4 IS NOT NULL AND herald.known_zone($4) IS NULL THEN
    PERFORM herald.reject('HE006', 'zone', format('unknown time zone "%s"', regexp_replace(left($4, 64), '[^A-Za-z0-9_+:/-]', '?', 'g')),
      'Write a name of IANA such as Europe/Berlin, or leave it out.');
  END IF;
  IF coalesce($3, 'null') = 'null' THEN
    DELETE FROM herald.hours h WHERE h.scope = $1 AND h.subject = coalesce($2, '');
  ELSE
    seconds := herald.check_windows($3);
    INSERT INTO herald.hours AS h (scope, subject, zone, windows, opens, closes)
    VALUES ($1, coalesce($2, ''), $4, $3, seconds.opens, seconds.closes)
    ON CONFLICT ON CONSTRAINT hours_scope_subject_pk DO UPDATE SET zone = EXCLUDED.zone, windows = EXCLUDED.windows,
      opens = EXCLUDED.opens, closes = EXCLUDED.closes, updated_at = now();
  END IF;
  PERFORM herald.move_waiting($1, $2);
END
$$;
--> statement-breakpoint
-- Gives messages that wait for quiet hours to end the time at which they end now.
CREATE OR REPLACE FUNCTION herald.move_waiting(scope text, subject text) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  ids uuid[];
BEGIN
  IF $1 = 'recipient' THEN
    ids := ARRAY(
      SELECT m.id FROM herald.message m
      WHERE m.recipient_id = $2 AND m.settled_at IS NULL AND m.status = 'pending' AND m.reason = 'quiet_hours'
        AND m.next_attempt_at > now()
      ORDER BY m.id FOR UPDATE);
  ELSE
    ids := ARRAY(
      SELECT m.id FROM herald.message m
      WHERE m.settled_at IS NULL AND m.status = 'pending' AND m.reason = 'quiet_hours' AND m.next_attempt_at > now()
        AND ($1 = 'all' OR m.tenant = $2)
      ORDER BY m.id FOR UPDATE);
  END IF;
  IF herald.ask_quiet_hours(ids) THEN
    PERFORM herald.ensure_jobs(ids);
  END IF;
END
$$;
--> statement-breakpoint
-- Asks again when pending messages may be sent: never before their own time. Their jobs follow. Returns whether any of
-- them moved.
CREATE OR REPLACE FUNCTION herald.ask_quiet_hours(message_ids uuid[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  WITH asked AS MATERIALIZED (
    SELECT m.id, greatest(m.send_at, now()) AS earliest,
      herald.message_quiet_until(m.id, greatest(m.send_at, now())) AS until
    FROM herald.message m WHERE m.id = ANY ($1)
  )
  UPDATE herald.message m
  SET next_attempt_at = coalesce(a.until, a.earliest), reason = CASE WHEN a.until IS NOT NULL THEN 'quiet_hours' END,
    quiet_until = CASE WHEN m.attempts = 0 THEN a.until ELSE m.quiet_until END
  FROM asked a WHERE m.id = a.id AND m.next_attempt_at <> coalesce(a.until, a.earliest);
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE herald_queue.job j SET start_after = m.next_attempt_at
  FROM herald.message m
  WHERE m.id = ANY ($1) AND j.name = m.method AND j.id = m.id AND j.state < 'active'
    AND j.start_after <> m.next_attempt_at;
  RETURN true;
END
$$;
--> statement-breakpoint
-- The same as set_hours for clients: it returns what set_hours refuses, because an error would abort the caller's
-- transaction.
CREATE OR REPLACE FUNCTION herald.try_hours(scope text, subject text, windows jsonb, zone text)
RETURNS TABLE (place text, message text)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  hint text;
BEGIN
  PERFORM herald.set_hours($1, $2, $3, $4);
EXCEPTION WHEN SQLSTATE 'HE003' OR SQLSTATE 'HE006' THEN
  GET STACKED DIAGNOSTICS place = COLUMN_NAME, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  message := format('%s. %s', message, hint);
  RETURN NEXT;
END
$$;
--> statement-breakpoint
-- Keeps the distance between the steps of a notification whose messages wait for quiet hours: every later step moves by
-- as long as the one before it waits, so that two of them are not sent at one moment in the morning. For the
-- transaction that wrote them. moves_expiry: whether a step expires so long after it may be sent, and not at a given
-- time; otherwise a step does not move beyond its expiry.
CREATE OR REPLACE FUNCTION herald.spread_steps(notification_id uuid, steps integer, moves_expiry boolean) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  FOR n IN 0 .. steps - 1 LOOP
    UPDATE herald.message m
    SET send_at = m.send_at + w.longest,
      expires_at = CASE WHEN $3 THEN m.expires_at + w.longest ELSE m.expires_at END
    FROM (
      SELECT l.recipient_id, max(l.next_attempt_at - greatest(l.send_at, l.created_at)) AS longest
      FROM herald.message l
      WHERE l.notification_id = $1 AND coalesce(l.step, 0) = n AND l.status = 'pending' AND l.reason = 'quiet_hours'
      GROUP BY l.recipient_id
    ) w
    WHERE m.notification_id = $1 AND m.recipient_id = w.recipient_id AND m.step > n AND m.status = 'pending'
      AND ($3 OR m.expires_at IS NULL OR m.send_at + w.longest < m.expires_at);
    IF FOUND THEN
      PERFORM herald.ask_quiet_hours(ARRAY(
        SELECT m.id FROM herald.message m WHERE m.notification_id = $1 AND m.step > n AND m.status = 'pending'));
    END IF;
  END LOOP;
END
$$;
--> statement-breakpoint
-- The same for messages that were due at these times and wait now, because the hours changed or an attempt is repeated.
-- Of several messages of one notification and recipient, the first step counts.
CREATE OR REPLACE FUNCTION herald.push_steps(message_ids uuid[], due_at timestamptz[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  waiting record;
  ids uuid[];
BEGIN
  FOR waiting IN
    SELECT DISTINCT ON (m.recipient_id, m.notification_id) m.recipient_id, m.notification_id,
      coalesce(m.step, 0) AS step, m.next_attempt_at - d.at AS longest
    FROM unnest($1, $2) AS d (id, at) JOIN herald.message m ON m.id = d.id
    WHERE m.status = 'pending' AND m.reason = 'quiet_hours' AND m.next_attempt_at > d.at
    ORDER BY m.recipient_id, m.notification_id, coalesce(m.step, 0), m.next_attempt_at - d.at DESC
  LOOP
    ids := ARRAY(
      SELECT m.id FROM herald.message m
      WHERE m.recipient_id = waiting.recipient_id AND m.notification_id = waiting.notification_id
        AND m.step > waiting.step AND m.status = 'pending' AND m.attempts = 0
        AND (m.expires_at IS NULL OR m.send_at + waiting.longest < m.expires_at)
      ORDER BY m.id FOR UPDATE);
    UPDATE herald.message m SET send_at = m.send_at + waiting.longest WHERE m.id = ANY (ids);
    PERFORM herald.ask_quiet_hours(ids);
  END LOOP;
END
$$;
--> statement-breakpoint
-- Returns the form in which the address of an erased person is suppressed. The key is in the database, because every
-- enqueue compares with it; it keeps those who see the row, and not the key, from trying addresses.
CREATE OR REPLACE FUNCTION herald.erased_address(address text, erased_key bytea) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT 'erased:' || encode(sha256($2 || sha256($2 || convert_to($1, 'UTF8'))), 'hex')
$$;
--> statement-breakpoint
-- Returns the cause for which a method must not use an address, or no row. Mandatory messages stop only where the
-- mailbox is dead or an operator decided it. The planner inlines this function after LATERAL, as herald.choice_of.
CREATE OR REPLACE FUNCTION herald.suppression_of(method text, address text, erased_key bytea, mandatory boolean) RETURNS TABLE (cause text)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT s.cause
  FROM herald.suppression s
  WHERE s.method = $1
    AND s.address = ANY (CASE WHEN $3 IS NULL THEN ARRAY[$2] ELSE ARRAY[$2, herald.erased_address($2, $3)] END)
    AND s.suppressed_at IS NOT NULL AND (s.expires_at IS NULL OR s.expires_at > now())
    AND (NOT $4 OR s.cause IN ('dead', 'operator'))
  LIMIT 1
$$;
--> statement-breakpoint
-- Counts a report that there is no such mailbox. The second one suppresses the address if it comes a day after the
-- first or later, and no message to the address was accepted between the two: a single report may be a passing fault of
-- the receiver. An email that was returned later was not accepted. Returns whether this report suppressed the address.
CREATE OR REPLACE FUNCTION herald.count_dead(method text, address text, reason text, message_id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  mailbox CONSTANT text := herald.normalize_address($2);
  -- When this message was refused, or accepted and then returned.
  happened_at CONSTANT timestamptz := coalesce((SELECT m.settled_at FROM herald.message m WHERE m.id = $4), now());
  earlier herald.suppression;
  begins boolean;
  suffices boolean;
BEGIN
  INSERT INTO herald.suppression (method, address, cause, reason, hits) VALUES ($1, mailbox, 'dead', $3, 1) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    RETURN false;
  END IF;
  SELECT s.* INTO earlier FROM herald.suppression s WHERE s.method = $1 AND s.address = mailbox FOR UPDATE;
  begins := earlier.hits = 0 OR EXISTS (
    SELECT FROM herald.message m
    WHERE m.address = mailbox AND m.method = $1 AND m.status = 'sent' AND m.id <> $4
      AND m.created_at > earlier.first_at - interval '14 days' AND m.settled_at > earlier.first_at AND m.settled_at < happened_at
      AND NOT EXISTS (SELECT FROM herald.report r WHERE r.message_id = m.id AND r.kind = 'bounce'));
  suffices := NOT begins AND earlier.first_at <= now() - interval '24 hours';
  UPDATE herald.suppression s
  SET hits = CASE WHEN begins THEN 1 ELSE s.hits + 1 END, first_at = CASE WHEN begins THEN now() ELSE s.first_at END, last_at = now(),
    cause = CASE WHEN s.cause = 'operator' OR (NOT suffices AND s.suppressed_at IS NOT NULL) THEN s.cause ELSE 'dead' END,
    reason = CASE WHEN s.cause = 'operator' OR (NOT suffices AND s.suppressed_at IS NOT NULL) THEN s.reason ELSE $3 END,
    suppressed_at = CASE WHEN suffices THEN coalesce(s.suppressed_at, now()) ELSE s.suppressed_at END,
    expires_at = CASE WHEN suffices AND s.cause <> 'operator' THEN NULL ELSE s.expires_at END
  WHERE s.method = $1 AND s.address = mailbox;
  RETURN coalesce(suffices AND earlier.suppressed_at IS NULL, false);
END
$$;
--> statement-breakpoint
-- Suppresses an address because the person reported a message as spam. A stronger cause stays.
CREATE OR REPLACE FUNCTION herald.suppress_complainer(method text, address text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO herald.suppression AS s (method, address, cause, reason, suppressed_at)
  VALUES ($1, herald.normalize_address($2), 'complaint', 'complaint', now())
  ON CONFLICT ON CONSTRAINT suppression_method_address_pk DO UPDATE SET cause = 'complaint', reason = 'complaint', suppressed_at = now(), expires_at = NULL,
    last_at = now()
  WHERE s.suppressed_at IS NULL OR s.cause = 'soft'
$$;
--> statement-breakpoint
-- Counts a report that a mailbox takes nothing at present. Three messages within 14 days, with none accepted since the
-- first of them, suppress the address for 14 days. The reports are rows already. Returns whether this one suppressed
-- the address.
CREATE OR REPLACE FUNCTION herald.count_soft(method text, address text, reason text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  mailbox CONSTANT text := herald.normalize_address($2);
  returned bigint;
BEGIN
  WITH sent AS (
    SELECT m.settled_at, r.at, r.effect
    FROM herald.message m
    LEFT JOIN LATERAL (SELECT r.at, r.effect FROM herald.report r WHERE r.message_id = m.id AND r.kind = 'bounce' ORDER BY r.at LIMIT 1) r ON true
    WHERE m.address = mailbox AND m.method = $1 AND m.status = 'sent' AND m.created_at > now() - interval '28 days'
  ), latest AS (
    SELECT max(s.settled_at) FILTER (WHERE s.effect = 'soft') AS returned_at FROM sent s
  ), accepted AS (
    SELECT max(s.settled_at) AS at FROM sent s, latest l WHERE s.effect IS NULL AND s.settled_at < l.returned_at
  )
  SELECT count(*) INTO returned FROM sent s, accepted a
  WHERE s.effect = 'soft' AND s.at > now() - interval '14 days' AND s.settled_at > coalesce(a.at, '-infinity');
  IF returned < 3 THEN
    RETURN false;
  END IF;
  INSERT INTO herald.suppression AS s (method, address, cause, reason, suppressed_at, expires_at)
  VALUES ($1, mailbox, 'soft', $3, now(), now() + interval '14 days')
  ON CONFLICT ON CONSTRAINT suppression_method_address_pk DO UPDATE SET cause = 'soft', reason = $3, suppressed_at = now(),
    expires_at = now() + interval '14 days', last_at = now()
  WHERE s.suppressed_at IS NULL OR s.cause = 'soft';
  RETURN FOUND;
END
$$;
--> statement-breakpoint
-- Returns every form in which an address may be suppressed: itself, and what is left of it after its person was erased.
CREATE OR REPLACE FUNCTION herald.suppressed_forms(address text) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT array_append(array_agg(herald.erased_address(herald.normalize_address($1), m.erased_key)), herald.normalize_address($1))
  FROM herald.method m WHERE m.erased_key IS NOT NULL
$$;
--> statement-breakpoint
-- Lets a method use an address again; with a cause, only if it is suppressed for that. Returns whether it was listed.
CREATE OR REPLACE FUNCTION herald.lift_suppression(method text, address text, cause text DEFAULT NULL) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  WITH lifted AS (
    DELETE FROM herald.suppression s
    WHERE s.method = $1 AND s.address = ANY (herald.suppressed_forms($2)) AND ($3 IS NULL OR s.cause = $3)
    RETURNING s.address
  )
  SELECT EXISTS (SELECT FROM lifted)
$$;
--> statement-breakpoint
-- Replaces suppressed addresses of an erased person by their hash, and deletes what was only counted.
CREATE OR REPLACE FUNCTION herald.erase_suppressions(mailboxes text[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE herald.method m SET erased_key = sha256(convert_to(gen_random_uuid() || ' ' || gen_random_uuid(), 'UTF8'))
  WHERE m.erased_key IS NULL AND EXISTS (
    SELECT FROM herald.suppression s
    WHERE s.method = m.name AND s.address = ANY ($1) AND s.suppressed_at IS NOT NULL AND s.cause <> 'soft');
  WITH gone AS (
    DELETE FROM herald.suppression s WHERE s.address = ANY ($1) RETURNING s.*
  )
  INSERT INTO herald.suppression AS s (method, address, cause, reason, hits, first_at, last_at, suppressed_at)
  SELECT g.method, herald.erased_address(g.address, m.erased_key), g.cause, g.cause, g.hits, g.first_at, g.last_at, g.suppressed_at
  FROM gone g JOIN herald.method m ON m.name = g.method
  WHERE g.suppressed_at IS NOT NULL AND g.cause <> 'soft'
  ON CONFLICT ON CONSTRAINT suppression_method_address_pk DO UPDATE
    SET cause = CASE WHEN s.cause = 'complaint' THEN EXCLUDED.cause ELSE s.cause END, last_at = EXCLUDED.last_at
$$;
--> statement-breakpoint
-- Returns why a message must not be sent, or null. A plain expression, so that the planner puts it where the call is.
CREATE OR REPLACE FUNCTION herald.reason_against(expired boolean, template_enabled boolean, method_enabled boolean, requires text,
  recipient jsonb, suppressed boolean, endpoint_enabled boolean, endpoint_subscribed boolean, mandatory boolean, preference boolean,
  enabled_by_default boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE
    WHEN expired THEN 'expired'
    WHEN NOT template_enabled THEN 'template_disabled'
    WHEN NOT method_enabled THEN 'method_disabled'
    WHEN requires IS NOT NULL AND coalesce(recipient ->> requires, '') = '' THEN 'no_address'
    WHEN requires = 'email' AND NOT herald.is_address(recipient ->> 'email') THEN 'invalid_address'
    WHEN suppressed THEN 'suppressed'
    WHEN NOT endpoint_enabled THEN 'endpoint_disabled'
    WHEN NOT endpoint_subscribed THEN 'not_subscribed'
    WHEN mandatory OR preference THEN NULL
    WHEN NOT preference THEN 'preference'
    WHEN NOT enabled_by_default THEN 'default_off'
  END
$$;
--> statement-breakpoint
-- Returns one row per message that the recipients get, with the reason why it must not be sent. Sorted by recipient, so
-- that two calls with one dedupe key wait for each other instead of deadlocking. If a recipient is given twice, the
-- first counts; of the methods of a fallback, the first without a reason. The planner inlines this function into
-- herald.write_messages.
CREATE OR REPLACE FUNCTION herald.judge_recipients(recipients jsonb, methods text[], has_endpoints boolean, template herald.template,
  tenant text, expired boolean)
RETURNS TABLE (recipient_id text, recipient jsonb, address text, "position" bigint, method text, ordinal bigint, dedupe_scope text,
  endpoint_id uuid, endpoint_number bigint, reason text)
LANGUAGE sql STABLE
AS $$
  SELECT DISTINCT ON (j.recipient_id COLLATE "C", j.dedupe_scope COLLATE "C") j.*
  FROM (
    SELECT r.id AS recipient_id, r.recipient, nullif(herald.normalize_address(r.recipient ->> m.requires), '') AS address, r.position, m.name AS method, c.ordinal,
      CASE WHEN ($4).fallback = 'first' THEN '*' WHEN e.id IS NULL THEN m.name ELSE m.name || ':' || e.id END AS dedupe_scope,
      e.id AS endpoint_id, coalesce(e.number, 0) AS endpoint_number,
      herald.reason_against($6, ($4).enabled, m.enabled, m.requires, r.recipient, s.cause IS NOT NULL, e.enabled, e.subscribed,
        ($4).mandatory, p.enabled, ($4).enabled_by_default) AS reason
    FROM (
      SELECT e.value ->> 'id' AS id, e.value AS recipient, e.position FROM jsonb_array_elements($1) WITH ORDINALITY AS e (value, position)
    ) r
    CROSS JOIN unnest($2) WITH ORDINALITY AS c (name, ordinal)
    JOIN herald.method m ON m.name = c.name
    LEFT JOIN LATERAL herald.suppression_of(m.name, herald.normalize_address(r.recipient ->> m.requires), m.erased_key, ($4).mandatory) s ON true
    LEFT JOIN LATERAL herald.choice_of(r.id, ($4).name, ($4)."group", m.name) p ON true
    LEFT JOIN LATERAL herald.endpoints_of(r.id, $5, ($4)."group", m.name) e ON $3
  ) j
  ORDER BY j.recipient_id COLLATE "C", j.dedupe_scope COLLATE "C", j.position, j.reason IS NOT NULL, j.ordinal, j.endpoint_number
$$;
--> statement-breakpoint
-- The same for one recipient, one method and no endpoints.
CREATE OR REPLACE FUNCTION herald.judge_recipient(recipient jsonb, method text, template herald.template, expired boolean,
  OUT address text, OUT reason text)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  SELECT nullif(herald.normalize_address(recipient ->> m.requires), ''), herald.reason_against(expired, template.enabled, m.enabled, m.requires, recipient,
      s.cause IS NOT NULL, NULL, NULL, template.mandatory, p.enabled, template.enabled_by_default)
    INTO address, reason
    FROM herald.method m
    LEFT JOIN LATERAL herald.suppression_of(m.name, herald.normalize_address(recipient ->> m.requires), m.erased_key, template.mandatory) s ON true
    LEFT JOIN LATERAL herald.choice_of(recipient ->> 'id', template.name, template."group", m.name) p ON true
    WHERE m.name = $2;
END
$$;
--> statement-breakpoint
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
--> statement-breakpoint
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
--> statement-breakpoint
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
--> statement-breakpoint
-- Adds items of messages that are settled in the same transaction. The caller notifies.
CREATE OR REPLACE FUNCTION herald.insert_items(message_ids uuid[], recipient_ids text[], tenant text) RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  inserted bigint;
BEGIN
  INSERT INTO herald.inbox (message_id, recipient_id, tenant)
  SELECT m.id, m.recipient_id, $3 FROM unnest($1, $2) AS m (id, recipient_id)
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS inserted = ROW_COUNT;
  RETURN inserted;
END
$$;
--> statement-breakpoint
-- Adds the item of a scheduled message that a worker delivers now. Safe to repeat.
CREATE OR REPLACE FUNCTION herald.deliver_item(message_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO herald.inbox (message_id, recipient_id, tenant)
  SELECT m.id, m.recipient_id, m.tenant FROM herald.message m
  WHERE m.id = $1 AND m.method = 'inbox' AND m.status = 'sending'
  ON CONFLICT DO NOTHING;
  PERFORM herald.notify_readers();
END
$$;
--> statement-breakpoint
-- Wakes the open streams, once per transaction however often it is called.
CREATE OR REPLACE FUNCTION herald.notify_readers() RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  IF (SELECT m.notify FROM herald.method m WHERE m.name = 'inbox') THEN
    PERFORM pg_notify('herald_inbox', '');
  END IF;
END
$$;
--> statement-breakpoint
-- Returns how many items of a reader are unread and unseen; archived ones are neither. With a tenant: its items and
-- those of none. The partial index holds all that it reads.
CREATE OR REPLACE FUNCTION herald.inbox_count(recipient_id text, tenant text DEFAULT NULL, OUT unread bigint, OUT unseen bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
  SELECT count(*), count(*) FILTER (WHERE i.seen_at IS NULL) INTO unread, unseen
  FROM herald.inbox i
  WHERE i.recipient_id = $1 AND i.read_at IS NULL AND i.archived_at IS NULL
    AND ($2 IS NULL OR i.tenant = $2 OR i.tenant IS NULL);
END
$$;
--> statement-breakpoint
-- Returns a time in ISO 8601, in UTC, to the microsecond: texts of the same length, which sort as the times do.
CREATE OR REPLACE FUNCTION herald.utc_text(at timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;
--> statement-breakpoint
-- Returns what items are rendered from, as JSON. Data is text, which keeps the digits of its numbers.
CREATE OR REPLACE FUNCTION herald.item_sources(message_ids uuid[]) RETURNS TABLE (added_at timestamptz, message_id uuid, source jsonb)
LANGUAGE sql STABLE
AS $$
  SELECT i.added_at, i.message_id, jsonb_build_object('id', m.id, 'template', m.template, 'version', m.template_version,
    'group', t."group", 'recipient', m.recipient, 'labels', coalesce(n.labels, '{}'), 'data', n.data::text,
    'actions', n.actions, 'targets', m.targets, 'brand', x.brand, 'enqueuedAt', greatest(m.created_at, m.send_at),
    'createdAt', herald.utc_text(i.added_at), 'seenAt', herald.utc_text(i.seen_at), 'readAt', herald.utc_text(i.read_at),
    'archivedAt', herald.utc_text(i.archived_at))
  FROM herald.inbox i
  JOIN herald.message m ON m.id = i.message_id
  JOIN herald.template t ON t.name = m.template
  LEFT JOIN herald.notification n ON n.id = m.notification_id AND m.recipient_id <> 'erased'
  LEFT JOIN herald.tenant x ON x.id = m.tenant
  WHERE i.message_id = ANY ($1)
$$;
--> statement-breakpoint
-- Returns one page of a reader's items, newest first, with the exact counts and the token of the snapshot that all of
-- it was read in. status: inbox (all but archived ones), unread, read or archived. before_at and before_id: the last
-- item of the page before. Planned anew for the filters that are given, so that each has its index.
CREATE OR REPLACE FUNCTION herald.inbox_page(recipient_id text, tenant text DEFAULT NULL, status text DEFAULT 'inbox',
  template text DEFAULT NULL, template_group text DEFAULT NULL, target text DEFAULT NULL,
  before_at timestamptz DEFAULT NULL, before_id uuid DEFAULT NULL, most integer DEFAULT 20,
  OUT token text, OUT unread bigint, OUT unseen bigint, OUT items jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
  ids uuid[];
BEGIN
  IF status NOT IN ('inbox', 'unread', 'read', 'archived') OR status IS NULL THEN
    PERFORM herald.reject('HE006', 'status', format('unknown status "%s"', left(status, 200)),
      'Use inbox, unread, read or archived.');
  ELSIF most NOT BETWEEN 1 AND 500 OR most IS NULL THEN
    PERFORM herald.reject('HE006', 'most', format('%s items are out of bounds', most), 'Use 1 to 500.');
  END IF;
  EXECUTE 'SELECT ARRAY(SELECT i.message_id FROM herald.inbox i'
    || CASE WHEN num_nonnulls(template, template_group, target) > 0 THEN ' JOIN herald.message m ON m.id = i.message_id' ELSE '' END
    || CASE WHEN template_group IS NOT NULL THEN ' JOIN herald.template t ON t.name = m.template AND t."group" = $4' ELSE '' END
    || ' WHERE i.recipient_id = $1 AND ' || CASE status
      WHEN 'unread' THEN 'i.read_at IS NULL AND i.archived_at IS NULL'
      WHEN 'read' THEN 'i.read_at IS NOT NULL AND i.archived_at IS NULL'
      WHEN 'archived' THEN 'i.archived_at IS NOT NULL'
      ELSE 'i.archived_at IS NULL' END
    || CASE WHEN tenant IS NOT NULL THEN ' AND (i.tenant = $2 OR i.tenant IS NULL)' ELSE '' END
    || CASE WHEN template IS NOT NULL THEN ' AND m.template = $3' ELSE '' END
    || CASE WHEN target IS NOT NULL THEN ' AND m.targets @> ARRAY[$5] AND m.targets <> ''{}'' AND m.recipient_id = $1' ELSE '' END
    || CASE WHEN before_at IS NOT NULL THEN ' AND (i.added_at, i.message_id) < ($6, $7)' ELSE '' END
    || ' ORDER BY i.added_at DESC, i.message_id DESC LIMIT $8)'
    INTO ids USING recipient_id, tenant, template, template_group, target, before_at, before_id, most;
  token := herald.inbox_token();
  SELECT c.unread, c.unseen INTO unread, unseen FROM herald.inbox_count(recipient_id, tenant) c;
  SELECT coalesce(jsonb_agg(s.source ORDER BY s.added_at DESC, s.message_id DESC), '[]') INTO items
    FROM herald.item_sources(ids) s;
END
$$;
--> statement-breakpoint
-- Returns the texts of a template version and the names of its secret labels, which an inbox does not show.
CREATE OR REPLACE FUNCTION herald.inbox_texts(template text, version integer) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object('name', v.template, 'version', v.version, 'language', v.language, 'title', v.title,
    'body', v.body, 'actions', v.actions, 'secrets', v.secrets, 'texts', (
      SELECT jsonb_agg(jsonb_build_object('language', x.language, 'title', x.title, 'body', x.body, 'actions', x.actions)
        ORDER BY x.language)
      FROM herald.template_text x WHERE x.template = v.template AND x.version = v.version))
  FROM herald.template_version v WHERE v.template = $1 AND v.version = $2
$$;
--> statement-breakpoint
-- Marks a reader's items as seen, read, unread, archived or unarchived: by their ids, by what they are about, or, with
-- as_of, all that the snapshot of a list's token saw, narrowed by template and group. What arrived since, or what a
-- transaction that began earlier committed since, stays as it is. Returns how many items changed, the counts after
-- that, how many later messages became needless, and whether the token can no longer be used (then nothing is marked).
-- Rows are locked in the order of their ids, so that two calls wait for each other instead of deadlocking.
CREATE OR REPLACE FUNCTION herald.mark(recipient_id text, state text, message_ids uuid[] DEFAULT NULL,
  target text DEFAULT NULL, as_of text DEFAULT NULL, tenant text DEFAULT NULL, template text DEFAULT NULL,
  template_group text DEFAULT NULL,
  OUT changed bigint, OUT unread bigint, OUT unseen bigint, OUT cancelled bigint, OUT reload boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
  snapshot CONSTANT pg_snapshot := herald.inbox_snapshot(as_of);
  applies_to CONSTANT text := CASE state
    WHEN 'seen' THEN 'i.seen_at IS NULL AND i.read_at IS NULL'
    WHEN 'read' THEN 'i.read_at IS NULL'
    WHEN 'unread' THEN 'i.read_at IS NOT NULL'
    WHEN 'archived' THEN 'i.archived_at IS NULL'
    WHEN 'unarchived' THEN 'i.archived_at IS NOT NULL' END;
  change CONSTANT text := CASE state
    WHEN 'seen' THEN 'seen_at = now()'
    WHEN 'read' THEN 'read_at = now(), seen_at = coalesce(i.seen_at, now())'
    WHEN 'unread' THEN 'read_at = NULL'
    WHEN 'archived' THEN 'archived_at = now()'
    WHEN 'unarchived' THEN 'archived_at = NULL' END;
  ids uuid[];
BEGIN
  changed := 0;
  cancelled := 0;
  reload := as_of IS NOT NULL AND snapshot IS NULL;
  IF NOT coalesce(herald.is_line(to_jsonb($1), 200), false) THEN
    PERFORM herald.reject('HE003', 'recipient_id', 'recipient_id must be one line of 1 to 200 characters',
      'Pass the id that notifications are addressed to.');
  ELSIF applies_to IS NULL THEN
    PERFORM herald.reject('HE006', 'state', format('unknown state "%s"', left(state, 200)),
      'Use seen, read, unread, archived or unarchived.');
  ELSIF num_nonnulls(message_ids, target, as_of) <> 1 THEN
    PERFORM herald.reject('HE006', '', 'mark takes exactly one of message_ids, target and as_of',
      'Name the argument, for example target => ''42''.');
  ELSIF as_of IS NULL AND num_nonnulls(template, template_group) > 0 THEN
    PERFORM herald.reject('HE006', 'template', 'template and template_group narrow as_of only', 'Leave them out.');
  END IF;
  IF NOT reload THEN
    EXECUTE 'WITH locked AS MATERIALIZED (SELECT i.message_id FROM herald.inbox i'
      || CASE WHEN num_nonnulls(target, template, template_group) > 0 THEN ' JOIN herald.message m ON m.id = i.message_id' ELSE '' END
      || CASE WHEN template_group IS NOT NULL THEN ' JOIN herald.template t ON t.name = m.template AND t."group" = $7' ELSE '' END
      || ' WHERE i.recipient_id = $1 AND ' || applies_to
      || CASE WHEN as_of IS NOT NULL AND state NOT IN ('archived', 'unarchived') THEN ' AND i.archived_at IS NULL' ELSE '' END
      || CASE WHEN tenant IS NOT NULL THEN ' AND (i.tenant = $2 OR i.tenant IS NULL)' ELSE '' END
      || CASE WHEN message_ids IS NOT NULL THEN ' AND i.message_id = ANY ($3)' ELSE '' END
      || CASE WHEN target IS NOT NULL THEN ' AND m.targets @> ARRAY[$4] AND m.targets <> ''{}'' AND m.recipient_id = $1' ELSE '' END
      || CASE WHEN as_of IS NOT NULL THEN ' AND pg_visible_in_snapshot(i.added_xid, $5)' ELSE '' END
      || CASE WHEN template IS NOT NULL THEN ' AND m.template = $6' ELSE '' END
      || ' ORDER BY i.message_id FOR UPDATE OF i), changed AS (UPDATE herald.inbox i SET changed_xid = pg_current_xact_id(), '
      || change || ' FROM locked l WHERE i.message_id = l.message_id RETURNING i.message_id)'
      || ' SELECT array_agg(c.message_id) FROM changed c'
      INTO ids USING recipient_id, tenant, message_ids, target, snapshot, template, template_group;
    changed := coalesce(cardinality(ids), 0);
  END IF;
  IF changed > 0 THEN
    cancelled := herald.cancel_steps(recipient_id, ids, state);
    PERFORM herald.notify_readers();
  END IF;
  SELECT c.unread, c.unseen INTO unread, unseen FROM herald.inbox_count(recipient_id, tenant) c;
END
$$;
--> statement-breakpoint
-- Returns for which readers anything changed since a token, and the token of now. Null instead of the readers: for
-- too many to name, or the token cannot be used. One query serves all open streams of a process, whatever their number.
-- What a snapshot did not see has an id from its end on, or was open then. So a long transaction does not make the
-- range grow, as a comparison with its beginning would.
CREATE OR REPLACE FUNCTION herald.inbox_changed(since text, most integer DEFAULT 5000, OUT token text, OUT recipient_ids text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
  snapshot CONSTANT pg_snapshot := herald.inbox_snapshot(since);
  unfinished CONSTANT xid8[] := ARRAY(SELECT pg_snapshot_xip(snapshot));
BEGIN
  token := herald.inbox_token();
  IF snapshot IS NULL THEN
    RETURN;
  END IF;
  recipient_ids := ARRAY(
    SELECT c.recipient_id FROM (
      (SELECT i.recipient_id FROM herald.inbox i WHERE i.changed_xid >= pg_snapshot_xmax(snapshot)
        ORDER BY i.changed_xid LIMIT most + 1)
      UNION ALL
      (SELECT i.recipient_id FROM herald.inbox i WHERE i.changed_xid = ANY (unfinished) LIMIT most + 1)
    ) c);
  IF cardinality(recipient_ids) > most THEN
    recipient_ids := NULL;
  END IF;
END
$$;
--> statement-breakpoint
-- Returns what each of these readers has not been told since its own token: a row per reader, in order. items: what
-- was added or changed, newest first, as herald.inbox_page returns it. Null: there is more than most, or the token
-- cannot be used, so the reader must fetch its list again. A reader without a token learns the counts.
CREATE OR REPLACE FUNCTION herald.inbox_news(recipient_ids text[], tenants text[], tokens text[], most integer DEFAULT 20)
RETURNS TABLE (token text, unread bigint, unseen bigint, items jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
  snapshot pg_snapshot;
  unfinished xid8[];
  ids uuid[];
BEGIN
  token := herald.inbox_token();
  FOR i IN 1 .. coalesce(cardinality(recipient_ids), 0) LOOP
    SELECT c.unread, c.unseen INTO unread, unseen FROM herald.inbox_count(recipient_ids[i], tenants[i]) c;
    snapshot := herald.inbox_snapshot(tokens[i]);
    items := CASE WHEN tokens[i] IS NULL THEN '[]'::jsonb END;
    IF snapshot IS NOT NULL THEN
      unfinished := ARRAY(SELECT pg_snapshot_xip(snapshot));
      ids := ARRAY(
        SELECT c.message_id FROM (
          (SELECT n.message_id FROM herald.inbox n
            WHERE n.recipient_id = recipient_ids[i] AND n.changed_xid >= pg_snapshot_xmax(snapshot)
              AND (tenants[i] IS NULL OR n.tenant = tenants[i] OR n.tenant IS NULL)
            ORDER BY n.changed_xid LIMIT most + 1)
          UNION ALL
          (SELECT n.message_id FROM herald.inbox n
            WHERE n.recipient_id = recipient_ids[i] AND n.changed_xid = ANY (unfinished)
              AND (tenants[i] IS NULL OR n.tenant = tenants[i] OR n.tenant IS NULL)
            LIMIT most + 1)
        ) c);
      IF cardinality(ids) <= most THEN
        SELECT coalesce(jsonb_agg(s.source ORDER BY s.added_at DESC, s.message_id DESC), '[]') INTO items
          FROM herald.item_sources(ids) s;
      END IF;
    END IF;
    RETURN NEXT;
  END LOOP;
END
$$;
--> statement-breakpoint
-- Writes the messages of a notification and their jobs, wakes the workers, and returns the messages in the order of
-- recipients and methods. A message that has its dedupe key, window, recipient and scope from an earlier enqueue is
-- left out. An inbox message that is not scheduled is settled at once: its item is written instead of a job, so that
-- its reader has it as soon as the transaction commits. The usual case, a call with one message, or with an inbox
-- message beside it, has an INSERT of its own: without the sort, the joins and the set-up that several messages need,
-- it takes 440 instead of 800 us of processor time.
CREATE OR REPLACE FUNCTION herald.write_messages(notification_id uuid, options jsonb, template herald.template,
  secrets jsonb, attachments integer, recipients jsonb, methods text[], notified text[], has_endpoints boolean)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  schedule CONSTANT record := herald.resolve_schedule(options, template);
  shared record;
  judged record;
  n integer;
  one_id uuid;
  ids uuid[];
  statuses text[];
  reasons text[];
  written boolean := false;
BEGIN
  -- One statement instead of an assignment per column: Postgres sets up each expression of PL/pgSQL anew in each
  -- transaction.
  SELECT template.name AS template, template.current_version AS template_version, nullif(secrets, '{}') AS secrets,
    CASE WHEN options ? 'targets' THEN ARRAY(SELECT jsonb_array_elements_text(options -> 'targets')) ELSE '{}' END
      AS targets,
    options ->> 'tenant' AS tenant, options ->> 'groupKey' AS group_key,
    options ->> 'unsubscribeUrl' AS unsubscribe_url,
    options ->> 'dedupeKey' AS dedupe_key, herald.dedupe_slot(options) AS dedupe_slot,
    coalesce((options ->> 'priority')::numeric, 0)::smallint AS priority,
    coalesce(options ->> 'createdBy', session_user) AS created_by,
    CASE WHEN options -> 'urgent' = 'true' THEN 'pass' ELSE options ->> 'quiet' END AS quiet,
    EXISTS (SELECT FROM herald.hours) AND NOT template.mandatory AS has_hours,
    coalesce(schedule.expires_at <= now(), false) AS expired,
    'inbox' = ANY (methods) AND schedule.start_at <= now() AS has_items,
    (options ->> 'step')::smallint AS step, options ->> 'unless' AS unless
    INTO shared;

  IF jsonb_array_length(recipients) = 1 AND NOT has_endpoints AND NOT options ? 'step' AND (cardinality(methods) = 1
      OR shared.has_items AND cardinality(methods) = 2 AND methods[1] <> methods[2] AND template.fallback <> 'first') THEN
    FOR turn IN 1 .. cardinality(methods) LOOP
      -- In the order in which the other INSERT writes, so that two calls with one dedupe key wait for each other.
      n := CASE WHEN methods[1] > methods[2] COLLATE "C" THEN 3 - turn ELSE turn END;
      SELECT j.address, j.reason, CASE WHEN j.reason IS NULL AND shared.has_items AND methods[n] = 'inbox' THEN 'sent'
          ELSE herald.first_status(j.reason) END AS status, NULL::timestamptz AS quiet_until INTO judged
        FROM herald.judge_recipient(recipients -> 0, methods[n], template, shared.expired) j;
      IF shared.has_hours AND judged.status = 'pending' THEN
        judged.quiet_until := herald.quiet_until(methods[n], coalesce(shared.quiet, template.quiet),
          recipients -> 0 ->> 'id', shared.tenant, recipients -> 0 ->> 'timeZone', schedule.start_at,
          schedule.expires_at);
        judged.reason := CASE WHEN judged.quiet_until IS NOT NULL THEN 'quiet_hours' END;
      END IF;
      INSERT INTO herald.message AS m (id, notification_id, template, template_version, method, ordinal, status, reason,
        recipient_id, address, recipient, secrets, targets, tenant, group_key, unsubscribe_url,
        dedupe_key, dedupe_slot, dedupe_scope, priority,
        send_at, quiet, quiet_until, attachments, expires_at, next_attempt_at, max_attempts, unknown, created_by,
        created_at, settled_at)
      VALUES (herald.message_id(notification_id, 1, n, 0), notification_id, shared.template, shared.template_version,
        methods[n], n, judged.status, judged.reason,
        recipients -> 0 ->> 'id', judged.address, herald.stored_recipient(recipients -> 0),
        CASE WHEN judged.status = 'pending' THEN shared.secrets END, shared.targets, shared.tenant, shared.group_key,
        shared.unsubscribe_url, shared.dedupe_key, shared.dedupe_slot,
        CASE WHEN shared.dedupe_key IS NOT NULL THEN CASE template.fallback WHEN 'first' THEN '*' ELSE methods[n] END END,
        shared.priority, schedule.send_at, shared.quiet, judged.quiet_until, attachments, schedule.expires_at,
        coalesce(judged.quiet_until, schedule.start_at), template.max_attempts, template.unknown, shared.created_by,
        now(), CASE WHEN judged.status <> 'pending' THEN now() END)
      ON CONFLICT DO NOTHING
      RETURNING m.id INTO one_id;
      IF FOUND THEN
        written := true;
        ids[n] := one_id;
        statuses[n] := judged.status;
        reasons[n] := judged.reason;
        IF judged.status = 'pending' THEN
          PERFORM herald.insert_jobs(ARRAY[one_id], ARRAY[methods[n]], ARRAY[shared.priority],
            ARRAY[coalesce(judged.quiet_until, schedule.start_at)]);
        ELSIF judged.status = 'sent' THEN
          INSERT INTO herald.inbox (message_id, recipient_id, tenant) VALUES (one_id, recipients -> 0 ->> 'id', shared.tenant);
        END IF;
      END IF;
    END LOOP;
    FOR i IN 1 .. cardinality(methods) LOOP
      IF ids[i] IS NOT NULL THEN
        message_id := ids[i];
        recipient_id := recipients -> 0 ->> 'id';
        method := methods[i];
        status := statuses[i];
        reason := reasons[i];
        RETURN NEXT;
      END IF;
    END LOOP;
  ELSE
    RETURN QUERY
    WITH written AS (
      INSERT INTO herald.message AS m (id, notification_id, template, template_version, method, ordinal, status, reason,
        recipient_id, address, recipient, secrets, targets, tenant, group_key, unsubscribe_url,
        dedupe_key, dedupe_slot, dedupe_scope, priority, step, unless, send_at, quiet, quiet_until, endpoint_id,
        attachments,
        expires_at, next_attempt_at, max_attempts, unknown, created_by, created_at, settled_at)
      SELECT herald.message_id(notification_id, j.position, j.ordinal,
          j.endpoint_number + coalesce(shared.step, 0) * 4398046511104), notification_id,
        shared.template, shared.template_version, j.method, j.ordinal,
        CASE WHEN j.is_item THEN 'sent' ELSE herald.first_status(j.reason) END,
        coalesce(j.reason, CASE WHEN j.quiet_until IS NOT NULL THEN 'quiet_hours' END), j.recipient_id, j.address,
        herald.stored_recipient(j.recipient), CASE WHEN j.reason IS NULL AND NOT j.is_item THEN shared.secrets END,
        shared.targets, shared.tenant, shared.group_key,
        shared.unsubscribe_url, shared.dedupe_key, shared.dedupe_slot,
        CASE WHEN shared.dedupe_key IS NOT NULL THEN concat(shared.step || '/', j.dedupe_scope) END, shared.priority,
        shared.step, shared.unless, schedule.send_at, shared.quiet, j.quiet_until, j.endpoint_id, attachments, schedule.expires_at,
        coalesce(j.quiet_until, schedule.start_at), template.max_attempts, template.unknown, shared.created_by, now(),
        CASE WHEN j.reason IS NOT NULL OR j.is_item THEN now() END
      FROM (
        -- OFFSET keeps the planner from asking once per column.
        SELECT a.*, shared.has_items AND a.method = 'inbox' AND a.reason IS NULL AS is_item,
          CASE WHEN shared.has_hours AND a.reason IS NULL AND NOT (shared.has_items AND a.method = 'inbox')
            THEN herald.quiet_until(a.method, coalesce(shared.quiet, template.quiet), a.recipient_id, shared.tenant,
              a.recipient ->> 'timeZone', schedule.start_at, schedule.expires_at) END AS quiet_until
        FROM herald.judge_recipients(recipients, methods, has_endpoints, template, shared.tenant, shared.expired) a
        OFFSET 0
      ) j
      ON CONFLICT DO NOTHING
      RETURNING m.id, m.recipient_id, m.method, m.status, m.reason, m.priority, m.next_attempt_at
    ), jobs AS (
      SELECT herald.insert_jobs(array_agg(w.id), array_agg(w.method), array_agg(w.priority),
        array_agg(w.next_attempt_at))
      FROM written w WHERE w.status = 'pending'
    ), items AS (
      SELECT CASE WHEN shared.has_items THEN herald.insert_items(array_agg(w.id), array_agg(w.recipient_id), shared.tenant) END
      FROM written w WHERE shared.has_items AND w.status = 'sent'
    )
    SELECT w.id, w.recipient_id, w.method, w.status, w.reason FROM written w CROSS JOIN jobs CROSS JOIN items ORDER BY w.id;
    written := FOUND;
  END IF;
  IF written AND schedule.start_at <= now() THEN
    FOR i IN 1 .. coalesce(cardinality(notified), 0) LOOP
      IF notified[i] = 'inbox' THEN
        PERFORM pg_notify('herald_inbox', '');
      ELSE
        PERFORM pg_notify('herald', notified[i]);
      END IF;
    END LOOP;
  END IF;
END
$$;
--> statement-breakpoint
-- Returns the status that a message begins with.
CREATE OR REPLACE FUNCTION herald.first_status(reason text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE WHEN reason IS NULL THEN 'pending' WHEN reason = 'expired' THEN 'expired' ELSE 'inhibited' END
$$;
--> statement-breakpoint
-- Returns the id of one message: the notification's with another end, which counts up from a random number in the order
-- of the input. The messages of a later step follow all those of the step before.
CREATE OR REPLACE FUNCTION herald.message_id(notification_id uuid, "position" bigint, ordinal bigint,
  endpoint_number bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT (left(notification_id::text, 24) || to_hex(140737488355328
    + (('x' || right(notification_id::text, 12))::bit(48)::bigint & 70368744177663)
    + ("position" * 16 + ordinal) * 16384 + endpoint_number))::uuid
$$;
--> statement-breakpoint
-- Returns the messages that an earlier enqueue with the same dedupe key wrote for these recipients, in the order of the
-- input.
CREATE OR REPLACE FUNCTION herald.earlier_messages(notification_id uuid, options jsonb, recipients jsonb,
  methods text[], fallback text)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text)
LANGUAGE sql STABLE
AS $$
  SELECT m.id, m.recipient_id, m.method, m.status, m.reason
  FROM (
    SELECT e.value ->> 'id' AS id, min(e.position) AS position
    FROM jsonb_array_elements($3) WITH ORDINALITY AS e (value, position) GROUP BY 1
  ) r
  JOIN herald.message m ON m.recipient_id = r.id
  WHERE m.dedupe_key = $2 ->> 'dedupeKey' AND m.dedupe_slot = herald.dedupe_slot($2) AND m.notification_id <> $1
    AND (m.step IS NOT NULL OR split_part(m.dedupe_scope, ':', 1) = ANY (CASE $5 WHEN 'first' THEN '{*}' ELSE $4 END))
  ORDER BY m.step NULLS FIRST, r.position, array_position($4, m.method), m.id
$$;
--> statement-breakpoint
-- Writes the content that the messages of a notification share. It refuses a seal_id that another notification has.
-- herald.wrong_option refuses an old one, whose notification may be purged. So encrypted labels from a dump cannot be
-- decrypted for another recipient.
CREATE OR REPLACE FUNCTION herald.write_content(notification_id uuid, labels jsonb, options jsonb, attachments jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  IF options ? 'sealId' AND EXISTS (SELECT FROM herald.notification n WHERE n.seal_id = (options ->> 'sealId')::uuid) THEN
    PERFORM herald.reject('HE002', 'secrets', 'the secret labels belong to another notification', 'Encrypt them anew for each notification.');
  END IF;
  -- The unique index refuses two transactions that use the same seal_id at once.
  INSERT INTO herald.notification (id, labels, data, actions, trace_context, seal_id)
  VALUES ($1, $2, options -> 'data', options -> 'actions', options -> 'traceContext', (options ->> 'sealId')::uuid);
  IF attachments <> '[]' THEN
    INSERT INTO herald.attachment (notification_id, position, name, content_type, content)
    SELECT $1, a.position, a.value ->> 'name', lower((a.value ->> 'contentType') COLLATE "C"), decode(a.value ->> 'content', 'base64')
    FROM jsonb_array_elements(attachments) WITH ORDINALITY AS a (value, position);
  END IF;
END
$$;
--> statement-breakpoint
-- Deletes the content of those notifications that have no message left, or only erased ones.
CREATE OR REPLACE FUNCTION herald.delete_unused_content(notification_ids uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  unused CONSTANT uuid[] := ARRAY(
    SELECT i.id FROM unnest(notification_ids) AS i (id)
    WHERE NOT EXISTS (SELECT FROM herald.message m WHERE m.notification_id = i.id AND m.recipient_id <> 'erased'));
BEGIN
  DELETE FROM herald.acknowledgement a WHERE a.notification_id = ANY (unused);
  DELETE FROM herald.attachment a WHERE a.notification_id = ANY (unused);
  DELETE FROM herald.notification n WHERE n.id = ANY (unused);
END
$$;
--> statement-breakpoint
-- Cancels messages in the caller's transaction and returns a result per message: cancelled, in_flight (a worker is
-- dispatching it now) or already_settled. The row lock decides between the caller and a worker that begins at the same
-- moment. Jobs without a lease are deleted, because one may be scheduled for next year. Runs with the caller's rights:
-- the functions that call it lend theirs.
CREATE OR REPLACE FUNCTION herald.cancel_messages(message_ids uuid[], reason text)
RETURNS TABLE (message_id uuid, answer text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH locked AS (
    SELECT m.id, m.method, m.status FROM herald.message m WHERE m.id = ANY ($1) ORDER BY m.id FOR UPDATE
  ), stopped AS (
    UPDATE herald.message m
    SET status = 'cancelled', reason = $2, detail = NULL, settled_at = now(), secrets = NULL
    FROM locked l
    WHERE m.id = l.id AND l.status IN ('pending', 'held')
    RETURNING m.id, m.method
  ), job AS (
    DELETE FROM herald_queue.job j USING stopped s WHERE j.name = s.method AND j.id = s.id AND j.state < 'active'
  )
  SELECT l.id, CASE
      WHEN l.status IN ('pending', 'held') THEN 'cancelled'
      WHEN l.status = 'sending' THEN 'in_flight'
      ELSE 'already_settled' END
  FROM locked l
  ORDER BY l.id;
END
$$;
--> statement-breakpoint
-- Cancels by exactly one of ids, dedupe key, target and recipient. Of a recipient, only messages that are not settled.
CREATE OR REPLACE FUNCTION herald.cancel(message_ids uuid[] DEFAULT NULL, dedupe_key text DEFAULT NULL,
  target text DEFAULT NULL, recipient_id text DEFAULT NULL)
RETURNS TABLE (message_id uuid, answer text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $$
DECLARE
  ids uuid[] := $1;
BEGIN
  IF num_nonnulls($1, $2, $3, $4) <> 1 THEN
    PERFORM herald.reject('HE006', '', 'cancel takes exactly one of message_ids, dedupe_key, target and recipient_id',
      'Name the argument, for example target => ''42''.');
  ELSIF $2 IS NOT NULL THEN
    ids := ARRAY(SELECT m.id FROM herald.message m WHERE m.dedupe_key = $2);
  ELSIF $3 IS NOT NULL THEN
    ids := ARRAY(SELECT m.id FROM herald.message m WHERE m.targets @> ARRAY[$3] AND m.targets <> '{}');
  ELSIF $4 IS NOT NULL THEN
    ids := ARRAY(SELECT m.id FROM herald.message m WHERE m.recipient_id = $4 AND m.settled_at IS NULL);
  END IF;
  RETURN QUERY SELECT c.message_id, c.answer FROM herald.cancel_messages(ids, 'cancelled') c;
END
$$;
--> statement-breakpoint
-- The trigger of "pg-herald cancel-with": cancels what is about the rows that a statement deletes, in its transaction.
-- Its argument is the column whose value messages have among their targets. FOR EACH STATEMENT it reads the transition
-- table deleted_rows, FOR EACH ROW (of a soft deletion) the row. SECURITY DEFINER, because who deletes rows need not be
-- able to enqueue.
CREATE OR REPLACE FUNCTION herald.cancel_with_deleted() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  deleted text[];
BEGIN
  IF TG_LEVEL = 'STATEMENT' THEN
    EXECUTE format('SELECT array_agg(d.%I::text) FROM deleted_rows d', TG_ARGV[0]) INTO deleted;
  ELSE
    deleted := ARRAY[to_jsonb(OLD) ->> TG_ARGV[0]];
  END IF;
  PERFORM herald.cancel_messages(ARRAY(
    SELECT m.id FROM herald.message m WHERE m.targets && deleted AND m.targets <> '{}' AND m.settled_at IS NULL),
    'subject_deleted');
  RETURN NULL;
END
$$;
--> statement-breakpoint
-- Returns what the methods of a template's later steps need of a recipient, and all their names. Refuses a method that
-- does not exist before anything is written.
CREATE OR REPLACE FUNCTION herald.step_methods(template herald.template, OUT methods text[], OUT fields text[])
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  missing text;
BEGIN
  methods := ARRAY(SELECT m.name FROM jsonb_array_elements(template.steps) s, jsonb_array_elements_text(s -> 'methods') AS m (name));
  missing := (SELECT c FROM unnest(methods) AS c WHERE NOT EXISTS (SELECT FROM herald.method m WHERE m.name = c AND m.name <> '*') LIMIT 1);
  IF missing IS NOT NULL THEN
    PERFORM herald.reject('HE004', 'methods', format('unknown method "%s" in a step of template "%s"', left(missing, 200), template.name),
      'Known methods are the rows of herald.method; add one with "pg-herald migrate --method NAME".');
  END IF;
  fields := ARRAY(SELECT DISTINCT m.requires FROM herald.method m WHERE m.name = ANY (methods) AND m.requires IS NOT NULL);
END
$$;
--> statement-breakpoint
-- Writes the later steps of a notification, as ordinary messages that are scheduled from its start: those of the
-- recipients for whom this call wrote a message. A step that would come after the notification has expired is left out.
CREATE OR REPLACE FUNCTION herald.write_steps(notification_id uuid, options jsonb, template herald.template,
  secrets jsonb, attachments integer, recipients jsonb)
RETURNS TABLE (message_id uuid, recipient_id text, method text, status text, reason text)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  start_at CONSTANT timestamptz := (herald.resolve_schedule(options, template)).start_at;
  told CONSTANT jsonb := (
    SELECT jsonb_agg(r.value ORDER BY r.position) FROM jsonb_array_elements(recipients) WITH ORDINALITY AS r (value, position)
    WHERE EXISTS (SELECT FROM herald.message m WHERE m.notification_id = $1 AND m.recipient_id = r.value ->> 'id'));
  shared CONSTANT jsonb := options - '{methods,delaySeconds}'::text[];
  own herald.template := template;
  delivery record;
  step jsonb;
  send_at timestamptz;
BEGIN
  own.methods_override := NULL;
  FOR n IN 1 .. jsonb_array_length(template.steps) LOOP
    step := template.steps -> (n - 1);
    send_at := start_at + (step ->> 'afterSeconds')::double precision * interval '1 second';
    CONTINUE WHEN (options ->> 'expiresAt')::timestamptz <= send_at;
    own.methods := ARRAY(SELECT jsonb_array_elements_text(step -> 'methods'));
    own.fallback := step ->> 'fallback';
    delivery := herald.resolve_methods(shared, own);
    PERFORM FROM herald.write_messages(notification_id,
      shared || jsonb_build_object('sendAt', send_at, 'step', n, 'unless', step -> 'unless'), own, secrets, attachments,
      told, delivery.methods, delivery.notified, delivery.has_endpoints) w;
  END LOOP;
  IF NOT template.mandatory AND EXISTS (SELECT FROM herald.hours) THEN
    PERFORM herald.spread_steps(notification_id, jsonb_array_length(template.steps), NOT options ? 'expiresAt');
  END IF;
  RETURN QUERY SELECT m.id, m.recipient_id, m.method, m.status, m.reason FROM herald.message m
    WHERE m.notification_id = $1 AND m.step IS NOT NULL ORDER BY m.id;
END
$$;
--> statement-breakpoint
-- Returns whether the condition of a step no longer holds: the recipient has seen, read or acknowledged the
-- notification, by whatever method and on whatever device. VOLATILE, so that it sees what was committed while the
-- caller waited for the lock of the message.
CREATE OR REPLACE FUNCTION herald.is_needless(notification_id uuid, recipient_id text, unless text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM herald.acknowledgement a WHERE a.notification_id = $1 AND a.recipient_id = $2) THEN
    RETURN true;
  END IF;
  RETURN $3 <> 'acknowledged' AND EXISTS (
    SELECT FROM herald.message m JOIN herald.inbox i ON i.message_id = m.id
    WHERE m.notification_id = $1 AND m.recipient_id = $2
      AND (i.read_at IS NOT NULL OR i.archived_at IS NOT NULL OR $3 = 'seen' AND i.seen_at IS NOT NULL));
END
$$;
--> statement-breakpoint
-- Cancels the steps that wait for what has just happened to these messages of a recipient: seen, read, archived or
-- acknowledged. Returns how many. The row lock decides between the reader and a worker that begins at the same moment:
-- what a worker is dispatching is not cancelled, and not counted. Without open steps it costs one look into an index.
CREATE OR REPLACE FUNCTION herald.cancel_steps(recipient_id text, message_ids uuid[], happened text) RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  conditions CONSTANT text[] := CASE happened
    WHEN 'seen' THEN '{seen}'
    WHEN 'read' THEN '{seen,read}'
    WHEN 'archived' THEN '{seen,read}'
    WHEN 'acknowledged' THEN '{seen,read,acknowledged}' END;
  ids uuid[];
BEGIN
  IF conditions IS NULL OR NOT EXISTS (
      SELECT FROM herald.message w WHERE w.recipient_id = $1 AND w.unless IS NOT NULL AND w.settled_at IS NULL) THEN
    RETURN 0;
  END IF;
  ids := ARRAY(
    SELECT w.id FROM herald.message w
    WHERE w.recipient_id = $1 AND w.unless IS NOT NULL AND w.unless = ANY (conditions) AND w.settled_at IS NULL
      AND w.notification_id IN (SELECT m.notification_id FROM herald.message m WHERE m.id = ANY ($2) AND m.recipient_id = $1));
  RETURN (SELECT count(*) FROM herald.cancel_messages(ids, CASE happened WHEN 'archived' THEN 'read' ELSE happened END) c
    WHERE c.answer = 'cancelled');
END
$$;
--> statement-breakpoint
-- Refuses an enqueue that says "requireTransaction" outside of a transaction block: nothing could roll it back.
-- Postgres has no function that tells whether a block is open, but a deferred trigger can. Without a block it runs in
-- the statement that enqueued, otherwise in the one that commits. herald.enqueue records its statement last, so that
-- nothing is refused while SET CONSTRAINTS ALL IMMEDIATE is in force. The fixed search_path is needed although this is
-- not SECURITY DEFINER: from PostgreSQL 18 on a deferred trigger runs as the role that queued it, which is the owner of
-- herald.enqueue, but with the search_path of the caller's COMMIT.
CREATE OR REPLACE FUNCTION herald.require_transaction() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF current_setting('herald.enqueued_at', true) = extract(epoch FROM statement_timestamp())::text THEN
    RAISE EXCEPTION USING ERRCODE = 'HE006', COLUMN = 'tx', MESSAGE = 'herald: no transaction is open, so nothing could roll this back',
      HINT = 'Pass the transaction (tx), not the database or pool beside it. If you mean it, set autocommit to true.';
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
DO $$
DECLARE
  caller_path CONSTANT text := pg_catalog.current_setting('search_path');
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = 'herald.notification'::regclass AND tgname = 'require_transaction') THEN
    CREATE CONSTRAINT TRIGGER require_transaction AFTER INSERT ON herald.notification DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION herald.require_transaction();
  END IF;
  PERFORM pg_catalog.set_config('search_path', caller_path, true);
END
$$;
--> statement-breakpoint
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
  later_methods text[] := '{}';
  later record;
  recipients jsonb;
  written bigint;
  place text;
  message text;
  hint text;
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
    IF options ? 'expiresAt' THEN
      PERFORM herald.resolve_schedule(options, template);
    END IF;
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
  RETURN QUERY SELECT w.*, false
    FROM herald.write_messages(notification_id, options, template, labels.secrets, jsonb_array_length(attachments), recipients,
      delivery.methods, delivery.notified, delivery.has_endpoints) w;
  GET DIAGNOSTICS written = ROW_COUNT;
  IF written > 0 THEN
    PERFORM herald.write_content(notification_id, labels.labels, options, attachments);
    IF template.steps IS NOT NULL THEN
      RETURN QUERY SELECT s.*, false FROM herald.write_steps(notification_id, options, template, labels.secrets,
        jsonb_array_length(attachments), recipients) s;
    END IF;
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
--> statement-breakpoint
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
--> statement-breakpoint
-- Records that a recipient has acknowledged notifications: by the ids of any of their messages, by the notification, or
-- all about a target. Stronger than reading, which it includes. Returns how many notifications were acknowledged just
-- now, and how many later steps that cancelled. Only what was sent to this recipient counts, so that nobody
-- acknowledges for another person.
CREATE OR REPLACE FUNCTION herald.acknowledge(recipient_id text, message_ids uuid[] DEFAULT NULL,
  target text DEFAULT NULL, notification_id uuid DEFAULT NULL, OUT acknowledged bigint, OUT cancelled bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $$
DECLARE
  person CONSTANT text := $1;
  notification_ids uuid[];
  ids uuid[];
BEGIN
  IF NOT coalesce(herald.is_line(to_jsonb(person), 200), false) THEN
    PERFORM herald.reject('HE003', 'recipient_id', 'recipient_id must be one line of 1 to 200 characters',
      'Pass the id that notifications are addressed to.');
  ELSIF num_nonnulls($2, $3, $4) <> 1 THEN
    PERFORM herald.reject('HE006', '', 'acknowledge takes exactly one of message_ids, target and notification_id',
      'Name the argument, for example target => ''42''.');
  ELSIF $4 IS NOT NULL THEN
    notification_ids := ARRAY[$4];
  ELSIF $3 IS NOT NULL THEN
    notification_ids := ARRAY(SELECT DISTINCT m.notification_id FROM herald.message m
      WHERE m.targets @> ARRAY[$3] AND m.targets <> '{}' AND m.recipient_id = person);
  ELSE
    notification_ids := ARRAY(SELECT DISTINCT m.notification_id FROM herald.message m WHERE m.id = ANY ($2));
  END IF;
  ids := ARRAY(SELECT m.id FROM herald.message m
    WHERE m.notification_id = ANY (notification_ids) AND m.recipient_id = person ORDER BY m.id);
  -- Items before messages and in the order of their ids, as herald.mark locks them.
  PERFORM FROM herald.inbox i WHERE i.message_id = ANY (ids) ORDER BY i.message_id FOR UPDATE;
  WITH written AS (
    INSERT INTO herald.acknowledgement (notification_id, recipient_id)
    SELECT DISTINCT m.notification_id, person FROM herald.message m WHERE m.id = ANY (ids) ORDER BY 1
    ON CONFLICT DO NOTHING RETURNING 1
  )
  SELECT count(*) INTO acknowledged FROM written;
  cancelled := herald.cancel_steps(person, ids, 'acknowledged');
  IF EXISTS (SELECT FROM herald.inbox i WHERE i.message_id = ANY (ids) AND i.read_at IS NULL) THEN
    PERFORM herald.mark(person, 'read', message_ids => ids);
  END IF;
END
$$;
--> statement-breakpoint
-- Brings the recipients of open attempts up to date with what the application's recipient guard returned, which may
-- have another email, name or locale. changes: [{"id", "token", "email", "name", "locale"}]; null changes nothing,
-- and neither does a name or locale that enqueue would refuse. After an attempt of unknown end only the email changes:
-- a copy that may have arrived has the same text.
-- Returns each recipient as it is now, and the reason why nothing may be sent to it. SECURITY DEFINER: a worker cannot
-- write recipients otherwise, and this only where it has the lease.
CREATE OR REPLACE FUNCTION herald.readdress(changes jsonb)
RETURNS TABLE (message_id uuid, recipient jsonb, reason text)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  WITH wanted AS MATERIALIZED (
    SELECT m.id, d.name AS method, d.requires, d.erased_key, t.mandatory,
      m.recipient || jsonb_strip_nulls(jsonb_build_object('email', nullif(btrim(i.email, E' \t\r\n'), ''),
        'name', CASE WHEN m.unknowns = 0 AND herald.is_line(to_jsonb(i.name), 200) THEN i.name END,
        'locale', CASE WHEN m.unknowns = 0 AND herald.is_line(to_jsonb(i.locale), 35) THEN i.locale END)) AS recipient
    FROM jsonb_to_recordset($1) AS i (id uuid, token uuid, email text, name text, locale text)
    JOIN herald.message m ON m.id = i.id AND m.status = 'sending' AND m.lease_token = i.token
    JOIN herald.method d ON d.name = m.method
    JOIN herald.template t ON t.name = m.template
  ), judged AS MATERIALIZED (
    SELECT w.*, nullif(herald.normalize_address(w.recipient ->> w.requires), '') AS address, CASE
        WHEN NOT herald.is_recipient(w.recipient, ARRAY['id', 'email', 'name', 'locale', 'timeZone'] || w.requires)
          OR w.requires = 'email' AND NOT coalesce(herald.is_address(w.recipient ->> 'email'), true) THEN 'invalid_address'
        WHEN s.cause IS NOT NULL THEN 'suppressed' END AS reason
    FROM wanted w
    LEFT JOIN LATERAL herald.suppression_of(w.method, herald.normalize_address(w.recipient ->> w.requires), w.erased_key,
      w.mandatory) s ON true
  ), changed AS (
    UPDATE herald.message m SET recipient = j.recipient, address = j.address
    FROM judged j WHERE m.id = j.id AND j.reason IS DISTINCT FROM 'invalid_address'
  )
  SELECT j.id, j.recipient, j.reason FROM judged j
$$;
--> statement-breakpoint
-- Makes messages of these states pending again, except erased ones, which have no recipient. Runs with the caller's
-- rights: herald.retry and herald.replay lend theirs. A lease that began before the message was settled is over;
-- herald.ensure_jobs must know that, too, where no attempt was opened in the lease.
CREATE OR REPLACE FUNCTION herald.reopen(message_ids uuid[], states text[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
BEGIN
  UPDATE herald.message m
  SET status = 'pending', reason = NULL, detail = NULL, counted = 0, unknowns = 0, uncounted = 0, uncounted_since = NULL, fault_at = NULL,
    crashes = 0, next_attempt_at = now(), settled_at = NULL, send_at = NULL, quiet_until = NULL,
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
-- Delivers again, or for the first time, what failed, expired, was inhibited or is held. Earlier attempts stay on
-- record but no longer count against the limit. A message whose secret labels were wiped cannot be rendered again and
-- stays.
CREATE OR REPLACE FUNCTION herald.retry(message_ids uuid[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT * FROM herald.reopen($1, '{failed,held,expired,inhibited}')
$$;
--> statement-breakpoint
-- The same, and sent messages as well: a receiver that lost what it had accepted asks for it again. The id is the same,
-- so that a receiver that did not lose it can recognise the copy.
CREATE OR REPLACE FUNCTION herald.replay(message_ids uuid[])
RETURNS TABLE (message_id uuid, retried boolean, status text)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT * FROM herald.reopen($1, '{sent,failed,held,expired,inhibited}')
$$;
--> statement-breakpoint
DROP FUNCTION IF EXISTS herald.put_back_refused(text, text, text);
--> statement-breakpoint
-- The sender was at fault: makes the messages that it refused, whose rows are marked by put_back_at, pending again. The
-- refused attempt does not count, the message has met a fault, and the refusal is not held against its address. A
-- message whose secret labels are wiped cannot be rendered again and stays failed. Safe to repeat: results that are
-- recorded late are put back by the next call.
-- drops: herald.put_back_refused(text, text, text)
CREATE OR REPLACE FUNCTION herald.put_back_refused(refusing_method text, refusing_sender text, wait_seconds double precision) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ids uuid[];
BEGIN
  WITH back AS (
    UPDATE herald.message m
    SET status = 'pending', counted = greatest(m.counted - a.counted::int, 0), settled_at = NULL,
      detail = CASE WHEN r.sender LIKE 'endpoint%' THEN 'put back: the endpoint was at fault' ELSE 'put back: the sender was at fault' END,
      uncounted = least(m.uncounted, 2147483646) + 1, uncounted_since = coalesce(m.uncounted_since, now()), fault_at = clock_timestamp(),
      next_attempt_at = now() + wait_seconds * interval '1 second', secrets = coalesce(m.secrets, r.secrets)
    FROM herald.refusal r
    JOIN herald.attempt a ON a.message_id = r.message_id AND a.number = r.attempt, herald.template_version v
    WHERE r.method = refusing_method AND r.sender = refusing_sender AND r.kind = 'refused' AND r.put_back_at IS NOT NULL
      AND m.id = r.message_id AND m.attempts = r.attempt AND (m.status = 'failed' OR m.status = 'pending' AND a.counted)
      AND v.template = m.template AND v.version = m.template_version
      AND (cardinality(v.secrets) = 0 OR coalesce(m.secrets, r.secrets) IS NOT NULL)
    RETURNING m.id, m.attempts, m.address, r.at
  ), uncounted AS (
    UPDATE herald.attempt a SET counted = false FROM back b WHERE a.message_id = b.id AND a.number = b.attempts
  ), forgiven AS (
    UPDATE herald.suppression s SET hits = s.hits - 1, suppressed_at = CASE WHEN s.suppressed_at < b.at OR s.cause <> 'dead' THEN s.suppressed_at END
    FROM back b WHERE s.method = refusing_method AND s.address = b.address AND s.hits > 0 AND s.last_at >= b.at
  )
  SELECT array_agg(id) INTO ids FROM back;
  -- Pending messages have their secret labels.
  UPDATE herald.refusal r SET secrets = NULL FROM herald.message m
  WHERE r.method = refusing_method AND r.sender = refusing_sender AND r.kind = 'refused' AND r.put_back_at IS NOT NULL
    AND r.secrets IS NOT NULL AND m.id = r.message_id AND m.status NOT IN ('failed', 'sending');
  -- Also those that were put back before: the worker that had settled such a message may have removed its new job
  -- together with the old one.
  PERFORM herald.ensure_jobs(ARRAY(SELECT r.message_id FROM herald.refusal r JOIN herald.message m ON m.id = r.message_id
    WHERE r.method = refusing_method AND r.sender = refusing_sender AND r.kind = 'refused' AND r.put_back_at IS NOT NULL AND m.status = 'pending'));
  RETURN coalesce(cardinality(ids), 0);
END
$$;
--> statement-breakpoint
-- Makes the messages due that wait for a sender; without a sender, those of every sender of the method.
CREATE OR REPLACE FUNCTION herald.release_refused(refusing_method text, refusing_sender text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ids uuid[];
BEGIN
  WITH released AS (
    UPDATE herald.refusal r SET waiting = false
    WHERE r.waiting AND r.kind = 'refused' AND (r.method = refusing_method OR refusing_method = '*') AND r.sender = coalesce(refusing_sender, r.sender)
    RETURNING r.message_id
  ), due AS (
    UPDATE herald.message m SET next_attempt_at = now() FROM released r
    WHERE m.id = r.message_id AND m.status = 'pending' AND m.next_attempt_at > now()
    RETURNING m.id
  )
  SELECT array_agg(id) INTO ids FROM due;
  IF ids IS NOT NULL THEN
    PERFORM herald.ensure_jobs(ids);
  END IF;
  RETURN coalesce(cardinality(ids), 0);
END
$$;
--> statement-breakpoint
-- A sender accepted a message so many seconds ago. The messages that it refused before were at fault themselves, and
-- those that waited for it are due.
CREATE OR REPLACE FUNCTION herald.record_accepted(accepting_method text, accepting_sender text, seconds_ago double precision) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  accepted_at CONSTANT timestamptz := clock_timestamp() - seconds_ago * interval '1 second';
BEGIN
  INSERT INTO herald.sender AS s (method, name, succeeded_at) VALUES (accepting_method, accepting_sender, accepted_at)
  ON CONFLICT (method, name) DO UPDATE SET succeeded_at = greatest(s.succeeded_at, excluded.succeeded_at);
  UPDATE herald.refusal r SET secrets = NULL
  WHERE r.method = accepting_method AND r.sender = accepting_sender AND r.kind = 'refused' AND r.at <= accepted_at
    AND r.put_back_at IS NULL AND r.secrets IS NOT NULL;
  PERFORM herald.release_refused(accepting_method, accepting_sender);
END
$$;
--> statement-breakpoint
-- Keeps refusals for four days, longer than a message is retried. The same holds for the records of endpoints, of which
-- there may be many.
CREATE OR REPLACE FUNCTION herald.delete_old_refusals(refusing_method text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM herald.refusal r WHERE r.method = refusing_method AND r.at < now() - interval '4 days';
  DELETE FROM herald.sender s
  WHERE s.method = refusing_method AND s.name LIKE 'endpoint/%' AND s.succeeded_at < now() - interval '4 days'
    AND NOT EXISTS (SELECT FROM herald.refusal r WHERE r.method = s.method AND r.sender = s.name)
$$;
--> statement-breakpoint
-- Returns the id of the message that a report is about: by its id, or by the id under which the receiver knows it, and
-- only if one of the addresses is the message's own. A message that was never tried cannot have come back.
CREATE OR REPLACE FUNCTION herald.reported_message(message_id uuid, receiver_id text, addresses text[]) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT m.id FROM herald.message m
  WHERE m.id = $1 AND m.attempts > 0 AND m.address = ANY (ARRAY(SELECT herald.normalize_address(a) FROM unnest($3) AS a))
  UNION ALL
  SELECT m.id FROM herald.message m
  JOIN herald.attempt t ON t.message_id = m.id AND t.receiver_id = $2
  WHERE $1 IS NULL AND m.address = ANY (ARRAY(SELECT herald.normalize_address(a) FROM unnest($3) AS a))
    AND m.created_at > now() - interval '60 days'
  LIMIT 1
$$;
--> statement-breakpoint
-- Records reports about messages, all of them or none, and applies what they mean. A report with a source and an id
-- that were recorded before changes nothing. Returns for each, in the order of the input, what became of it:
-- 'recorded', 'repeated' or 'unmatched', and whether it suppressed the address.
CREATE OR REPLACE FUNCTION herald.record_reports(reports jsonb) RETURNS TABLE (result text, message_id uuid, suppressed boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  one record;
  message record;
  template_group text;
  report_id uuid;
  fresh boolean;
  why text;
  effect text;
BEGIN
  FOR one IN
    SELECT r.* FROM ROWS FROM (jsonb_to_recordset(reports) AS ("messageId" uuid, "receiverId" text, addresses text[], kind text, effect text,
      unmatched text, "statusCode" text, "replyText" text, reporter text, source text, "sourceId" text)) WITH ORDINALITY AS
      r (message_id, receiver_id, addresses, kind, effect, unmatched, status_code, reply_text, reporter, source, source_id, position)
    ORDER BY r.position
  LOOP
    why := one.unmatched;
    -- Locked, so that erase waits, or has taken the address away before.
    SELECT m.* INTO message FROM herald.message m
    WHERE m.id = CASE WHEN why IS NULL THEN herald.reported_message(one.message_id, one.receiver_id, one.addresses) END
      AND m.address IS NOT NULL
    FOR NO KEY UPDATE;
    IF why IS NULL AND message.id IS NULL THEN
      why := CASE WHEN EXISTS (SELECT FROM herald.message m WHERE m.id = one.message_id) THEN 'other_recipient' ELSE 'no_message' END;
    END IF;
    effect := CASE WHEN why IS NULL THEN one.effect ELSE 'none' END;
    INSERT INTO herald.report AS r (message_id, kind, effect, unmatched, status_code, reply_text, reporter, domain, source, source_id)
    VALUES (message.id, one.kind, effect, why, CASE WHEN why IS NULL THEN one.status_code END, CASE WHEN why IS NULL THEN one.reply_text END,
      CASE WHEN why IS NULL THEN one.reporter END, split_part(message.address, '@', 2), one.source, one.source_id)
    ON CONFLICT ON CONSTRAINT report_source DO UPDATE SET times = least(r.times, 2147483646) + 1
    RETURNING r.id, r.times = 1 INTO report_id, fresh;
    suppressed := false;
    IF fresh AND why IS NULL THEN
      -- One message is evidence once, however many servers report it.
      IF effect = 'dead' AND NOT EXISTS (
          SELECT FROM herald.report r WHERE r.message_id = message.id AND r.effect = 'dead' AND r.id <> report_id) THEN
        suppressed := herald.count_dead(message.method, message.address, 'no_such_recipient', message.id);
      ELSIF effect = 'soft' THEN
        suppressed := herald.count_soft(message.method, message.address, CASE WHEN one.status_code LIKE '_.2.2' THEN 'mailbox_full' ELSE 'deferred' END);
      ELSIF effect IN ('complaint', 'unsubscribe') THEN
        template_group := (SELECT t."group" FROM herald.template t WHERE t.name = message.template);
        PERFORM herald.set_group(message.recipient_id, template_group, message.method, false, 'report');
        IF effect = 'complaint' THEN
          PERFORM herald.suppress_complainer(message.method, message.address);
          suppressed := true;
        END IF;
      END IF;
      PERFORM herald.announce_return(message.id, one.kind, effect, one.status_code, one.reporter, suppressed);
    END IF;
    result := CASE WHEN NOT fresh THEN 'repeated' WHEN why IS NULL THEN 'recorded' ELSE 'unmatched' END;
    message_id := message.id;
    RETURN NEXT;
  END LOOP;
  -- What counts for no message is kept for 30 days.
  DELETE FROM herald.report r WHERE r.id IN (
    SELECT o.id FROM herald.report o WHERE o.at < now() - interval '30 days' AND o.message_id IS NULL ORDER BY o.at LIMIT 100);
END
$$;
--> statement-breakpoint
-- Enqueues the template "message-returned", where the application has one: its webhook tells other systems. A refusal
-- does not keep the report from being recorded.
CREATE OR REPLACE FUNCTION herald.announce_return(message_id uuid, kind text, effect text, status_code text, reporter text,
  suppressed boolean) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  returned record;
BEGIN
  SELECT m.* INTO STRICT returned FROM herald.message m WHERE m.id = $1;
  IF kind NOT IN ('bounce', 'complaint') OR returned.template = 'message-returned'
      OR NOT EXISTS (SELECT FROM herald.template t WHERE t.name = 'message-returned') THEN
    RETURN;
  END IF;
  PERFORM FROM herald.enqueue(jsonb_build_object(
    'template', 'message-returned',
    'to', jsonb_build_object('id', returned.recipient_id),
    'tenant', returned.tenant,
    'targets', jsonb_build_array(returned.id),
    'labels', jsonb_build_object('message', returned.id, 'template', returned.template, 'recipient', returned.recipient_id, 'kind', kind,
      'status', coalesce(status_code, ''), 'server', coalesce(reporter, '')),
    'data', jsonb_build_object('messageId', returned.id, 'template', returned.template, 'recipientId', returned.recipient_id,
      'method', returned.method, 'kind', kind, 'effect', effect, 'statusCode', status_code, 'reporter', reporter,
      'suppressed', suppressed, 'sentAt', returned.settled_at),
    'createdBy', 'pg-herald',
    'returnRefusal', true));
END
$$;
--> statement-breakpoint
-- What the links to a recipient's pages do. A link names a template, and acts on the template's group: the list that
-- the email belonged to.

-- Returns the methods that send nothing to a recipient because a message was reported as spam or their address did not
-- accept it, by the address that was used last. The recipient may lift it, if a report about a message of theirs was
-- the cause: an address that they have given since may be another person's. A dead mailbox and what an operator decided
-- are not theirs to lift.
CREATE OR REPLACE FUNCTION herald.stopped_methods(recipient_id text) RETURNS TABLE (method text, address text, cause text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT d.name, a.address, s.cause
  FROM herald.method d
  CROSS JOIN LATERAL (
    SELECT m.address FROM herald.message m
    WHERE m.recipient_id = $1 AND m.method = d.name AND m.address IS NOT NULL
    ORDER BY m.created_at DESC, m.id DESC LIMIT 1
  ) a
  CROSS JOIN LATERAL herald.suppression_of(d.name, a.address, d.erased_key, false) s
  WHERE s.cause IN ('soft', 'complaint') AND EXISTS (
    SELECT FROM herald.message m JOIN herald.report r ON r.message_id = m.id
    WHERE m.recipient_id = $1 AND m.method = d.name AND m.address = a.address AND r.effect = s.cause)
$$;
--> statement-breakpoint
-- Lets a method, or every one, use the recipient's address again: the recipient asked for it.
CREATE OR REPLACE FUNCTION herald.allow_again(recipient_id text, method text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT herald.lift_suppression(s.method, s.address, s.cause) FROM herald.stopped_methods($1) s WHERE $2 IS NULL OR s.method = $2
$$;
--> statement-breakpoint
-- Turns a group on or off for a recipient and a method, and with it each of its templates that the recipient had chosen
-- otherwise. Mandatory templates stay on. A recipient who turns something on by a link wants it to arrive.
CREATE OR REPLACE FUNCTION herald.set_group(recipient_id text, template_group text, method text, enabled boolean, changed_by text)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM herald.set_preference($1, 'group', $2, $4, $3, $5);
  PERFORM herald.set_preference($1, 'template', t.name, $4, $3, $5)
  FROM herald.template t
  WHERE t."group" = $2 AND NOT t.mandatory AND herald.preference_of($1, t.name, t."group", $3) <> $4;
  IF $4 AND $5 = 'link' THEN
    PERFORM herald.allow_again($1, $3);
  END IF;
END
$$;
--> statement-breakpoint
-- Returns the group that a link is about, and whether the recipient receives its template by the method; no row if the
-- template does not exist.
CREATE OR REPLACE FUNCTION herald.subscription(recipient_id text, template text, method text)
RETURNS TABLE (template_group text, enabled boolean, mandatory boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT t."group", t.mandatory OR coalesce(herald.preference_of($1, t.name, t."group", $3), t.enabled_by_default), t.mandatory
  FROM herald.template t WHERE t.name = $2
$$;
--> statement-breakpoint
-- Unsubscribes a recipient, as often as it is called. Returns the subscription afterwards.
CREATE OR REPLACE FUNCTION herald.unsubscribe(recipient_id text, template text, method text)
RETURNS TABLE (template_group text, enabled boolean, mandatory boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  PERFORM herald.set_group($1, t."group", $3, false, 'link') FROM herald.template t WHERE t.name = $2;
  RETURN QUERY SELECT s.* FROM herald.subscription($1, $2, $3) s;
END
$$;
--> statement-breakpoint
-- Undoes it: each choice that a link turned off becomes what it was before. If the template is still off, because it
-- was turned off in another way or is off by default, the group is turned on. Returns the subscription afterwards.
CREATE OR REPLACE FUNCTION herald.resubscribe(recipient_id text, template text, method text)
RETURNS TABLE (template_group text, enabled boolean, mandatory boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  list CONSTANT text := (SELECT t."group" FROM herald.template t WHERE t.name = $2);
BEGIN
  PERFORM herald.set_preference($1, p.scope, p.subject, b.enabled, p.method, 'link')
  FROM herald.preference p
  CROSS JOIN LATERAL (
    SELECT h.id, h.changed_by FROM herald.preference_history h
    WHERE h.recipient_id = $1 AND h.scope = p.scope AND h.subject = p.subject AND h.method = p.method
    ORDER BY h.id DESC LIMIT 1
  ) l
  LEFT JOIN LATERAL (
    SELECT h.enabled FROM herald.preference_history h
    WHERE h.recipient_id = $1 AND h.scope = p.scope AND h.subject = p.subject AND h.method = p.method AND h.id < l.id
    ORDER BY h.id DESC LIMIT 1
  ) b ON true
  WHERE p.recipient_id = $1 AND p.method = $3 AND NOT p.enabled AND l.changed_by = 'link'
    AND ((p.scope = 'group' AND p.subject = list)
      OR (p.scope = 'template' AND p.subject IN (SELECT t.name FROM herald.template t WHERE t."group" = list)));
  IF (SELECT NOT s.enabled FROM herald.subscription($1, $2, $3) s) THEN
    PERFORM herald.set_group($1, list, $3, true, 'link');
  END IF;
  PERFORM herald.allow_again($1, $3);
  RETURN QUERY SELECT s.* FROM herald.subscription($1, $2, $3) s;
END
$$;
--> statement-breakpoint
-- Deletes one batch of items that are older than inboxes keep them. Their messages stay. The ids of messages are
-- ordered by time, so the primary key finds the oldest without an index of its own.
CREATE OR REPLACE FUNCTION herald.delete_old_items(most integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  days CONSTANT double precision := CASE WHEN EXISTS (SELECT FROM herald.setting s WHERE s.key = 'inbox_retention')
    THEN (SELECT (s.value #>> '{}')::double precision FROM herald.setting s WHERE s.key = 'inbox_retention') ELSE 90 END;
  before CONSTANT timestamptz := now() - days * interval '1 day';
  first_id_since CONSTANT uuid :=
    rpad(lpad(to_hex((extract(epoch FROM before) * 1000)::bigint), 12, '0'), 32, '0')::uuid;
  deleted bigint;
BEGIN
  IF days IS NULL THEN
    RETURN 0;
  END IF;
  DELETE FROM herald.inbox d USING (
    SELECT i.message_id FROM herald.inbox i
    WHERE i.message_id < first_id_since AND i.added_at < before
      AND NOT EXISTS (SELECT FROM herald.message w JOIN herald.message m ON m.id = i.message_id
        WHERE w.recipient_id = i.recipient_id AND w.notification_id = m.notification_id AND w.unless IS NOT NULL AND w.settled_at IS NULL)
    ORDER BY i.message_id LIMIT most FOR UPDATE SKIP LOCKED
  ) o WHERE d.message_id = o.message_id;
  GET DIAGNOSTICS deleted = ROW_COUNT;
  RETURN deleted;
END
$$;
--> statement-breakpoint
-- Deletes one batch of settled messages that are older than their template's group keeps them, and of items that are
-- older than inboxes keep them. The setting "retention" has days by group, "*" for all others, null for forever; the
-- setting "inbox_retention" has the days of items, 90 without it. One caller works at a time; the others get 0 at once.
-- What a step that waits may ask about stays, and locked rows are left for the next
-- time. Returns how many rows there were.
CREATE OR REPLACE FUNCTION herald.apply_retention(most integer DEFAULT 2000) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  policy CONSTANT jsonb := (SELECT s.value FROM herald.setting s WHERE s.key = 'retention');
  ids uuid[];
  notification_ids uuid[];
  items bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock(4720190818) THEN
    RETURN 0;
  END IF;
  items := herald.delete_old_items($1);
  IF policy IS NULL OR policy = '{}' THEN
    RETURN items;
  END IF;
  ids := ARRAY(
    SELECT o.id
    FROM herald.template t
    CROSS JOIN LATERAL (
      SELECT now() - interval '1 day'
        * (CASE WHEN policy ? t."group" THEN policy ->> t."group" ELSE policy ->> '*' END)::double precision AS before
    ) p
    CROSS JOIN LATERAL (
      SELECT m.id FROM herald.message m
      WHERE m.template = t.name AND m.created_at < p.before AND m.settled_at < p.before
        AND NOT EXISTS (SELECT FROM herald.message w WHERE w.recipient_id = m.recipient_id AND w.notification_id = m.notification_id
          AND w.unless IS NOT NULL AND w.settled_at IS NULL)
      ORDER BY m.created_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ) o
    LIMIT $1);
  -- In the order in which herald.mark locks them.
  PERFORM FROM herald.inbox i WHERE i.message_id = ANY (ids) ORDER BY i.message_id FOR UPDATE;
  DELETE FROM herald.attempt a WHERE a.message_id = ANY (ids);
  DELETE FROM herald.report r WHERE r.message_id = ANY (ids);
  DELETE FROM herald.inbox i WHERE i.message_id = ANY (ids);
  WITH deleted AS (DELETE FROM herald.message m WHERE m.id = ANY (ids) RETURNING m.notification_id)
  SELECT array_agg(DISTINCT d.notification_id) INTO notification_ids FROM deleted d;
  PERFORM herald.delete_unused_content(notification_ids);
  RETURN items + cardinality(ids);
END
$$;
--> statement-breakpoint
-- Removes a person from one batch of messages, by recipient id or by address: names, addresses, labels, data, secrets,
-- files and the receivers' replies. Template, method, status, times and attempts stay, and so do the counts. Pending
-- messages are cancelled first. Messages that are being dispatched are left and counted as in_flight. The person's
-- preferences, with their history, and quiet hours are deleted, too; by recipient id also the endpoints, whose URLs and
-- contacts are addresses. Of a suppressed address a keyed hash is left, so that a person who complained is not written
-- to again. Call it again until it returns erased = 0.
CREATE OR REPLACE FUNCTION herald.erase(recipient_id text DEFAULT NULL, address text DEFAULT NULL,
  most integer DEFAULT 1000)
RETURNS TABLE (erased bigint, cancelled bigint, in_flight bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  person CONSTANT text := $1;
  mailbox CONSTANT text := herald.normalize_address($2);
  ids uuid[];
  mailboxes text[];
  notification_ids uuid[];
  stopped bigint;
BEGIN
  IF num_nonnulls(person, mailbox) <> 1 OR coalesce(person, mailbox) IN ('', 'erased') THEN
    PERFORM herald.reject('HE006', '', 'erase takes exactly one of recipient_id and address',
      'Name the argument, for example recipient_id => ''user-7''.');
  END IF;
  ids := ARRAY(
    SELECT m.id FROM herald.message m
    WHERE CASE WHEN person IS NULL THEN m.address = mailbox ELSE m.recipient_id = person END AND m.status <> 'sending'
    LIMIT $3);
  -- Items before messages, as herald.mark locks them; messages in the order in which enqueue and settle do.
  PERFORM FROM herald.inbox i WHERE i.message_id = ANY (ids) ORDER BY i.message_id FOR UPDATE;
  PERFORM FROM herald.message m WHERE m.id = ANY (ids) ORDER BY m.id FOR UPDATE;
  SELECT count(*) FILTER (WHERE c.answer = 'cancelled') INTO stopped FROM herald.cancel(ids) c;
  WITH before AS (
    SELECT m.id, m.method, m.address, m.recipient_id FROM herald.message m WHERE m.id = ANY (ids) AND m.status <> 'sending'
  ), after AS (
    UPDATE herald.message m
    SET recipient_id = 'erased', recipient = '{"id": "erased"}', address = NULL, secrets = NULL,
      targets = array_remove(m.targets, m.recipient_id), group_key = NULL, unsubscribe_url = NULL, dedupe_key = NULL,
      dedupe_scope = NULL, detail = NULL
    FROM before b WHERE m.id = b.id
    RETURNING m.id, m.notification_id
  ), acknowledgements AS (
    DELETE FROM herald.acknowledgement a USING after f JOIN before b USING (id)
    WHERE a.notification_id = f.notification_id AND a.recipient_id = b.recipient_id
  ), items AS (
    DELETE FROM herald.inbox i USING after f WHERE i.message_id = f.id
  ), refusals AS (
    DELETE FROM herald.refusal r USING after f WHERE r.message_id = f.id
  ), replies AS (
    UPDATE herald.attempt a SET detail = NULL, reply_text = NULL, receiver_id = NULL
    FROM after f WHERE a.message_id = f.id
  ), reports AS (
    UPDATE herald.report r SET reply_text = NULL, reporter = NULL, domain = NULL
    FROM after f WHERE r.message_id = f.id
  )
  SELECT count(*), array_agg(DISTINCT b.address), array_agg(DISTINCT f.notification_id)
    INTO erased, mailboxes, notification_ids
  FROM before b JOIN after f USING (id);
  -- The notification's other recipients keep its content.
  PERFORM herald.delete_unused_content(notification_ids);
  PERFORM herald.erase_suppressions(array_append(mailboxes, mailbox));
  DELETE FROM herald.preference p WHERE p.recipient_id = person;
  -- After the preferences, whose deletion is a change as well.
  DELETE FROM herald.preference_history h WHERE h.recipient_id = person;
  DELETE FROM herald.hours h WHERE h.scope = 'recipient' AND h.subject = person;
  -- With the last batch: cancel what waits for an endpoint before the endpoint is deleted.
  DELETE FROM herald.endpoint e WHERE e.recipient_id = person AND cardinality(ids) < $3;
  RETURN QUERY SELECT erased, stopped, count(*) FROM herald.message m
    WHERE CASE WHEN person IS NULL THEN m.address = mailbox ELSE m.recipient_id = person END AND m.status = 'sending';
END
$$;
--> statement-breakpoint
-- Postgres lets every role execute a new function. Only the owner and the roles of roles.sql may call these.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA herald FROM PUBLIC;
--> statement-breakpoint
INSERT INTO herald_meta.migration (name, sha256, release) VALUES ('functions', '6a6c7a79cc81016b66b72967a4d72bfbeedc4ebb6599c2f36a3956d89a57d07b', '0.1.0')
ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, release = excluded.release, applied_at = now();

    BEGIN;
    SET LOCAL lock_timeout = 30000;
    SET LOCAL idle_in_transaction_session_timeout = 30000;
    SELECT pg_advisory_xact_lock(('x' || encode(sha224((current_database() || '.pgboss.herald_queue')::bytea), 'hex'))::bit(64)::bigint);
;

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
INSERT INTO herald.method (name, requires, quiet_hours)
VALUES ('smtp', 'email',
  true);
SELECT herald_queue.create_queue('webhook', '{"policy":"standard","partition":true,"notify":false,"deadLetter":"dead-letter","heartbeatSeconds":15,"expireInSeconds":1200,"retryLimit":25,"retryDelay":0,"retryBackoff":false,"retentionSeconds":31536000,"deleteAfterSeconds":3600}'::jsonb);
INSERT INTO herald.method (name, requires, quiet_hours)
VALUES ('webhook', NULL,
  false);
SELECT herald_queue.create_queue('inbox', '{"policy":"standard","partition":true,"notify":false,"deadLetter":"dead-letter","heartbeatSeconds":15,"expireInSeconds":1200,"retryLimit":25,"retryDelay":0,"retryBackoff":false,"retentionSeconds":31536000,"deleteAfterSeconds":3600}'::jsonb);
INSERT INTO herald.method (name, requires, quiet_hours)
VALUES ('inbox', NULL,
  false);

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
SELECT herald.enqueue('{"template": "code", "to": {"id": "6", "email": "f@example.com"}, "labels": {"code": "123456"},
  "delaySeconds": 86400, "allowPlainSecrets": true}'::jsonb);
SELECT herald.enqueue('greeting', '{"id": "7", "email": "g@example.com"}', '{"who": "Gus"}', dedupe_key => 'cancelled');
SELECT herald.cancel(dedupe_key => 'cancelled');
UPDATE herald.message SET status = 'held', next_attempt_at = 'infinity' WHERE recipient_id = '2';
