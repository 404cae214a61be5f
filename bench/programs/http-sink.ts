/** An HTTP/1.1 server that answers 204 to everything, as small as can be: it must not be what is measured. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { serve } from './serve.ts';

const answer = 'HTTP/1.1 204 No Content\r\n\r\n';

serve(async () => {
  const server = createServer({ noDelay: true }, (socket) => {
    let rest = '';
    socket.on('error', () => undefined);
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      rest += chunk;
      for (;;) {
        const headEnd = rest.indexOf('\r\n\r\n');
        if (headEnd < 0) return;
        const length = Number(/\r\ncontent-length: *(\d+)/i.exec(rest.slice(0, headEnd))?.[1] ?? 0);
        if (rest.length < headEnd + 4 + length) return;
        rest = rest.slice(headEnd + 4 + length);
        socket.write(answer);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    answers: {
      port: () => {
        const address = server.address();
        return typeof address === 'object' ? address?.port : null;
      },
    },
    close: async () => void server.close(),
  };
});
