-- herald: outside a transaction
-- An index that an interrupted build left invalid is dropped first, so that this can be run again.
DROP INDEX CONCURRENTLY IF EXISTS "herald"."message_recipients";
--> statement-breakpoint
CREATE INDEX CONCURRENTLY "message_recipients" ON "herald"."message" USING btree ("recipient_id","created_at","id");
--> statement-breakpoint
DROP INDEX CONCURRENTLY IF EXISTS "herald"."message_templates";
--> statement-breakpoint
CREATE INDEX CONCURRENTLY "message_templates" ON "herald"."message" USING btree ("template","created_at","id");
--> statement-breakpoint
DROP INDEX CONCURRENTLY IF EXISTS "herald"."message_times";
--> statement-breakpoint
CREATE INDEX CONCURRENTLY "message_times" ON "herald"."message" USING btree ("created_at","id");
--> statement-breakpoint
DROP INDEX CONCURRENTLY IF EXISTS "herald"."message_reasons";
--> statement-breakpoint
CREATE INDEX CONCURRENTLY "message_reasons" ON "herald"."message" USING btree ("created_at","id") WHERE "herald"."message"."reason" is not null;
--> statement-breakpoint
DROP INDEX CONCURRENTLY IF EXISTS "herald"."message_open";
--> statement-breakpoint
CREATE INDEX CONCURRENTLY "message_open" ON "herald"."message" USING btree ("method","next_attempt_at") WHERE "herald"."message"."settled_at" is null;
--> statement-breakpoint
DROP INDEX CONCURRENTLY IF EXISTS "herald"."message_endpoint";
--> statement-breakpoint
CREATE INDEX CONCURRENTLY "message_endpoint" ON "herald"."message" USING btree ("endpoint_id","created_at") WHERE "herald"."message"."endpoint_id" is not null;
--> statement-breakpoint
DROP INDEX CONCURRENTLY IF EXISTS "herald"."message_recipient";
--> statement-breakpoint
DROP INDEX CONCURRENTLY IF EXISTS "herald"."message_created_at";
--> statement-breakpoint
DROP INDEX CONCURRENTLY IF EXISTS "herald"."message_unsettled";
