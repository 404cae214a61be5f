/** Whether anybody can see the page. */

/** Stops the watch. */
export type StopWatching = () => void;

/**
 * Calls `onChange(true)` now if the page can be seen, and whenever it becomes visible; `onChange(false)` when it has
 * been hidden for `graceMs`, and when the browser puts it away. Outside a page it is always visible.
 */
export function watchAttention(graceMs: number, onChange: (isAwake: boolean) => void): StopWatching {
  const page = globalThis.document;
  if (page === undefined) {
    onChange(true);
    return () => undefined;
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(timer);
    if (page.visibilityState === 'visible') onChange(true);
    else timer = setTimeout(() => onChange(false), graceMs);
  };
  const leave = () => onChange(false);
  page.addEventListener('visibilitychange', look);
  globalThis.addEventListener('pagehide', leave);
  globalThis.addEventListener('pageshow', look);
  look();
  return () => {
    clearTimeout(timer);
    page.removeEventListener('visibilitychange', look);
    globalThis.removeEventListener('pagehide', leave);
    globalThis.removeEventListener('pageshow', look);
  };
}
