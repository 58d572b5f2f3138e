/** The tag in Solid's JSX: `import type {} from 'inf-llava/solid'`. */

import type { JSX } from 'solid-js';
import type { InfLlavaChat } from './element/element.js';
import type { ChatAttributes, ChatHandlers, ChatProperties } from './element/tag.js';

type Properties = { [Name in keyof ChatProperties as `prop:${Name}`]: ChatProperties[Name] };

declare module 'solid-js' {
  namespace JSX {
    interface IntrinsicElements {
      'inf-llava-chat': JSX.HTMLAttributes<InfLlavaChat> & ChatProperties & ChatAttributes & Properties & ChatHandlers<'on:'>;
    }
  }
}
