/** Answers a request in the shape of OpenAI's API: whole, or in chunks. */

import type { Host } from '../engine/host.js';
import type { Answer, EngineEvent, Remark, StopReason } from '../engine/protocol.js';
import type { Completion, CompletionChunk, CompletionRequest, FinishReason, Usage } from './openai.js';
import { InfLlavaError } from '../errors.js';
import { readPicture } from './picture.js';
import { Reply } from './reply.js';
import { readRequest } from './request.js';
import { StopTexts } from './stop-texts.js';

type Common = Pick<Completion, 'id' | 'created' | 'model'>;

const FINISH: Record<StopReason, FinishReason> = { stop: 'stop', stopped: 'stop', length: 'length', context: 'length' };

/** @throws InfLlavaError as {@link Completions.create} */
export async function complete(host: Host, request: CompletionRequest, signal: AbortSignal | undefined): Promise<Completion | AsyncIterable<CompletionChunk>> {
  const ask = readRequest(request);
  const { before, question, options } = ask;
  const stopping = new AbortController();
  const both = signal ? AbortSignal.any([signal, stopping.signal]) : stopping.signal;
  const picture = ask.picture && (await readPicture(host, ask.picture, 'picture', { signal: both })).picture;
  const reply = new Reply(
    async (onPiece) => {
      const stops = new StopTexts(ask.stop);
      let text = '';
      const say = (more: string) => {
        text += more;
        if (more) onPiece(more);
      };
      const onEvent = (event: EngineEvent) => {
        if (event.type !== 'piece') return;
        say(stops.push(event.text));
        if (stops.found) stopping.abort();
      };
      const asked = { picture: picture?.key ?? null, before, question, begun: [], options };
      const answer = await host.reply(asked, picture, { signal: both, onEvent });
      say(stops.finish());
      return { ...answer, text };
    },
    () => stopping.abort(),
  );
  const common = {
    id: `chatcmpl-${Math.random().toString(36).slice(2)}${Math.random().toString(36).slice(2)}`,
    created: Math.floor(Date.now() / 1000),
    model: host.info?.name ?? request.model ?? '',
  };
  if (ask.stream) return chunks(reply, common, ask.includeUsage);
  const answer = await reply.answer;
  return {
    ...common,
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: answer.text, refusal: null }, logprobs: null, finish_reason: FINISH[answer.stop_reason] }],
    usage: usageOf(answer),
    ...remarkOf(answer),
  };
}

/**
 * The answer in chunks, to be read once, like the stream of OpenAI's client. Leaving the loop stops the answer, even
 * before the first chunk.
 */
function chunks(reply: Reply, common: Common, includeUsage: boolean): AsyncIterableIterator<CompletionChunk> {
  const made = chunksOf(reply, common, includeUsage);
  let taken = false;
  return {
    [Symbol.asyncIterator]() {
      if (taken) throw new InfLlavaError('option', 'this stream was read already: keep its chunks, or ask again');
      taken = true;
      return this;
    },
    next: () => made.next(),
    // A generator that was not started runs no `finally`.
    async return() {
      reply.stop();
      await made.return();
      return { done: true, value: undefined };
    },
  };
}

async function* chunksOf(reply: Reply, common: Common, includeUsage: boolean): AsyncGenerator<CompletionChunk, void> {
  const chunk = (delta: { role?: 'assistant'; content?: string }, finished: FinishReason | null): CompletionChunk => ({
    ...common,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finished }],
    ...(includeUsage && { usage: null }),
  });
  yield chunk({ role: 'assistant', content: '' }, null);
  for await (const content of reply) yield chunk({ content }, null);
  const answer = await reply.answer;
  yield { ...chunk({}, FINISH[answer.stop_reason]), ...remarkOf(answer) };
  if (includeUsage) yield { ...common, object: 'chat.completion.chunk', choices: [], usage: usageOf(answer) };
}

const remarkOf = ({ remark }: Answer): { remark?: Remark } => (remark ? { remark } : {});

const usageOf = ({ prompt_tokens, new_prompt_tokens, answer_tokens }: Answer): Usage => ({
  prompt_tokens,
  completion_tokens: answer_tokens,
  total_tokens: prompt_tokens + answer_tokens,
  prompt_tokens_details: { cached_tokens: prompt_tokens - new_prompt_tokens },
});
