CREATE SCHEMA "herald";
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
	"charged" boolean NOT NULL,
	CONSTRAINT "attempt_message_id_number_pk" PRIMARY KEY("message_id","number"),
	CONSTRAINT "attempt_outcome" CHECK ("herald"."attempt"."outcome" in ('sent', 'retry', 'failed', 'unknown'))
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
	"charged" smallint DEFAULT 0 NOT NULL,
	"max_attempts" smallint,
	"unknown" text DEFAULT 'retry' NOT NULL,
	"lease_token" uuid,
	"leased_by" text,
	"attempt_started_at" timestamp with time zone,
	"created_by" text NOT NULL,
	"trace_context" jsonb,
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
CREATE INDEX "message_recipient" ON "herald"."message" USING btree ("recipient_id","created_at" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "message_targets" ON "herald"."message" USING gin ("targets") WHERE "herald"."message"."targets" <> '{}';--> statement-breakpoint
CREATE INDEX "message_created_at" ON "herald"."message" USING btree ("created_at" DESC NULLS LAST,"id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "message_unsettled" ON "herald"."message" USING btree ("method","next_attempt_at") WHERE "herald"."message"."status" in ('pending', 'sending', 'held');--> statement-breakpoint
CREATE INDEX "message_notification" ON "herald"."message" USING btree ("notification_id");--> statement-breakpoint
CREATE UNIQUE INDEX "message_dedupe" ON "herald"."message" USING btree ("dedupe_key","dedupe_slot","recipient_id","dedupe_scope") WHERE "herald"."message"."dedupe_key" is not null;