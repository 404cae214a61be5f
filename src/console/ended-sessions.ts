/**
 * Sessions of a sign-in with the token. They are signed, not stored; what is stored is which of them were signed out
 * before they expired, so that a copied cookie does not outlive its session.
 */
import type { Pool } from 'pg';

/** A session as its cookie has it. */
export interface Session {
  readonly id: string;
  readonly name: string;
  readonly expiresAt: Date;
}

/** Null if the text is not a session, or if it has expired. */
export function parseSession(text: string | undefined): Session | null {
  const [expiresAtMs = '', name = '', id = ''] = text?.split('.') ?? [];
  const expiresAt = new Date(Number(expiresAtMs));
  if (!(expiresAt.getTime() > Date.now()) || id === '') return null;
  return { id, name: Buffer.from(name, 'base64url').toString('utf8'), expiresAt };
}

/** Whether the session was signed out. */
export async function isEnded(pool: Pool, id: string): Promise<boolean> {
  return (await pool.query('SELECT FROM herald.ended_session WHERE id = $1', [id])).rowCount === 1;
}

/** Stores that the session was signed out, and forgets those that have expired since. */
export async function endSession(pool: Pool, { id, expiresAt }: Session): Promise<void> {
  await pool.query('DELETE FROM herald.ended_session WHERE expires_at < now()');
  await pool.query('INSERT INTO herald.ended_session (id, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    id,
    expiresAt,
  ]);
}
