/** Registers `<inf-llava-chat>`: the package's only side effect. */

import { InfLlavaChat } from './element/element.js';

if (globalThis.customElements && !customElements.get('inf-llava-chat')) customElements.define('inf-llava-chat', InfLlavaChat);

export { InfLlavaChat };
