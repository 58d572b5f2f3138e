/**
 * The stages of an answer in the browser: `cargo xtask test page`, then `node stages.mjs SHAPE [STAGE...]` in this folder.
 */

import { median, openBench } from './page.mjs';

const [shape = 'demo', ...asked] = process.argv.slice(2);
const stages = asked.length > 0 ? asked : ['resize', 'vision', 'enhance', 'projector', 'prefill', 'decode'];
const bench = await openBench();
console.log('| stage | ms | host, ms | kernels |');
console.log('| --- | --- | --- | --- |');
for (const stage of stages) {
  const { ms, host_ms, launches, shape: words } = await bench.time({ shape, stage });
  console.log(`| ${stage}: ${words} | ${median(ms).toFixed(1)} | ${median(host_ms).toFixed(1)} | ${launches} |`);
}
await bench.close();
