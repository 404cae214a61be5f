/** `pg-herald/console`: the operator's web page, apart from the library so that its users do not load a web framework. */
export type { Catch, Catches } from './captured.ts';
export { type Console, createConsole } from './console.ts';
export type { ConsoleOptions, Visitor } from './options.ts';
export { type ConsoleServer, nodeListener, type ServeOptions, serveConsole } from './server.ts';
