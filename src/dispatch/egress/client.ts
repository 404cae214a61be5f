/** What makes connections: everything that needs undici, as one module that is loaded when the first call is made. */
export { openConnection } from './connection.ts';
export { guardedConnector } from './connector.ts';
export { proxyConnector } from './proxy.ts';
