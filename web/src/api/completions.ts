/** `chat.completions.create` in the shape of OpenAI's API, so that code written for that runs on the page's own engine. */

import type { Host } from '../engine/host.js';
import type { Remark } from '../engine/protocol.js';
import { checkSignal } from './options.js';

export type ContentPart =
  | { type: 'text' | 'input_text' | 'output_text'; text: string }
  | { type: 'image_url' | 'input_image'; image_url: string | { url: string; detail?: 'auto' | 'low' | 'high' }; detail?: 'auto' | 'low' | 'high' };

export interface Message {
  role: 'user' | 'assistant' | 'system' | 'developer';
  content?: string | ContentPart[] | null;
}

export interface CompletionRequest {
  messages: Message[];
  model?: string;
  stream?: boolean;
  stream_options?: { include_usage?: boolean };
  max_tokens?: number;
  max_completion_tokens?: number;
  temperature?: number;
  top_p?: number;
  seed?: number;
  /** Up to four texts in front of which the answer ends. */
  stop?: string | string[] | null;
  /** Not OpenAI's. */
  top_k?: number;
  repetition_penalty?: number;
  n?: number;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

export type FinishReason = 'stop' | 'length';

export interface Completion {
  id: string;
  object: 'chat.completion';
  created: number;
  model: string;
  choices: [{ index: 0; message: { role: 'assistant'; content: string; refusal: null }; logprobs: null; finish_reason: FinishReason }];
  usage: Usage;
  /** Not OpenAI's: what must be said of the question, where the model is of narrow scope. */
  remark?: Remark;
}

export interface CompletionChunk {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  choices: { index: 0; delta: { role?: 'assistant'; content?: string }; logprobs: null; finish_reason: FinishReason | null }[];
  usage?: Usage | null;
  /** Not OpenAI's; in the chunk that ends the answer. */
  remark?: Remark;
}

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
