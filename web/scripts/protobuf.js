// Reads and writes the few parts of protocol buffers that ONNX files need.

const VARINT = 0;
const BYTES = 2;

/**
 * Yields the fields of a message.
 *
 * @param {Buffer} message
 * @returns {Generator<{ field: number, value: any, raw: Buffer }>} A number for each varint, otherwise
 *   the bytes; and the field as it stands in the message.
 */
export function* readFields(message) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const start = at;
    const tag = varint();
    const wire = tag & 7;
    let value;
    if (wire === VARINT) {
      value = varint();
    } else {
      const size = wire === BYTES ? varint() : { 1: 8, 5: 4 }[wire];
      value = message.subarray(at, at + size);
      at += size;
    }
    yield { field: tag >> 3, value, raw: message.subarray(start, at) };
  }
}

/** Returns a field with a whole number. */
export function numberField(field, number) {
  return Buffer.from([...varintBytes(field * 8 + VARINT), ...varintBytes(number)]);
}

/** Returns a field with bytes, a text or a message. */
export function bytesField(field, content) {
  const bytes = Buffer.from(content);
  const head = [...varintBytes(field * 8 + BYTES), ...varintBytes(bytes.length)];
  return Buffer.concat([Buffer.from(head), bytes]);
}

function varintBytes(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}
