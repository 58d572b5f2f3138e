/**
 * Options of a request that this engine does not implement: OpenAI's, and those of other servers, which programs often
 * send to any server. A value that would change the answer is an error that names the field. The same list as in
 * `inf-llava serve` (src/cli/serve/options.rs).
 */

import { unsupported } from './refusal.js';

type Fields = Record<string, unknown>;
/** Which values mean the same as leaving the field out, and what to do about the others. */
type Foreign = Readonly<Record<string, readonly [isHarmless: (value: unknown) => boolean, advice: string]>>;

const NO_TOOLS = 'this model calls no tools';
const NO_LOGPROBS = 'log probabilities are not given';
const TEXT_ONLY = 'answers are text';
const ASK_FOR_IT = 'answers are text; ask for another form in the question';
const PENALTY = 'use repetition_penalty';
const MOST_TOKENS = 'use max_tokens';
const NO_LEAST = 'an answer ends where the model ends it, or at max_tokens';
const CUT = 'use temperature, top_p and top_k';
const STOP = 'use stop';
const ONE_TEMPLATE = 'the model was made with one template';
const SAY_IT = 'the model was made with one system prompt and takes no other; say it in the question, or switch the system prompt off in the client';
const NO_REASONING = 'this model does not reason before it answers';
const MESSAGES = 'use messages';
const IN_PARTS = 'pictures are parts of messages: {"type": "image_url", "image_url": {"url": "data:image/png;base64,..."}}';

const any = () => true;
const never = () => false;
const isFalse = (value: unknown) => value === false;
const isTrue = (value: unknown) => value === true;
const isZero = (value: unknown) => value === 0;
const isOne = (value: unknown) => value === 1;
const isEmpty = (value: unknown) => value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
const callsNothing = (value: unknown) => value === 'none' || value === 'auto';

const OF_A_REQUEST: Foreign = {
  // OpenAI's own.
  n: [isOne, 'one answer is given; ask again for another'],
  best_of: [isOne, 'one answer is made'],
  tools: [isEmpty, NO_TOOLS],
  functions: [isEmpty, 'this model calls no functions'],
  tool_choice: [callsNothing, NO_TOOLS],
  function_call: [callsNothing, NO_TOOLS],
  parallel_tool_calls: [any, ''],
  logprobs: [isFalse, NO_LOGPROBS],
  top_logprobs: [isZero, NO_LOGPROBS],
  response_format: [(format) => (format as Fields | null)?.type === 'text', ASK_FOR_IT],
  presence_penalty: [isZero, PENALTY],
  frequency_penalty: [isZero, PENALTY],
  logit_bias: [isEmpty, 'tokens cannot be preferred by hand'],
  modalities: [(kinds) => Array.isArray(kinds) && kinds.length === 1 && kinds[0] === 'text', TEXT_ONLY],
  audio: [never, TEXT_ONLY],
  web_search_options: [never, 'nothing is searched for'],
  reasoning_effort: [(effort) => effort === 'none', NO_REASONING],
  reasoning: [never, NO_REASONING],
  verbosity: [(much) => much === 'medium', 'ask for it in the question'],
  store: [isFalse, 'nothing is stored'],
  metadata: [any, ''],
  user: [any, ''],
  safety_identifier: [any, ''],
  service_tier: [any, ''],
  prompt_cache_key: [any, ''],
  prompt_cache_retention: [any, ''],
  // It only makes another server faster.
  prediction: [any, ''],
  prompt: [never, MESSAGES],
  input: [never, MESSAGES],
  suffix: [isEmpty, MESSAGES],
  echo: [isFalse, 'an answer does not repeat its question'],
  max_output_tokens: [never, MOST_TOKENS],
  // Those of other servers.
  min_p: [isZero, CUT],
  typical_p: [isOne, CUT],
  tfs_z: [isOne, CUT],
  top_a: [isZero, CUT],
  mirostat: [isZero, CUT],
  xtc_probability: [isZero, CUT],
  samplers: [never, CUT],
  logits_processors: [isEmpty, CUT],
  allowed_token_ids: [isEmpty, 'tokens cannot be preferred by hand'],
  bad_words: [isEmpty, 'tokens cannot be preferred by hand'],
  random_seed: [never, 'use seed'],
  repeat_penalty: [isOne, PENALTY],
  repeat_last_n: [never, 'repetition_penalty looks at the whole conversation'],
  dry_multiplier: [isZero, PENALTY],
  n_predict: [never, MOST_TOKENS],
  num_predict: [never, MOST_TOKENS],
  max_new_tokens: [never, MOST_TOKENS],
  max_length: [never, MOST_TOKENS],
  min_tokens: [isZero, NO_LEAST],
  min_new_tokens: [isZero, NO_LEAST],
  ignore_eos: [isFalse, NO_LEAST],
  stop_token_ids: [isEmpty, STOP],
  include_stop_str_in_output: [isFalse, 'an answer ends in front of its stop text'],
  skip_special_tokens: [isTrue, 'an answer has no control tokens'],
  grammar: [isEmpty, ASK_FOR_IT],
  json_schema: [never, ASK_FOR_IT],
  guided_json: [never, ASK_FOR_IT],
  guided_regex: [isEmpty, ASK_FOR_IT],
  guided_choice: [isEmpty, ASK_FOR_IT],
  guided_grammar: [isEmpty, ASK_FOR_IT],
  structured_outputs: [never, ASK_FOR_IT],
  format: [isEmpty, ASK_FOR_IT],
  use_beam_search: [isFalse, 'one answer is made'],
  length_penalty: [isOne, 'one answer is made'],
  early_stopping: [isFalse, 'one answer is made'],
  add_generation_prompt: [isTrue, ONE_TEMPLATE],
  continue_final_message: [isFalse, 'the last message is a question'],
  chat_template: [never, ONE_TEMPLATE],
  chat_template_kwargs: [isEmpty, ONE_TEMPLATE],
  documents: [isEmpty, 'put them into the question'],
  system: [isEmpty, SAY_IT],
  images: [isEmpty, IN_PARTS],
  think: [isFalse, NO_REASONING],
  thinking: [never, NO_REASONING],
  options: [isEmpty, 'its entries stand in the request itself: temperature, top_p, top_k, seed, max_tokens, stop'],
  // Caching on other servers, which changes no answer.
  cache_prompt: [any, ''],
  keep_alive: [any, ''],
  request_id: [any, ''],
};

/** Fields of a message besides role and content. */
const OF_A_MESSAGE: Foreign = {
  // The template has no place for it.
  name: [any, ''],
  cache_control: [any, ''],
  function_call: [isEmpty, NO_TOOLS],
  refusal: [isEmpty, 'put what was said into content'],
  annotations: [isEmpty, TEXT_ONLY],
  audio: [never, TEXT_ONLY],
  prefix: [isFalse, 'the last message is a question'],
  partial: [isFalse, 'the last message is a question'],
  reasoning_content: [isEmpty, NO_REASONING],
  reasoning: [isEmpty, NO_REASONING],
  thinking: [isEmpty, NO_REASONING],
  images: [isEmpty, IN_PARTS],
};

/** Fields of a content part besides its text or picture. */
const OF_A_PART: Foreign = {
  cache_control: [any, ''],
  annotations: [isEmpty, TEXT_ONLY],
  logprobs: [isEmpty, NO_LOGPROBS],
  file_id: [never, 'no files are kept here; send the picture’s bytes in image_url'],
};

/** Fields of `stream_options` besides `include_usage`. */
const OF_A_STREAM: Foreign = {
  // Padding against traffic analysis, which changes no text.
  include_obfuscation: [any, ''],
  continuous_usage_stats: [isFalse, 'what an answer took is told at its end'],
};

const FOREIGN = { request: OF_A_REQUEST, message: OF_A_MESSAGE, part: OF_A_PART, stream: OF_A_STREAM, picture: {} as Foreign };

/**
 * Checks the remaining fields of an object: unknown ones, and those that would change the answer, are errors.
 *
 * @param known  fields that were handled already
 * @throws InfLlavaError `unsupported`, naming the field
 */
export function refuseRest(kind: keyof typeof FOREIGN, place: string, fields: Fields, known: readonly string[]): void {
  for (const [field, value] of Object.entries(fields)) {
    if (value === null || value === undefined || known.includes(field)) continue;
    const name = place ? `${place}.${field}` : field;
    const foreign = Object.hasOwn(FOREIGN[kind], field) ? FOREIGN[kind][field] : undefined;
    if (!foreign) throw unsupported(name, `${name} is not known here and could change the answer; leave it out`);
    const [isHarmless, advice] = foreign;
    if (!isHarmless(value)) throw unsupported(name, `${name} is not supported as it is set: ${advice}`);
  }
}
