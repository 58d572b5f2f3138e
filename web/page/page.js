/** The demo page: sets the element's attributes from the page's address. It uses the public package and nothing else. */

import { readAddress } from './address.js';
import { workOffline } from './offline.js';

const chat = /** @type {import('inf-llava').InfLlavaChat} */ (document.querySelector('inf-llava-chat'));
const help = /** @type {HTMLDetailsElement} */ (document.getElementById('full-model'));

for (const [name, value] of Object.entries(readAddress(window.location))) chat.setAttribute(name, value);

chat.addEventListener('inf-llava-ready', ({ detail }) => {
  // Any general model counts as the full one here.
  help.hidden = !detail.scope;
});

document.getElementById('show-full-model').addEventListener('click', () => {
  help.open = true;
  help.querySelector('summary').focus();
  help.scrollIntoView({ block: 'nearest' });
});

// On iOS the keyboard covers the page instead of making it smaller: end the page above it.
const seen = window.visualViewport;
seen?.addEventListener('resize', () => {
  const covered = seen.scale === 1 && window.innerHeight - seen.height > 100;
  document.body.style.blockSize = covered ? `${seen.height}px` : '';
});

void workOffline(new Promise((resolve) => chat.addEventListener('inf-llava-ready', resolve, { once: true })));
await import('../inf-llava/define.js');
chat.load();
