/**
 * Answers a request in OpenAI's form: whole, or in chunks. The engine reads the request and makes the chunks, with the same
 * code as `inf-llava serve`; this file passes them on.
 */

import type { Host } from '../engine/host.js';
import type { Completed, UnderstoodRequest } from '../engine/protocol.js';
import { InfLlavaError } from '../errors.js';
import { jsonOf } from './json.js';
import type { Completion, CompletionChunk, CompletionRequest } from './openai.js';
import { readPicture, showing } from './picture.js';
import { Reply } from './reply.js';

type Chunks = Reply<CompletionChunk, Completed>;

/** @throws InfLlavaError as {@link Completions.create} */
export async function complete(host: Host, request: CompletionRequest, signal: AbortSignal | undefined): Promise<Completion | AsyncIterable<CompletionChunk>> {
  const understood = await host.readCompletion(jsonOf(request), signal);
  const stopping = new AbortController();
  const both = signal ? AbortSignal.any([signal, stopping.signal]) : stopping.signal;
  const file = understood.picture && new Blob([understood.picture.bytes], { type: understood.picture.media_type });
  const picture = file && (await readPicture(host, file, 'picture', { signal: both })).picture;
  const asked = showing({ ...understood.asked, options: optionsOf(understood) }, picture);
  const reply: Chunks = new Reply(
    (onChunk) =>
      host.complete(asked, understood.head, picture, {
        signal: both,
        onEvent: (event) => event.type === 'piece' && event.chunk && onChunk(event.chunk),
      }),
    () => stopping.abort(),
  );
  return understood.stream ? chunks(reply, understood.begin) : (await reply.answer).completion;
}

/** Without a stated temperature, the model's default applies. */
function optionsOf({ asked, states_temperature }: UnderstoodRequest) {
  const { temperature, ...others } = asked.options;
  return states_temperature ? { temperature, ...others } : others;
}

/**
 * The answer in chunks, to be read once, like the stream of OpenAI's client. Leaving the loop stops the answer, even
 * before the first chunk.
 */
function chunks(reply: Chunks, begin: CompletionChunk): AsyncIterableIterator<CompletionChunk> {
  const made = chunksOf(reply, begin);
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

async function* chunksOf(reply: Chunks, begin: CompletionChunk): AsyncGenerator<CompletionChunk, void> {
  yield begin;
  yield* reply;
  const { end, usage } = await reply.answer;
  yield end;
  if (usage) yield usage;
}
