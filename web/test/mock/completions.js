/**
 * Stands in for the engine's view of OpenAI's API (src/openai): it understands plain requests, refuses `n` and parts of other
 * types, and makes answers and chunks. What the shipped engine makes of requests is tested with its own wasm, in
 * completions.test.mjs.
 */

const TEXTS = ['text', 'input_text', 'output_text'];
const PICTURES = ['image_url', 'input_image'];

let count = 0;

const refuse = (param) => {
  throw { code: 'unsupported', message: `${param} is refused here`, details: { param } };
};

/** What one message says. */
function contentOf(content, place) {
  if (typeof content === 'string') return { text: content, urls: [] };
  const urls = [];
  const texts = [];
  for (const [at, part] of content.entries()) {
    if (TEXTS.includes(part.type)) texts.push(part.text);
    else if (PICTURES.includes(part.type)) urls.push(part.image_url.url ?? part.image_url);
    else refuse(`${place}[${at}].type`);
  }
  return { text: texts.join('\n'), urls };
}

/** The conversation, of a model that knows one picture from its last one on. Every other message is an answer. */
function conversationOf(messages, mostPictures) {
  const said = messages.map(({ content }, at) => contentOf(content, `messages[${at}].content`));
  const last = said.findLastIndex(({ urls }) => urls.length > 0);
  const turns = said.slice(mostPictures === 1 ? Math.max(last, 0) : 0);
  const files = [];
  const shown = (urls) =>
    urls.map((url) => {
      files.push(fileOf(url, `file ${files.length}`));
      return { key: files.at(-1).key, at: 0, detail: 'auto' };
    });
  const before = Array.from({ length: (turns.length - 1) / 2 }, (_, at) => {
    const [{ text: question, urls }, { text }] = turns.slice(2 * at);
    return { pictures: shown(urls), question, token_ids: null, text };
  });
  const { text: question, urls } = turns.at(-1);
  return { before, pictures: shown(urls), question, files };
}

function fileOf(url, key) {
  const [head, data] = url.split(',');
  return { key, media_type: head.slice(5).split(';')[0], bytes: Uint8Array.from(atob(data), (character) => character.charCodeAt(0)) };
}

export function readCompletion(json, loaded, mostPictures) {
  const { messages, model, stream, stream_options, stop, max_tokens, max_completion_tokens, n = 1, ...options } = JSON.parse(json);
  if (n !== 1) refuse('n');
  const { before, pictures, question, files } = conversationOf(messages, mostPictures);
  count += 1;
  const head = { id: `chatcmpl-${count}`, created: 1, model: loaded ?? model ?? '', include_usage: stream_options?.include_usage ?? false };
  return {
    asked: {
      system: '',
      before,
      pictures,
      question,
      begun: [],
      options: { max_new_tokens: max_tokens ?? max_completion_tokens ?? 4294967295, stop: [stop ?? []].flat(), ...options },
    },
    states_temperature: options.temperature !== undefined,
    stream: stream ?? false,
    head,
    begin: chunk(head, { role: 'assistant', content: '' }),
    pictures: files,
  };
}

const common = ({ id, created, model }, object) => ({ id, object, created, model });

export function chunk(head, delta, reason = null) {
  return {
    ...common(head, 'chat.completion.chunk'),
    choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
    ...(head.include_usage && { usage: null }),
  };
}

export function completed(head, answer) {
  const reason = answer.stop_reason === 'length' ? 'length' : 'stop';
  const remark = answer.remark && { remark: answer.remark };
  const { prompt_tokens, new_prompt_tokens, answer_tokens, image_tokens } = answer;
  const usage = {
    prompt_tokens,
    completion_tokens: answer_tokens,
    total_tokens: prompt_tokens + answer_tokens,
    prompt_tokens_details: { cached_tokens: prompt_tokens - new_prompt_tokens, image_tokens },
  };
  const message = { role: 'assistant', content: answer.text, refusal: null };
  return {
    ...answer,
    completion: {
      ...common(head, 'chat.completion'),
      choices: [{ index: 0, message, logprobs: null, finish_reason: reason }],
      usage,
      ...remark,
    },
    end: { ...chunk(head, {}, reason), ...remark },
    usage: head.include_usage ? { ...common(head, 'chat.completion.chunk'), choices: [], usage } : null,
  };
}
