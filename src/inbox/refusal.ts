/** Why a request is refused, as JSON for the program that sent it. */

/** A refused request. Its text holds nothing that belongs to somebody else. */
export class Refusal extends Error {
  /** Always `Refusal`. */
  override readonly name = 'Refusal';
  readonly status: number;
  /** A word for programs. */
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** Headers of every response: nothing is cached, and nothing is taken for another type. */
const common = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };

/** A response of JSON. */
export function json(body: object, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json(body, { status, headers: { ...common, ...headers } });
}

/** The response of a refused request. */
export function refused({ status, code, message, headers }: Refusal): Response {
  return json({ error: code, message }, status, headers);
}
