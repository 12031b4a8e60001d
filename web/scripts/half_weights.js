// Stores the weights of an ONNX file in half of the bytes, and loses nothing.
//
// The weight files hold 16-bit numbers; an exported file in fp32 holds their products with the scales
// of the batch norms. Here it gets the 16-bit numbers and the scales instead, and nodes that multiply
// them: ONNX Runtime does so once, when it opens the file, and has the same 32-bit numbers.

import { bytesField, numberField, readFields } from "./protobuf.js";

// Numbers of the fields in onnx.proto.
const MODEL = { graph: 7 };
const GRAPH = { node: 1, initializer: 5 };
const NODE = { input: 1, output: 2, type: 4, attribute: 5 };
const ATTRIBUTE = { name: 1, number: 3, type: 20 };
const TENSOR = { dims: 1, type: 2, name: 8, raw: 9 };
const ATTRIBUTE_INT = 2;
const [FLOAT, HALF] = [1, 10];
// How far a scale can be from the quotient of two rounded numbers, in steps of its last digit.
const STEPS = 4;

/**
 * Returns an ONNX file with halved weights.
 *
 * @param {Buffer} onnx In fp32.
 * @param {Buffer} safetensors The weights that it was exported from.
 * @returns {Buffer}
 */
export function halveWeights(onnx, safetensors) {
  const halves = readHalves(safetensors);
  return rewrite(onnx, MODEL.graph, (graph) => {
    const nodes = [];
    const body = rewrite(graph, GRAPH.initializer, (tensor) => {
      const { dims, type, name, raw } = readTensor(tensor);
      const half = halves.get(name);
      if (type !== FLOAT || !half || half.values.length !== raw.length / 4) return tensor;
      const scales = findScales(half.values, new Float32Array(new Uint8Array(raw).buffer), dims[0]);
      if (!scales) return tensor;
      const cast = [
        ...numberField(ATTRIBUTE.number, FLOAT),
        ...bytesField(ATTRIBUTE.name, "to"),
        ...numberField(ATTRIBUTE.type, ATTRIBUTE_INT),
      ];
      const plain = scales.every((scale) => scale === 1);
      const float = plain ? name : `${name}_float`;
      nodes.push(node("Cast", [`${name}_half`], float, cast));
      const stored = [tensorOf(`${name}_half`, HALF, dims, half.bytes)];
      if (!plain) {
        nodes.push(node("Mul", [float, `${name}_scale`], name));
        const shape = dims.map((size, i) => (i ? 1 : size));
        stored.push(tensorOf(`${name}_scale`, FLOAT, shape, Buffer.from(scales.buffer)));
      }
      return stored;
    });
    return Buffer.concat([...nodes, body]);
  });
}

/** Replaces each message of a field by what a function makes of it: one message, or several. */
function rewrite(message, field, change) {
  const parts = [];
  for (const part of readFields(message)) {
    if (part.field !== field) parts.push(part.raw);
    else parts.push(...[change(part.value)].flat().map((changed) => bytesField(field, changed)));
  }
  return Buffer.concat(parts);
}

function node(type, inputs, output, attribute) {
  const parts = [
    ...inputs.map((input) => bytesField(NODE.input, input)),
    bytesField(NODE.output, output),
    bytesField(NODE.type, type),
  ];
  if (attribute) parts.push(bytesField(NODE.attribute, attribute));
  return bytesField(GRAPH.node, Buffer.concat(parts));
}

function readTensor(tensor) {
  const found = { dims: [], type: 0, name: "", raw: Buffer.alloc(0) };
  for (const { field, value } of readFields(tensor)) {
    if (field === TENSOR.dims) {
      // One number, or several in one field.
      if (typeof value === "number") found.dims.push(value);
      else found.dims.push(...varints(value));
    } else if (field === TENSOR.type) found.type = value;
    else if (field === TENSOR.name) found.name = value.toString();
    else if (field === TENSOR.raw) found.raw = value;
  }
  return found;
}

function varints(packed) {
  const numbers = [];
  let [value, factor] = [0, 1];
  for (const byte of packed) {
    value += (byte & 127) * factor;
    factor *= 128;
    if (byte < 128) {
      numbers.push(value);
      [value, factor] = [0, 1];
    }
  }
  return numbers;
}

function tensorOf(name, type, dims, raw) {
  return Buffer.concat([
    ...dims.map((size) => numberField(TENSOR.dims, size)),
    numberField(TENSOR.type, type),
    bytesField(TENSOR.name, name),
    bytesField(TENSOR.raw, raw),
  ]);
}

/** Returns the 16-bit tensors of a safetensors file by name, as bytes and as numbers. */
function readHalves(file) {
  const size = Number(file.readBigUInt64LE(0));
  const entries = Object.entries(JSON.parse(file.subarray(8, 8 + size).toString()));
  const halves = new Map();
  for (const [name, { dtype, data_offsets: offsets }] of entries) {
    if (dtype !== "F16") continue;
    const bytes = file.subarray(8 + size + offsets[0], 8 + size + offsets[1]);
    const values = Float32Array.from({ length: bytes.length / 2 }, (_, i) =>
      fromHalf(bytes.readUInt16LE(2 * i)),
    );
    halves.set(name, { bytes, values });
  }
  return halves;
}

function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Returns the scale of each output channel that gives exactly the products, or `null`. */
function findScales(values, products, channels) {
  const size = values.length / channels;
  const scales = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel++) {
    const from = values.subarray(channel * size, (channel + 1) * size);
    const to = products.subarray(channel * size, (channel + 1) * size);
    const scale = findScale(from, to);
    if (scale === undefined) return null;
    scales[channel] = scale;
  }
  return scales;
}

function findScale(from, to) {
  let largest = 0;
  for (let i = 0; i < from.length; i++) {
    if (Math.abs(from[i]) > Math.abs(from[largest])) largest = i;
  }
  const near = new Float32Array([from[largest] ? to[largest] / from[largest] : 1]);
  const bits = new Int32Array(near.buffer);
  bits[0] -= STEPS;
  for (let step = -STEPS; step <= STEPS; step++, bits[0]++) {
    const scale = near[0];
    if (from.every((value, i) => Math.fround(value * scale) === to[i])) return scale;
  }
  return undefined;
}
