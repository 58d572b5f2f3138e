/** Times onnxruntime-web's WebGPU: in the page, since that is where it is at its best. */

import * as ort from './ort/ort.webgpu.bundle.min.mjs';
import { random } from './cases.js';

ort.env.wasm.wasmPaths = new URL('./ort/', import.meta.url).href;
ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

/** @returns {Promise<{ms: number[], captured: boolean, size: number}>} */
export async function time(graph, runs) {
  try {
    return await timeWith(graph, runs, true);
  } catch {
    return timeWith(graph, runs, false); // not everything can be captured
  }
}

async function timeWith({ bytes, inputs, output }, runs, captured) {
  const options = { executionProviders: ['webgpu'], preferredOutputLocation: 'gpu-buffer', enableGraphCapture: captured };
  const session = await ort.InferenceSession.create(bytes, options);
  const device = await ort.env.webgpu.device;
  const feeds = Object.fromEntries(inputs.map((input, at) => [input.name, onGpu(device, input, random(size(input), 1, at + 21))]));
  const fetches = { [output.name]: onGpu(device, output, null) };
  const times = [];
  for (let run = 0; run < runs + 2; run += 1) {
    const start = performance.now();
    await session.run(feeds, fetches);
    await device.queue.onSubmittedWorkDone();
    if (run >= 2) times.push(performance.now() - start);
  }
  const values = await fetches[output.name].getData();
  const norm = Math.sqrt(values.reduce((all, value) => all + value * value, 0) / values.length);
  await session.release();
  return { ms: times, captured, size: norm };
}

const size = ({ dims }) => dims.reduce((a, b) => a * b, 1);

function onGpu(device, value, values) {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = device.createBuffer({ size: size(value) * 4, usage });
  if (values) device.queue.writeBuffer(buffer, 0, values);
  return ort.Tensor.fromGpuBuffer(buffer, {
    dataType: 'float32',
    dims: value.dims,
    download: async () => {
      const copy = device.createBuffer({ size: buffer.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, 0, copy, 0, buffer.size);
      device.queue.submit([encoder.finish()]);
      await copy.mapAsync(GPUMapMode.READ);
      return new Float32Array(copy.getMappedRange().slice(0));
    },
  });
}
