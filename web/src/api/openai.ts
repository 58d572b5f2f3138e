/** Types of OpenAI's chat completions, as far as this package supports them. */

import type * as engine from '../engine/generated.js';

export type { Completion, CompletionChunk, ContentPart, FinishReason, Message, Usage } from '../engine/generated.js';

export interface CompletionRequest extends engine.CompletionRequest {
  /** One answer is given. */
  n?: 1 | null;
}
