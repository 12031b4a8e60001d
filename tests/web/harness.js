// What `web_calls.py` runs in the page: values are packed as their JSON's length (four bytes), their
// JSON, and the bytes of their arrays.

const TYPED_ARRAY = Object.getPrototypeOf(Uint8Array);

export async function call(module, name) {
  await send(await (await load(module, name))(...(await receive())));
}

export async function changed(module, name) {
  const values = await receive();
  const result = await (await load(module, name))(...values);
  await send([...values, result]);
}

export async function constant(module, name) {
  await send(await load(module, name));
}

export async function time(module, name, repeat) {
  const run = await load(module, name);
  const values = await receive();
  const end = performance.now() + 100;
  while (performance.now() < end) await run(...values);
  const taken = [];
  for (let i = 0; i < repeat; i++) {
    const start = performance.now();
    await run(...values);
    taken.push(performance.now() - start);
  }
  await send(taken.sort((a, b) => a - b)[repeat >> 1]);
}

async function load(module, name) {
  const found = await import(module);
  if (!(name in found)) throw new Error(`${module} does not export ${name}`);
  return found[name];
}

async function receive() {
  const buffer = await (await fetch("/exchange")).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return decode(header, buffer.slice(4 + length));
}

function decode(value, data) {
  if (Array.isArray(value)) return value.map((item) => decode(item, data));
  if (value === null || typeof value !== "object") return value;
  if ("$number" in value) return Number(value.$number);
  if ("$array" in value) {
    // A copy, so that functions may transfer the buffer of one argument.
    const array = new globalThis[value.$array](data, value.start, value.length).slice();
    if (!value.shape) return array;
    const [height, width, channels = 1] = value.shape;
    return { data: array, width, height, channels };
  }
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, decode(item, data)]));
}

async function send(value) {
  const parts = [];
  const header = new TextEncoder().encode(JSON.stringify(encode(value ?? null, parts, { bytes: 0 })));
  const body = new Blob([new Uint32Array([header.length]), header, ...parts]);
  await fetch("/exchange", { method: "POST", body });
}

function encode(value, parts, total) {
  if (value instanceof TYPED_ARRAY) {
    const found = { $array: value.constructor.name, start: total.bytes, length: value.length };
    parts.push(value);
    total.bytes += value.byteLength;
    return found;
  }
  if (value instanceof ImageData) {
    return { ...encode(value.data, parts, total), shape: [value.height, value.width, 4] };
  }
  if (Array.isArray(value)) return value.map((item) => encode(item, parts, total));
  if (typeof value === "number" && !Number.isFinite(value)) return { $number: String(value) };
  if (value === null || typeof value !== "object") return value;
  const { data, width, height, channels } = value;
  if (data instanceof TYPED_ARRAY && channels !== undefined) {
    const shape = channels === 1 ? [height, width] : [height, width, channels];
    return { ...encode(data, parts, total), shape };
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, encode(item, parts, total)]),
  );
}
