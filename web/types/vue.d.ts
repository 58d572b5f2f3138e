/** The tag in Vue's templates: `import type {} from 'inf-llava/vue'`. */

import type { InfLlavaChat } from './element/element.js';
import type { CamelHandlers, ChatAttributes, ChatProperties } from './element/tag.js';

declare module 'vue' {
  interface GlobalComponents {
    'inf-llava-chat': new () => InfLlavaChat & { $props: ChatProperties & ChatAttributes & CamelHandlers };
  }
}
