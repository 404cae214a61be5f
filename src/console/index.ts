/**
 * `pg-herald/console`: the operator's web console. A separate entry point, so that the library does not load a web
 * framework.
 */
export { type Connection, type FetchHandler, nodeListener } from '../node-listener.ts';
export { type Console, createConsole } from './console.ts';
export type { CapturedMessage, CapturedMessages, ConsoleOptions, Principal } from './options.ts';
export { type ConsoleServer, type ServeOptions, serveConsole } from './server.ts';
