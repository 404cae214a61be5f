/** Reads server-sent events from a response of `fetch`, which, unlike EventSource, tells why a stream was refused. */

/** One event. */
export interface StreamEvent {
  /** `change` or `reload`. */
  readonly name: string;
  /** The JSON text. */
  readonly data: string;
}

/** What the reader of a stream is told. */
export interface StreamHandlers {
  readonly onEvent: (event: StreamEvent, token: string) => void;
  /** A token without an event: nothing has changed up to it. */
  readonly onToken: (token: string) => void;
}

/** The server says something every 25 s; after this time without a byte the connection is lost. */
const silenceMs = 60_000;

/**
 * Opens a stream and reads it. Resolves when the server ends it; rejects if it is refused, breaks off, is silent for a
 * minute, or is aborted.
 */
export async function followStream(
  open: (signal: AbortSignal) => Promise<Response>,
  signal: AbortSignal,
  handlers: StreamHandlers,
): Promise<void> {
  const silence = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const listen = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), silenceMs);
  };
  listen();
  try {
    const { body } = await open(AbortSignal.any([signal, silence.signal]));
    if (body) await readEvents(body, handlers, listen);
  } finally {
    clearTimeout(timer);
  }
}

async function readEvents(body: ReadableStream, handlers: StreamHandlers, onPiece: () => void): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const take = lineReader(handlers);
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onPiece();
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(take);
  }
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */
function lineReader({ onEvent, onToken }: StreamHandlers): (line: string) => void {
  let [name, data, token] = ['', '', ''];
  return (line) => {
    const [, field, value = ''] = /^([^:\r]*):? ?(.*?)\r?$/.exec(line) ?? [];
    if (field === 'event') name = value;
    else if (field === 'data') data += value;
    else if (field === 'id') token = value;
    else if (line.trim() === '') {
      if (data !== '') onEvent({ name, data }, token);
      else if (token !== '') onToken(token);
      [name, data] = ['', ''];
    }
  };
}
