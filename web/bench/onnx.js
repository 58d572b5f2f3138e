/** Writes small ONNX models: just enough of the format (onnx.proto3) for a benchmark's operations. */

/** @typedef {{name: string, dims: number[], type?: 'f32'|'u8', data?: Uint8Array}} Value  with data: a constant */
/** @typedef {{op: string, inputs: string[], outputs: string[], domain?: string, attributes?: Object<string, number|{f: number}>}} Node */

const TYPES = { f32: 1, u8: 2 };
const ATTRIBUTE_FLOAT = 1;
const ATTRIBUTE_INT = 2;

/** A field of wire type 2: bytes, a string or a message. */
function field(number, content) {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : join(content);
  return join([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

const integer = (number, value) => join([varint(number * 8), varint(value)]);

function float(number, value) {
  const bytes = new Uint8Array(5);
  bytes[0] = number * 8 + 5;
  new DataView(bytes.buffer).setFloat32(1, value, true);
  return bytes;
}

function varint(value) {
  const bytes = [];
  for (let left = BigInt(value); ; left >>= 7n) {
    if (left < 128n) return Uint8Array.from([...bytes, Number(left)]);
    bytes.push(Number(left & 127n) | 128);
  }
}

/** @param {Uint8Array|Uint8Array[]} parts */
function join(parts) {
  if (parts instanceof Uint8Array) return parts;
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function attribute([name, value]) {
  const isFloat = typeof value === 'object';
  const content = isFloat ? [float(2, value.f), integer(20, ATTRIBUTE_FLOAT)] : [integer(3, value), integer(20, ATTRIBUTE_INT)];
  return field(5, [field(1, name), ...content]);
}

/** @param {Node} node */
function encodeNode({ op, inputs, outputs, domain = '', attributes = {} }) {
  const names = [...inputs.map((name) => field(1, name)), ...outputs.map((name) => field(2, name))];
  return field(1, [...names, field(4, op), ...Object.entries(attributes).map(attribute), field(7, domain)]);
}

/** @param {Value} value */
function constant({ name, dims, type = 'f32', data }) {
  return field(5, [...dims.map((dim) => integer(1, dim)), integer(2, TYPES[type]), field(8, name), field(9, data)]);
}

/** @param {number} number @param {Value} value */
function described(number, { name, dims, type = 'f32' }) {
  const shape = dims.map((dim) => field(1, [integer(1, dim)]));
  const tensor = field(1, [integer(1, TYPES[type]), field(2, shape)]);
  return field(number, [field(1, name), field(2, [tensor])]);
}

/**
 * @param {{nodes: Node[], constants: Value[], inputs: Value[], outputs: Value[]}} graph
 * @returns {Uint8Array}
 */
export function model({ nodes, constants, inputs, outputs }) {
  const graph = [
    ...nodes.map(encodeNode),
    field(2, 'benchmark'),
    ...constants.map(constant),
    ...inputs.map((input) => described(11, input)),
    ...outputs.map((output) => described(12, output)),
  ];
  const opset = (domain, version) => field(8, [field(1, domain), integer(2, version)]);
  return join([integer(1, 9), opset('', 18), opset('com.microsoft', 1), field(7, graph)]);
}
