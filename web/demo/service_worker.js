// Answers the page's requests from a cache: exactly the files of files.js, each by its digest. When
// files change, the browser finds another files.js, and only what changed is downloaded again.

/* global FILES */
importScripts("files.js");

const CACHE = "unmask-web";
const INDEX = "index.html";
// These are large: they are kept when they are first used, or when the page asks for it.
const LARGE = ["models/", "onnxruntime/"];
const SMALL = Object.keys(FILES).filter((path) => !LARGE.some((folder) => path.startsWith(folder)));

/** Some hosts redirect from the name of the index to its folder. */
function address(path) {
  return new URL(path === INDEX ? "./" : path, self.registration.scope).href;
}

function key(path) {
  return `${address(path)}?sha256=${FILES[path][0]}`;
}

async function store(path, response) {
  const content = await response.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== FILES[path][0]) throw new Error(`${path} is not the file that files.js lists`);
  const cache = await caches.open(CACHE);
  await cache.put(key(path), new Response(content, { headers: response.headers }));
}

async function keep(path) {
  if (await caches.match(key(path))) return;
  const response = await fetch(address(path), { cache: "no-cache" });
  if (!response.ok) throw new Error(`${path}: HTTP status ${response.status}`);
  await store(path, response);
}

self.addEventListener("install", (event) => {
  event.waitUntil(Promise.all(SMALL.map(keep)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const wanted = new Set(Object.keys(FILES).map(key));
      const cache = await caches.open(CACHE);
      const old = (await cache.keys()).filter((request) => !wanted.has(request.url));
      await Promise.all(old.map((request) => cache.delete(request)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const scope = self.registration.scope;
  const { origin, pathname } = new URL(url);
  const plain = origin + pathname;
  if (method !== "GET" || !plain.startsWith(scope)) return;
  const path = decodeURIComponent(plain.slice(scope.length)) || INDEX;
  if (!Object.hasOwn(FILES, path)) return;
  event.respondWith(
    (async () => {
      const kept = await caches.match(key(path));
      if (kept) return kept;
      const response = await fetch(event.request);
      // While it arrives, so that the page sees how far it is.
      if (response.ok) event.waitUntil(store(path, response.clone()).catch(console.warn));
      return response;
    })(),
  );
});

self.addEventListener("message", (event) => {
  const runtime = Object.keys(FILES).filter((path) => path.startsWith("onnxruntime/"));
  event.waitUntil(
    Promise.all([...runtime, ...event.data.keep].map(keep)).then(
      () => event.ports[0].postMessage(true),
      (error) => event.ports[0].postMessage(String(error)),
    ),
  );
});
