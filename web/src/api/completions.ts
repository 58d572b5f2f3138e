/** `chat.completions.create` in the shape of OpenAI's API, so that code written for that runs on the page's own engine. */

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
   * Answers the last message. The last picture among the messages counts, and the conversation begins with the message
   * that has it: the model sees one picture, in front of everything. Pictures are `data:` URLs.
   *
   * @throws InfLlavaError `unsupported` for what would change the answer and this model cannot do, `bad-value` for what
   *   makes no sense, `option` for a number out of its range; `details.param` names the field
   */
  create(request: CompletionRequest & { stream: true }, options?: { signal?: AbortSignal } | null): Promise<AsyncIterable<CompletionChunk>>;
  create(request: CompletionRequest & { stream?: false }, options?: { signal?: AbortSignal } | null): Promise<Completion>;
  async create(request: CompletionRequest, options?: { signal?: AbortSignal } | null): Promise<Completion | AsyncIterable<CompletionChunk>> {
    const signal = checkSignal(options?.signal);
    // Only programs need it, and few pages are asked by one.
    const { complete } = await import('./complete.js');
    return complete(this.#host, request, signal);
  }
}
