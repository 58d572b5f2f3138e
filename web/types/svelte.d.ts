/** The tag in Svelte's templates: `import type {} from 'inf-llava/svelte'`. */

import type { HTMLAttributes } from 'svelte/elements';
import type { InfLlavaChat } from './element/element.js';
import type { ChatAttributes, ChatHandlers, ChatProperties } from './element/tag.js';

declare module 'svelte/elements' {
  interface SvelteHTMLElements {
    'inf-llava-chat': HTMLAttributes<InfLlavaChat> & ChatProperties & ChatAttributes & ChatHandlers<'on'> & ChatHandlers<'on:'>;
  }
}
