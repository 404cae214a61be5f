/** The work that both peers do for a job: load message and template, render, record that it was sent. */
import { Pool } from 'pg';

export interface PeerInput {
  readonly url: string;
  /** Path of pg-herald's compiled renderer: rendering is the same for all. */
  readonly renderer: string;
}

const brand = { appName: 'Acme', baseUrl: 'https://acme.example' };

const tables = `
  CREATE SCHEMA app;
  CREATE TABLE app.template AS SELECT template AS name, title, body, actions FROM herald.template_version WHERE template = 'workspace-deleted';
  ALTER TABLE app.template ADD PRIMARY KEY (name);
  CREATE TABLE app.message (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, template text NOT NULL, recipient jsonb NOT NULL,
    labels jsonb NOT NULL, status text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), sent_at timestamptz);
  CREATE INDEX ON app.message (created_at)`;

const fillText = `INSERT INTO app.message (template, recipient, labels, status)
  SELECT 'workspace-deleted', jsonb_build_object('id', 'u' || i, 'email', 'user' || i || '@example.com', 'name', 'Customer Number ' || i),
    '{"workspace": "Analytics (Staging)", "reason": "it was inactive for 90 days", "initiator": "autobuild"}', 'pending'
  FROM generate_series(1, $1::int) i RETURNING id`;

const load = {
  name: 'load',
  text: `SELECT m.recipient, m.labels, m.created_at AS "createdAt", t.name, t.title, t.body, t.actions
    FROM app.message m JOIN app.template t ON t.name = m.template WHERE m.id = $1 AND m.status = 'pending'`,
};

const settle = { name: 'settle', text: `UPDATE app.message SET status = 'sent', sent_at = now() WHERE id = $1` };

export async function openWork({ url, renderer }: PeerInput, connections: number) {
  const pool = new Pool({ connectionString: url, max: connections });
  await pool.query(tables);
  const { createRenderer } = await import(renderer);
  const render = createRenderer();
  return {
    pool,
    /** Writes messages and returns their ids. */
    async fill(count: number): Promise<string[]> {
      const { rows } = await pool.query(fillText, [count]);
      return rows.map((row) => row.id);
    },
    async deliver(id: string): Promise<void> {
      const { rows } = await pool.query({ ...load, values: [id] });
      const [row] = rows;
      if (row === undefined) return;
      const { recipient, labels, createdAt, ...template } = row;
      const content = render({ template, recipient, labels, data: null, brand, createdAt });
      if (content.text === '') throw new Error('rendered nothing');
      await pool.query({ ...settle, values: [id] });
    },
  };
}

/** Counts jobs down, and says when the last is done. */
export function countdown() {
  let left = 0;
  let done: (() => void) | null = null;
  return {
    start(count: number): Promise<void> {
      left = count;
      return new Promise((resolve) => {
        done = resolve;
      });
    },
    one(): void {
      left -= 1;
      if (left === 0) done?.();
    },
  };
}
