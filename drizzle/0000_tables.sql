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