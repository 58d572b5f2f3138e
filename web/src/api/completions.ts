/** `chat.completions.create` as in OpenAI's API, so that code written for it runs on the page's own engine. */

import type { Host } from '../engine/host.js';
import type { Completion, CompletionChunk, CompletionRequest } from './openai.js';
import { checkSignal } from './options.js';

export class Completions {
  readonly #host: Host;

  /** @internal */
  constructor(host: Host) {
    this.#host = host;
  }

  /**
   * Answers the last message. The model sees one picture, before all text: the last picture among the messages is used,
   * and the conversation begins with the message that contains it. Pictures are `data:` URLs.
   *
   * @throws InfLlavaError `unsupported` for fields that would change the answer and that this model does not support,
   *   `bad-value` for invalid values, `option` for a number out of range; `details.param` names the field
   */
  create(request: CompletionRequest & { stream: true }, options?: { signal?: AbortSignal } | null): Promise<AsyncIterable<CompletionChunk>>;
  create(request: CompletionRequest & { stream?: false }, options?: { signal?: AbortSignal } | null): Promise<Completion>;
  async create(request: CompletionRequest, options?: { signal?: AbortSignal } | null): Promise<Completion | AsyncIterable<CompletionChunk>> {
    const signal = checkSignal(options?.signal);
    // Loaded on demand: few pages need it.
    const { complete } = await import('./complete.js');
    return complete(this.#host, request, signal);
  }
}
