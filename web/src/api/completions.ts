/** `chat.completions.create` in the shape of OpenAI's API, so that code written for that runs on the page's own engine. */

import type { Host, Picture } from '../engine/host.js';
import type { Answer, EngineEvent, Exchange, Sampling, StopReason } from '../engine/protocol.js';
import { InfLlavaError } from './errors.js';
import { openPicture } from './picture.js';
import { Reply } from './reply.js';
import { StopTexts } from './stop-texts.js';

export type ContentPart = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } };

export interface Message {
  role: 'user' | 'assistant' | 'system' | 'developer';
  content: string | ContentPart[];
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
}

export interface CompletionChunk {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  choices: { index: 0; delta: { role?: 'assistant'; content?: string }; logprobs: null; finish_reason: FinishReason | null }[];
  usage?: Usage | null;
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
   * @throws InfLlavaError `option` for what this model cannot do: a system message, several choices
   */
  create(request: CompletionRequest & { stream: true }, options?: { signal?: AbortSignal }): Promise<AsyncIterable<CompletionChunk>>;
  create(request: CompletionRequest & { stream?: false }, options?: { signal?: AbortSignal }): Promise<Completion>;
  async create(request: CompletionRequest, { signal }: { signal?: AbortSignal } = {}): Promise<Completion | AsyncIterable<CompletionChunk>> {
    refuseUnknown(request);
    const { picture, before, question } = await conversationOf(request.messages);
    const stopping = new AbortController();
    const both = signal ? AbortSignal.any([signal, stopping.signal]) : stopping.signal;
    const reply = new Reply(
      async (on_piece) => {
        const stops = new StopTexts(stopsOf(request.stop));
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
        const asked = { picture: picture?.key ?? null, before, question, begun: [], options: samplingOf(request) };
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
    if (request.stream) return chunks(reply, common, request.stream_options?.include_usage === true);
    const answer = await reply.answer;
    return {
      ...common,
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: answer.text, refusal: null }, logprobs: null, finish_reason: FINISH[answer.stop_reason] }],
      usage: usageOf(answer),
    };
  }
}

const MOST_STOPS = 4;
const stopsOf = (stop: CompletionRequest['stop']): string[] => (typeof stop === 'string' ? [stop] : (stop ?? [])).filter(Boolean);

/** What would change the answer, and cannot be done, is refused by its name; what is harmless is let pass. */
function refuseUnknown(request: CompletionRequest) {
  const { n, stop, tools, functions, logprobs, response_format } = request as CompletionRequest & Record<string, unknown>;
  const refused = (option: string, reason: string) => new InfLlavaError('option', `${option}: ${reason}`);
  if ((n ?? 1) !== 1) throw refused('n', `it is ${n} and must be 1`);
  if (stopsOf(stop).length > MOST_STOPS) throw refused('stop', `at most ${MOST_STOPS} texts`);
  if (Array.isArray(tools) && tools.length > 0) throw refused('tools', 'this model knows none');
  if (Array.isArray(functions) && functions.length > 0) throw refused('functions', 'this model knows none');
  if (logprobs) throw refused('logprobs', 'the engine does not hand them on');
  const format = (response_format as { type?: string } | undefined)?.type ?? 'text';
  if (format !== 'text') throw refused('response_format', `it is ${format} and must be text`);
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
  yield chunk({}, FINISH[answer.stop_reason]);
  if (include_usage) yield { ...common, object: 'chat.completion.chunk', choices: [], usage: usageOf(answer) };
}

const usageOf = ({ prompt_tokens, new_prompt_tokens, answer_tokens }: Answer): Usage => ({
  prompt_tokens,
  completion_tokens: answer_tokens,
  total_tokens: prompt_tokens + answer_tokens,
  prompt_tokens_details: { cached_tokens: prompt_tokens - new_prompt_tokens },
});

function samplingOf({ max_tokens, max_completion_tokens, temperature, top_p, top_k, seed, repetition_penalty }: CompletionRequest): Sampling {
  const given = { max_new_tokens: max_completion_tokens ?? max_tokens, temperature, top_p, top_k, seed, repetition_penalty };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== null)) as Sampling;
}

/** Messages as the model's conversation has them. */
async function conversationOf(messages: Message[]): Promise<{ picture: Picture | null; before: Exchange[]; question: string }> {
  const refused = (reason: string) => new InfLlavaError('option', `messages: ${reason}`);
  if (!Array.isArray(messages) || messages.length === 0) throw refused('there are none');
  let image: string | null = null;
  let before: Exchange[] = [];
  let asked: string[] = [];
  /** Whether the question that is being gathered has a picture. */
  let pictured = false;
  for (const { role, content } of messages) {
    const parts: ContentPart[] = typeof content === 'string' ? [{ type: 'text', text: content }] : (content ?? []);
    const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
    if (role === 'assistant') {
      if (asked.length === 0) throw refused('an answer stands before any question');
      before.push({ question: asked.join('\n'), text });
      asked = [];
      pictured = false;
      continue;
    }
    if (role !== 'user') {
      if (text.trim()) throw refused(`this model knows no ${role} messages; say it in the question`);
      continue;
    }
    const images = parts.flatMap((part) => (part.type === 'image_url' ? [part.image_url.url] : []));
    if (images.length > 1) throw refused('one message has several pictures; this model sees one at a time');
    if (images[0] !== undefined) {
      // Messages of the user in a row are one question.
      if (image !== null && pictured) throw refused('one question has several pictures; this model sees one at a time');
      image = images[0];
      before = [];
      pictured = true;
    }
    if (text) asked.push(text);
  }
  if (asked.length === 0) throw refused('the last one must be a question of the user');
  return { picture: image === null ? null : await openPicture(image, 'picture'), before, question: asked.join('\n') };
}
