CREATE TABLE "herald"."attachment" (
	"notification_id" uuid NOT NULL,
	"position" smallint NOT NULL,
	"name" text NOT NULL,
	"content_type" text NOT NULL,
	"content" "bytea" NOT NULL,
	CONSTRAINT "attachment_notification_id_position_pk" PRIMARY KEY("notification_id","position")
);
--> statement-breakpoint
CREATE TABLE "herald"."audit" (
	"id" uuid PRIMARY KEY DEFAULT herald.uuid_v7() NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"subject" text,
	"why" text,
	"detail" jsonb
);
--> statement-breakpoint
CREATE TABLE "herald"."endpoint" (
	"id" uuid PRIMARY KEY DEFAULT herald.uuid_v7() NOT NULL,
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
ALTER TABLE "herald"."message" ADD COLUMN "attachments" smallint DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "audit_at" ON "herald"."audit" USING btree ("at","id");--> statement-breakpoint
CREATE INDEX "audit_subject" ON "herald"."audit" USING btree ("subject","at");--> statement-breakpoint
CREATE INDEX "endpoint_recipient" ON "herald"."endpoint" USING btree ("method","recipient_id");--> statement-breakpoint
CREATE INDEX "endpoint_tenant" ON "herald"."endpoint" USING btree ("method","tenant");