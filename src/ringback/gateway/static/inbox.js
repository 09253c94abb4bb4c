// Keeps the list of the inbox up to date. Without this script, the page works and is reloaded by hand.
"use strict";

const RETRY_MS = 30000;
const list = document.getElementById("list");
const status = document.getElementById("live");
let source = null;
let timer = null;

// Rows that look the same stay in place, so that ticks, focus and open menus survive.
function replaceRows(fresh) {
  const kept = new Map();
  for (const row of list.querySelectorAll("[data-row]")) kept.set(row.dataset.row, row);
  for (const row of fresh.querySelectorAll("[data-row]")) {
    const old = kept.get(row.dataset.row);
    if (old) row.replaceWith(old);
  }
  list.replaceChildren(...fresh.childNodes);
  list.dataset.events = fresh.dataset.events;
}

async function refresh() {
  let text;
  try {
    const reply = await fetch(list.dataset.page, { headers: { accept: "text/html" } });
    // A redirect leads to the sign-in page.
    if (reply.redirected || !reply.ok) { schedule(); return; }
    text = await reply.text();
  } catch {
    schedule();
    return;
  }
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.getElementById("list");
  if (!fresh) return;
  const focused = document.activeElement ? document.activeElement.id : "";
  replaceRows(fresh);
  const again = focused && document.getElementById(focused);
  if (again && document.activeElement !== again) again.focus();
  for (const tab of page.querySelectorAll("nav [id]")) {
    const shown = document.getElementById(tab.id);
    if (shown) shown.replaceChildren(...tab.childNodes);
  }
  document.getElementById("ticked").hidden = page.getElementById("ticked").hidden;
  status.textContent = "The list was updated.";
  connect();
}

function schedule() {
  clearTimeout(timer);
  timer = setTimeout(() => { if (!document.hidden) refresh(); }, RETRY_MS);
}

function disconnect() {
  if (source) source.close();
  source = null;
}

function connect() {
  disconnect();
  clearTimeout(timer);
  if (document.hidden) return;
  source = new EventSource(list.dataset.events);
  source.addEventListener("changed", () => { disconnect(); refresh(); });
  source.addEventListener("error", () => {
    // The browser reconnects by itself, except after an error status.
    if (source && source.readyState === EventSource.CLOSED) { disconnect(); schedule(); }
  });
}

// A hidden tab holds no connection: browsers allow only a few per host.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { disconnect(); clearTimeout(timer); } else { refresh(); }
});
addEventListener("pagehide", disconnect);
connect();
