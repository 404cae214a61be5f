/** The style sheet of the element. It is adopted, so no policy for styles has to allow it. */

/** CSS with custom properties for what an application may want to change. */
export const styles = `
:host {
  display: inline-block;
  --accent: var(--herald-inbox-accent, light-dark(#0b5cad, #79b4f2));
  --background: var(--herald-inbox-background, light-dark(#ffffff, #161b22));
  --text: var(--herald-inbox-text, light-dark(#1c2128, #e4e8ed));
  --muted: var(--herald-inbox-muted, light-dark(#57606a, #9aa5b1));
  --line: var(--herald-inbox-line, light-dark(#dde1e6, #2a313a));
  --unread: var(--herald-inbox-unread, light-dark(#f1f6fc, #1b2733));
  --badge: var(--herald-inbox-badge, light-dark(#b3261e, #ff8f85));
  --badge-text: var(--herald-inbox-badge-text, light-dark(#ffffff, #2b0d0b));
}
:host([hidden]) { display: none; }
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
button, a { font: inherit; color: inherit; }
button { margin: 0; padding: 0; border: 0; background: none; cursor: pointer; text-align: start; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

[part='bell'] {
  position: relative; display: inline-grid; place-items: center; min-width: 40px; min-height: 40px; border-radius: 8px;
}
[part='bell']:hover { background: color-mix(in srgb, currentColor 10%, transparent); }
[part='badge'] {
  position: absolute; inset-block-start: 0; inset-inline-start: 50%; min-width: 18px; padding: 0 5px;
  border-radius: 9px; background: var(--badge); color: var(--badge-text); font-size: 11px; font-weight: 650;
  line-height: 18px; text-align: center; font-variant-numeric: tabular-nums;
}
[part='panel'] {
  position: fixed; inset: auto; margin: 0; padding: 0; width: min(var(--herald-inbox-width, 400px), calc(100vw - 16px));
  border: 1px solid var(--line); border-radius: var(--herald-inbox-radius, 12px); overflow: hidden;
  background: var(--background); color: var(--text); box-shadow: 0 8px 32px rgb(0 0 0 / 0.2);
  font: var(--herald-inbox-font, 14px/1.45 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif);
}
[part='panel']:popover-open { display: flex; flex-direction: column; }
[part='panel']:focus { outline: none; }
[part='header'] {
  display: flex; align-items: center; gap: 4px 12px; padding: 8px 8px 8px 16px; border-block-end: 1px solid var(--line);
}
[part='header']:dir(rtl) { padding: 8px 16px 8px 8px; }
h2 { flex: 1; margin: 0; font-size: 16px; font-weight: 650; }
h3 { margin: 0; font-size: inherit; font-weight: 400; overflow-wrap: anywhere; }
[part='mark-all'] { padding: 4px 0; color: var(--accent); }
[part='mark-all']:hover, [part='title']:hover, [part='more']:hover { text-decoration: underline; }
[part='close'], [part='mark'], [part='archive'] {
  display: grid; place-items: center; width: 32px; height: 32px; border-radius: 8px; color: var(--muted);
}
[part='close']:hover, [part='mark']:hover, [part='archive']:hover {
  background: color-mix(in srgb, currentColor 14%, transparent); color: var(--text);
}
[part='notice'] { margin: 0; padding: 8px 16px; border-block-end: 1px solid var(--line); color: var(--muted); }
[part='body'] { flex: 1; min-height: 0; overflow-y: auto; overscroll-behavior: contain; }
[part='list'] { margin: 0; padding: 0; list-style: none; }
li {
  position: relative; display: flex; gap: 8px; padding: 12px 8px 12px 28px; border-block-end: 1px solid var(--line);
  content-visibility: auto; contain-intrinsic-size: auto 92px;
}
li:dir(rtl) { padding: 12px 28px 12px 8px; }
li.unread { background: var(--unread); }
li.unread::before {
  content: ''; position: absolute; inset-inline-start: 12px; inset-block-start: 18px; width: 8px; height: 8px;
  border-radius: 50%; background: var(--accent); border: 4px solid var(--accent);
}
.content { flex: 1; min-width: 0; }
.tools { display: flex; flex-direction: column; }
[part='title'] { display: inline-block; max-width: 100%; text-decoration: none; font-weight: 500; }
.unread [part='title'] { font-weight: 650; }
[part='text'] { margin: 2px 0 0; color: var(--muted); white-space: pre-line; overflow-wrap: anywhere; }
[part='text'].cut { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
[part='show-all'] { padding: 4px 0; color: var(--accent); }
[part='actions'] { display: flex; flex-wrap: wrap; gap: 4px 16px; }
[part='action'] { padding: 4px 0; color: var(--accent); text-underline-offset: 2px; overflow-wrap: anywhere; }
[part='time'] { display: block; margin-block-start: 2px; color: var(--muted); font-size: 12px; }
[part='state'] { margin: 0; padding: 40px 16px; color: var(--muted); text-align: center; }
[part='retry'] { padding: 8px 16px; border: 1px solid var(--muted); border-radius: 8px; color: var(--text); }
.center { display: flex; justify-content: center; padding: 0 16px 16px; }
.list-end { display: flex; justify-content: center; padding: 8px; }
[part='more'] { padding: 8px 16px; color: var(--accent); }
@media (forced-colors: active) {
  [part='badge'] { border: 1px solid; }
}
`;
