/** Times the engine's kernels and stages, in a worker as the page has it. */

import init, { time_kernel, time_stage } from './inf-llava.js';

self.addEventListener('message', async ({ data: { kernel, stage, shape, layers, context, runs, burn } }) => {
  try {
    await init();
    const timing = kernel ? await time_kernel('wgpu', kernel, runs, burn ?? false) : await time_stage('wgpu', shape, stage, layers ?? 1, context, runs);
    self.postMessage({ value: timing });
  } catch (error) {
    self.postMessage({ error: error.message ?? String(error) });
  }
});
