// What pages do beyond links and forms. Without this script everything works except that pages do not update themselves.
'use strict';

const pad = (n) => String(n).padStart(2, '0');

const zones = new Intl.DateTimeFormat('en', { timeZoneName: 'short' });

/** A point in time in the reader's time zone, with the name of the zone. */
function localTime(at) {
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  const zone = zones.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  return `${day} ${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())} ${zone}`;
}

/** As `duration` in elements.ts. */
function ago(at) {
  const seconds = Math.round((Date.now() - at.getTime()) / 1000);
  if (seconds < 1) return 'just now';
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86400)} days ago`;
}

/** Shows times in the reader's time zone; the title of a time that is shown in it keeps UTC. */
function localize(root) {
  for (const element of root.querySelectorAll('time[datetime]')) {
    const at = new Date(element.dateTime);
    if ('relative' in element.dataset) {
      element.textContent = ago(at);
      element.title = localTime(at);
    } else element.textContent = localTime(at);
  }
}

/** Without the texts of times, which change by themselves. */
const withoutTimes = (markup) => markup.replace(/(<time[^>]*>)[^<]*/g, '$1');

/** Whether the reader is typing in it, has selected some of its text, or has a form open there. */
function isBusy(element) {
  const selection = getSelection();
  if (!selection.isCollapsed && selection.containsNode(element, true)) return true;
  const active = document.activeElement;
  const typing = active instanceof HTMLInputElement || active instanceof HTMLTextAreaElement;
  return (typing && element.contains(active)) || element.querySelector('details[open]') !== null;
}

/** The HTML of each live part as the server sent it, before times became local. */
const received = new WeakMap();

/** Replaces a part if it has changed, marks its changed rows, and keeps the focus. */
function swap(old, fresh) {
  if (received.get(old) === withoutTimes(fresh.innerHTML)) return;
  if (isBusy(old)) return;
  const focused = old.contains(document.activeElement) ? pathTo(old, document.activeElement) : null;
  const before = new Map([...rowsOf(old)].map(([key, row]) => [key, textOf(row)]));
  received.set(old, withoutTimes(fresh.innerHTML));
  old.replaceChildren(...fresh.childNodes);
  localize(old);
  for (const [key, row] of rowsOf(old)) if (before.size > 0 && before.get(key) !== textOf(row)) row.classList.add('changed');
  if (focused !== null) follow(old, focused)?.focus({ preventScroll: true });
}

/** The text of a row without its times. */
function textOf(row) {
  const copy = row.cloneNode(true);
  for (const time of copy.querySelectorAll('time')) time.remove();
  return copy.textContent;
}

/** Table rows, by the address that they link to. */
function rowsOf(root) {
  return new Map([...root.querySelectorAll('tbody tr')].map((row) => [row.querySelector('a')?.href ?? row.textContent, row]));
}

function pathTo(root, element) {
  const path = [];
  for (let at = element; at !== root; at = at.parentElement) path.unshift([...at.parentElement.children].indexOf(at));
  return path;
}

function follow(root, path) {
  return path.reduce((at, index) => at?.children[index], root);
}

let fetching = null;
let again = new Set();

/** Fetches this page again and replaces the parts that wait for one of the topics. One request at a time. */
async function refresh(topics) {
  for (const topic of topics) if (document.querySelector(`[data-live~="${topic}"]`) !== null) again.add(topic);
  if (again.size === 0) return;
  if (fetching !== null) return;
  const wanted = again;
  again = new Set();
  fetching = (async () => {
    const answer = await fetch(location.href, { headers: { 'x-live': '1', accept: 'text/html' }, redirect: 'error' });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    for (const part of document.querySelectorAll('[data-live]')) {
      const fresh = document.contains(part) ? page.getElementById(part.id) : null;
      if (fresh !== null && part.dataset.live.split(' ').some((topic) => wanted.has(topic))) swap(part, fresh);
    }
  })().catch(() => undefined);
  await fetching;
  fetching = null;
  if (again.size > 0) setTimeout(() => refresh([]), 500);
}

/** Streams only while the page is visible: a browser opens few connections to one host. */
function follower(url) {
  let source = null;
  const topics = ['overview', 'messages', 'message', 'captured'];
  const open = () => {
    if (source !== null || document.hidden) return;
    source = new EventSource(url);
    for (const topic of topics) source.addEventListener(topic, () => void refresh([topic]));
    // The stream reports every change from now on; this fetches what changed before.
    source.addEventListener('here', () => void refresh(topics));
  };
  const close = () => {
    source?.close();
    source = null;
  };
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  addEventListener('pagehide', close);
  addEventListener('pageshow', open);
  open();
}

/** "/" focuses the search field, "g" and a letter open a page. */
function shortcuts() {
  let waiting = false;
  for (const hint of document.querySelectorAll('.keys')) hint.hidden = false;
  document.addEventListener('keydown', (event) => {
    const typing = event.target instanceof Element && event.target.matches('input, textarea, select');
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === '/') {
      const field = document.querySelector('[data-shortcut="/"]');
      if (field === null) return;
      event.preventDefault();
      field.focus();
      field.select();
      return;
    }
    if (waiting) {
      const links = [...document.querySelectorAll('.top nav a')];
      links.find((link) => link.textContent.toLowerCase().startsWith(event.key.toLowerCase()))?.click();
    }
    waiting = event.key === 'g' && !waiting;
  });
}

/** A click anywhere in a row of a list opens it, unless something in it was clicked or a text selected. */
function clickableRows() {
  document.addEventListener('click', (event) => {
    const row = event.target instanceof Element ? event.target.closest('tr.go') : null;
    if (row === null || event.target.closest('a, button, summary, input, select, label') !== null) return;
    if (String(getSelection()) !== '') return;
    const link = row.querySelector('a');
    if (event.ctrlKey || event.metaKey) open(link.href, '_blank', 'noopener');
    else link.click();
  });
}

/** Leaves empty fields out of the address. */
function shortAddresses() {
  for (const form of document.querySelectorAll('form[method="get"]'))
    form.addEventListener('formdata', (event) => {
      for (const [name, value] of [...event.formData]) if (value === '') event.formData.delete(name);
    });
}

/** Updates the preview while the reader types, and keeps what was typed in the address. */
function previews(form) {
  let timer = 0;
  let asked = 0;
  const show = async () => {
    const mine = (asked += 1);
    const address = `${form.action}?${new URLSearchParams(new FormData(form))}`;
    const answer = await fetch(address, { headers: { 'x-live': '1', accept: 'text/html' }, redirect: 'error' });
    if (!answer.ok || mine !== asked) return;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const [old, fresh] = [document, page].map((root) => root.getElementById(form.dataset.preview));
    if (old === null || fresh === null) return;
    old.replaceChildren(...fresh.childNodes);
    history.replaceState(null, '', address);
  };
  form.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => show().catch(() => undefined), 300);
  });
}

for (const form of document.querySelectorAll('form[data-preview]')) previews(form);
for (const part of document.querySelectorAll('[data-live]')) received.set(part, withoutTimes(part.innerHTML));
localize(document);
setInterval(() => localize(document), 10_000);
// On a phone the navigation is wider than the screen.
document.querySelector('.top nav [aria-current]')?.scrollIntoView({ inline: 'center', block: 'nearest' });
shortcuts();
clickableRows();
shortAddresses();
if (document.body.dataset.liveUrl !== undefined) follower(document.body.dataset.liveUrl);
