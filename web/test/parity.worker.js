/** Runs the engine's comparison with PyTorch, and counts what reaches the GPU, below every library. */

import init, { launch_cost, parity } from './inf-llava.js';

let dispatches = 0;
let adapters = 0;

const dispatch = globalThis.GPUComputePassEncoder?.prototype.dispatchWorkgroups;
if (dispatch) {
  GPUComputePassEncoder.prototype.dispatchWorkgroups = function (...groups) {
    dispatches += 1;
    return dispatch.apply(this, groups);
  };
  const request = GPU.prototype.requestAdapter;
  GPU.prototype.requestAdapter = async function (...options) {
    const adapter = await request.apply(this, options);
    if (adapter) adapters += 1;
    return adapter;
  };
}

self.addEventListener('message', async ({ data }) => {
  try {
    await init();
    const value = data.what === 'parity' ? await parity(data.url, data.device, () => {}) : await launch_cost(data.device, data.count);
    self.postMessage({ value, dispatches, adapters });
  } catch (error) {
    self.postMessage({ error: { code: error.code, message: error.message ?? String(error) } });
  }
});
