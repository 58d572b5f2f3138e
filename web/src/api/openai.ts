/** Types of OpenAI's chat completions, as far as this package supports them. */

import type { Remark } from '../engine/protocol.js';

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
  /** Up to four texts; the answer ends before any of them. */
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
  /** Not OpenAI's: a remark about the question, from a model that knows one kind of picture only. */
  remark?: Remark;
}

export interface CompletionChunk {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  choices: { index: 0; delta: { role?: 'assistant'; content?: string }; logprobs: null; finish_reason: FinishReason | null }[];
  usage?: Usage | null;
  /** Not OpenAI's; in the last chunk of the answer. */
  remark?: Remark;
}
