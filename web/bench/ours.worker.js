/** Times the engine's kernels, in a worker as the page has it. */

import init, { time_kernel } from './inf-llava.js';

self.addEventListener('message', async ({ data: { name, runs } }) => {
  try {
    await init();
    self.postMessage({ value: await time_kernel('wgpu', name, runs) });
  } catch (error) {
    self.postMessage({ error: error.message ?? String(error) });
  }
});
