/**
 * Answers a request in OpenAI's form: whole, or in chunks. The engine reads the request and makes the chunks, with the same
 * code as `inf-llava serve`; this file passes them on.
 */

import type { Host, Look } from '../engine/host.js';
import type { Completed, Shown, UnderstoodRequest } from '../engine/protocol.js';
import { InfLlavaError } from '../errors.js';
import { jsonOf } from './json.js';
import type { Completion, CompletionChunk, CompletionRequest } from './openai.js';
import { readPicture } from './picture.js';
import { Reply } from './reply.js';

type Chunks = Reply<CompletionChunk, Completed>;

/** @throws InfLlavaError as {@link Completions.create} */
export async function complete(host: Host, request: CompletionRequest, signal: AbortSignal | undefined): Promise<Completion | AsyncIterable<CompletionChunk>> {
  const json = jsonOf(request);
  const hadModel = host.info !== null;
  let understood = await host.readCompletion(json, signal);
  if (!hadModel) {
    // What is asked about depends on how many pictures the model knows.
    const { most_pictures } = await host.ready(signal);
    if (most_pictures !== null) understood = await host.readCompletion(json, signal);
  }
  const stopping = new AbortController();
  const both = signal ? AbortSignal.any([signal, stopping.signal]) : stopping.signal;
  const { asked, looks } = await withPictures(host, understood, both);
  const reply: Chunks = new Reply(
    (onChunk) =>
      host.complete(asked, understood.head, looks, {
        signal: both,
        onEvent: (event) => event.type === 'piece' && event.chunk && onChunk(event.chunk),
      }),
    () => stopping.abort(),
  );
  return understood.stream ? chunks(reply, understood.begin) : (await reply.answer).completion;
}

/** What is asked once its pictures are read, and those. */
async function withPictures(host: Host, understood: UnderstoodRequest, signal: AbortSignal) {
  const { asked, pictures } = understood;
  const details = new Map([...asked.before.flatMap((exchange) => exchange.pictures), ...asked.pictures].map(({ key, detail }) => [key, detail]));
  const looks = new Map<string, Look>();
  for (const { key, media_type, bytes } of pictures) {
    const file = new Blob([bytes], { type: media_type });
    const options = { name: 'picture', detail: details.get(key), isOnly: pictures.length === 1 };
    looks.set(key, (await readPicture(host, file, options, { signal })).look);
  }
  // Where the browser decoded a picture, it is another file.
  const read = (shown: Shown): Shown => ({ ...shown, key: looks.get(shown.key)?.picture.key ?? shown.key });
  const before = asked.before.map((exchange) => ({ ...exchange, pictures: exchange.pictures.map(read) }));
  const request = { ...asked, before, pictures: asked.pictures.map(read), options: optionsOf(understood) };
  return { asked: request, looks: [...looks.values()] };
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
