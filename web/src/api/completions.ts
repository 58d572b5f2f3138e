/** `chat.completions.create` in the shape of OpenAI's API, so that code written for that runs on the page's own engine. */

import type { Host } from '../engine/host.js';
import type { Answer, EngineEvent, Remark, StopReason } from '../engine/protocol.js';
import { readPicture } from './picture.js';
import { Reply } from './reply.js';
import { StopTexts } from './stop-texts.js';

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

type FinishReason = 'stop' | 'length';

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

const FINISH: Record<StopReason, FinishReason> = { stop: 'stop', stopped: 'stop', length: 'length', context: 'length' };

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
  create(request: CompletionRequest & { stream: true }, options?: { signal?: AbortSignal }): Promise<AsyncIterable<CompletionChunk>>;
  create(request: CompletionRequest & { stream?: false }, options?: { signal?: AbortSignal }): Promise<Completion>;
  async create(request: CompletionRequest, { signal }: { signal?: AbortSignal } = {}): Promise<Completion | AsyncIterable<CompletionChunk>> {
    // Only programs need it, and few pages are asked by one.
    const { readRequest } = await import('./request.js');
    const ask = readRequest(request);
    const { before, question, options } = ask;
    const stopping = new AbortController();
    const both = signal ? AbortSignal.any([signal, stopping.signal]) : stopping.signal;
    const picture = ask.picture && (await readPicture(this.#host, ask.picture, 'picture', { signal: both })).picture;
    const reply = new Reply(
      async (on_piece) => {
        const stops = new StopTexts(ask.stop);
        let text = '';
        const say = (more: string) => {
          text += more;
          if (more) on_piece(more);
        };
        const on_event = (event: EngineEvent) => {
          if (event.type !== 'piece') return;
          say(stops.push(event.text));
          if (stops.found) stopping.abort();
        };
        const asked = { picture: picture?.key ?? null, before, question, begun: [], options };
        const answer = await this.#host.reply(asked, picture, { signal: both, on_event });
        say(stops.finish());
        return { ...answer, text };
      },
      () => stopping.abort(),
    );
    const common = {
      id: `chatcmpl-${Math.random().toString(36).slice(2)}${Math.random().toString(36).slice(2)}`,
      created: Math.floor(Date.now() / 1000),
      model: this.#host.info?.name ?? request.model ?? '',
    };
    if (ask.stream) return chunks(reply, common, ask.include_usage);
    const answer = await reply.answer;
    return {
      ...common,
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: answer.text, refusal: null }, logprobs: null, finish_reason: FINISH[answer.stop_reason] }],
      usage: usageOf(answer),
      ...remarkOf(answer),
    };
  }
}

async function* chunks(reply: Reply, common: { id: string; created: number; model: string }, include_usage: boolean): AsyncGenerator<CompletionChunk, void> {
  const chunk = (delta: { role?: 'assistant'; content?: string }, finish_reason: FinishReason | null): CompletionChunk => ({
    ...common,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    ...(include_usage && { usage: null }),
  });
  yield chunk({ role: 'assistant', content: '' }, null);
  for await (const content of reply) yield chunk({ content }, null);
  const answer = await reply.answer;
  yield { ...chunk({}, FINISH[answer.stop_reason]), ...remarkOf(answer) };
  if (include_usage) yield { ...common, object: 'chat.completion.chunk', choices: [], usage: usageOf(answer) };
}

const remarkOf = ({ remark }: Answer): { remark?: Remark } => (remark ? { remark } : {});

const usageOf = ({ prompt_tokens, new_prompt_tokens, answer_tokens }: Answer): Usage => ({
  prompt_tokens,
  completion_tokens: answer_tokens,
  total_tokens: prompt_tokens + answer_tokens,
  prompt_tokens_details: { cached_tokens: prompt_tokens - new_prompt_tokens },
});
