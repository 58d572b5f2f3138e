/**
 * What onnxruntime-web is given: the same operations, in its own quickest form. Weights are constants, inputs and
 * outputs stay on the GPU.
 */

import { model } from './onnx.js';

const MICROSOFT = 'com.microsoft';
const BLOCK = 32;

/** Numbers from -1 to 1, times `scale`, the same every time. */
export function random(count, scale, seed = 1) {
  const values = new Float32Array(count);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < count; i += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    values[i] = ((state >>> 0) / 2 ** 31 - 1) * scale;
  }
  return values;
}

const bytes = (values) => new Uint8Array(values.buffer);
const weight = (name, dims, scale, seed) => {
  const count = dims.reduce((a, b) => a * b, 1);
  return { name, dims, data: bytes(random(count, scale, seed)) };
};

/** `count` products with matrices of 4 bits, one behind the other. */
export function matvec4(count, size) {
  const nodes = [];
  const constants = [];
  for (let i = 0; i < count; i += 1) {
    const codes = new Uint8Array((size * size) / 2);
    for (const [at, byte] of bytes(random(codes.length / 4, 1, i + 1)).entries()) codes[at] = byte ^ (at * 151);
    constants.push({ name: `w${i}`, dims: [size, size / BLOCK, BLOCK / 2], type: 'u8', data: codes });
    constants.push({ name: `s${i}`, dims: [(size * size) / BLOCK], data: bytes(random((size * size) / BLOCK, 0.006, i + 7)) });
    const attributes = { K: size, N: size, bits: 4, block_size: BLOCK };
    nodes.push({ op: 'MatMulNBits', inputs: [`x${i}`, `w${i}`, `s${i}`], outputs: [`x${i + 1}`], domain: MICROSOFT, attributes });
  }
  return graph(nodes, constants, [{ name: 'x0', dims: [1, size] }], { name: `x${count}`, dims: [1, size] });
}

export function matmul(rows, inner, columns) {
  const nodes = [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }];
  const constants = [weight('w', [inner, columns], 0.05, 3)];
  return graph(nodes, constants, [{ name: 'x', dims: [rows, inner] }], { name: 'y', dims: [rows, columns] });
}

/** A layer of CLIP: 577 tokens, `channels`, MLP of four times as many. */
export function clipLayer(tokens, channels, heads) {
  const nodes = [];
  const constants = [];
  const dims = [1, tokens, channels];
  const linear = (name, input, from, to) => {
    constants.push(weight(`${name}.w`, [from, to], 1 / Math.sqrt(from), name.length), weight(`${name}.b`, [to], 0.1, 5));
    nodes.push({ op: 'MatMul', inputs: [input, `${name}.w`], outputs: [`${name}.m`] });
    nodes.push({ op: 'Add', inputs: [`${name}.m`, `${name}.b`], outputs: [name] });
  };
  const norm = (name, input) => {
    constants.push(weight(`${name}.w`, [channels], 1, 11), weight(`${name}.b`, [channels], 0.1, 12));
    nodes.push({
      op: 'LayerNormalization',
      inputs: [input, `${name}.w`, `${name}.b`],
      outputs: [name],
      attributes: { axis: 2, epsilon: { f: 1e-5 } },
    });
  };
  norm('norm1', 'x');
  for (const name of ['q', 'k', 'v']) linear(name, 'norm1', channels, channels);
  nodes.push({ op: 'MultiHeadAttention', inputs: ['q', 'k', 'v'], outputs: ['mixed'], domain: MICROSOFT, attributes: { num_heads: heads } });
  linear('out', 'mixed', channels, channels);
  nodes.push({ op: 'Add', inputs: ['x', 'out'], outputs: ['middle'] });
  norm('norm2', 'middle');
  linear('fc1', 'norm2', channels, 4 * channels);
  nodes.push({ op: 'QuickGelu', inputs: ['fc1'], outputs: ['gelu'], domain: MICROSOFT, attributes: { alpha: { f: 1.702 } } });
  linear('fc2', 'gelu', 4 * channels, channels);
  nodes.push({ op: 'Add', inputs: ['middle', 'fc2'], outputs: ['y'] });
  return graph(nodes, constants, [{ name: 'x', dims }], { name: 'y', dims });
}

/** Attention of `queries` rows to `keys` rows, in `sets` that do not see one another. */
export function attention(sets, queries, keys, channels, heads) {
  const nodes = [{ op: 'MultiHeadAttention', inputs: ['q', 'k', 'v'], outputs: ['y'], domain: MICROSOFT, attributes: { num_heads: heads } }];
  const inputs = [
    { name: 'q', dims: [sets, queries, channels] },
    { name: 'k', dims: [sets, keys, channels] },
    { name: 'v', dims: [sets, keys, channels] },
  ];
  return graph(nodes, [], inputs, { name: 'y', dims: [sets, queries, channels] });
}

function graph(nodes, constants, inputs, output) {
  return { bytes: model({ nodes, constants, inputs, outputs: [output] }), inputs, output };
}
