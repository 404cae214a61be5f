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
ALTER TABLE "herald"."message" ADD COLUMN "address" text;--> statement-breakpoint
ALTER TABLE "herald"."message" ADD COLUMN "crashes" smallint DEFAULT 0 NOT NULL;
