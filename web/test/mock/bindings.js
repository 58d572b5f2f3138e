/**
 * Stands in for the engine where only the package is under test: the same calls as the bindings that wasm-bindgen writes,
 * with answers that depend on the words of the question. A model address with `slow` in it takes its time, one with
 * `broken` in it fails, and one with `drawn` in it is a model that knows drawings only: a picture with `photo` in its
 * name is none, and it remarks on a question without a picture, with `unlike`, `odd` or `wie` in it.
 */

import { chunk, completed, readCompletion } from './completions.js';
import { pause } from './pause.js';

export { Conversion, hubFolder as hub_folder, hubPlace as hub_place } from './hub.js';
export { readCompletion as read_completion };

const PASSES = 10;
/** Long enough for a loaded machine to see a state that passes. */
const SLOW_STEP_MS = 500;
/** Visual tokens of a picture, and numbers of each. */
const IMAGE_TOKENS = 16;
const MOST_PICTURES = 8;
const EMBEDDINGS = 'model.embed_tokens.weight';
/** Of a row of the embeddings. */
const ROW_BYTES = 64;

const fail = (code, message) => {
  throw { code, message };
};
/** As the engine does: what its decoder does not know, and PNG of more pixels than it takes. */
function refuse(name, bytes) {
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, 32));
  if (text.slice(4, 8) === 'ftyp' || /^\W{0,4}</.test(text)) fail('image-format', `${name}: this is no picture that is read here`);
  if (text.slice(1, 4) !== 'PNG' || bytes.length < 24) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  if (width * height > 24e6) fail('image-too-large', `${name}: ${width} × ${height} pixels; at most 24 megapixels are read`);
}
/** What a video's file says of it; null for other files. */
function reelOf(bytes) {
  const latin = (from, to) => new TextDecoder('latin1').decode(bytes.subarray(from, to));
  if (latin(1, 8) !== 'ILREEL\n') return null;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
  const { frames, of, seconds } = JSON.parse(latin(12, 12 + length));
  const kinds = [];
  let at = 12 + length;
  for (const { bytes: size } of frames) {
    kinds.push(latin(at + 1, at + 4));
    at += size;
  }
  if (at !== bytes.length && frames.length > 0) fail('image-damaged', `${bytes.length - at} bytes too many`);
  const times = frames.map(({ time_s }) => time_s.toFixed(1)).join(', ');
  return frames.length === 0 ? `an animation of ${bytes.length - at} bytes` : `${[...new Set(kinds)]} at ${times} of ${of} in ${seconds.toFixed(1)} s`;
}

/** What the worker has been given since it started: a crash that comes once must not come again. */
const once = new Set();

export default async function init({ module_or_path }) {
  await (await module_or_path).arrayBuffer();
}

export class StopFlag {
  stopped = false;
  stop() {
    this.stopped = true;
  }
  free() {}
}

export class Engine {
  #stepMs;
  #device;
  #scope;
  #context;
  #name = 'stand-in';
  /** Of a converted model, of which it reads while it answers. */
  #files = null;
  #manifest = null;
  /** By key: name, info, and the passes that no answer has told yet. */
  #pictures = new Map();

  static async load(url, device, context, onEvent, stop) {
    if (url.includes('broken')) fail('tensor-missing', `tensor model.norm.weight is missing from ${url}model.safetensors`);
    // Any file of the folder: shows whether the worker may reach its host.
    if (url.includes('fetched')) {
      const response = await fetch(`${url}config.json`).catch((error) => fail('network', `${url}config.json: ${error.message}`));
      if (!response.ok) fail('file-missing', `${url}config.json is missing`);
    }
    const stepMs = url.includes('slow') ? SLOW_STEP_MS : 5;
    for (let done = 0; done <= 8; done += 1) {
      if (stop.stopped) fail('stopped', 'stopped');
      onEvent({ type: 'progress', phase: 'weights', done: done * 1.2e6, total: 9.6e6 });
      await pause(stepMs);
    }
    const engine = new Engine(device, stepMs, url.includes('drawn') ? 'drawn_scenes' : null, context);
    if (url.includes('named')) engine.#name = decodeURIComponent(url);
    return engine;
  }

  /** Reads every file of a converted model; the device is then called after what was read. */
  static async load_files(files, _name, device, context, onEvent, stop) {
    // The package's own model, a checkpoint.
    if (!(await files.size('manifest.json'))) {
      for (const file of ['config.json', 'model.safetensors']) await files.read(file, 0, await files.size(file));
      return Engine.load('', device, context, onEvent, stop);
    }
    const manifest = JSON.parse(new TextDecoder().decode(await files.read('manifest.json', 0, await files.size('manifest.json'))));
    const engine = new Engine('', 5, null, context);
    [engine.#files, engine.#manifest] = [files, manifest];
    engine.#device = `read ${await engine.#readAll(stop)}`;
    return engine;
  }

  /** The beginning of the hash of everything. */
  async #readAll(stop) {
    const whole = async (file) => this.#files.read(file, 0, await this.#files.size(file));
    const read = [await whole('manifest.json')];
    for (const { file } of [...this.#manifest.files, ...this.#manifest.shards]) {
      if (stop.stopped) fail('stopped', 'stopped');
      read.push(await whole(file));
    }
    if (!crypto.subtle) return 'without a hash'; // an insecure origin
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await new Blob(read).arrayBuffer()));
    return Array.from(digest.slice(0, 6), (byte) => byte.toString(16).padStart(2, '0')).join('');
  }

  /** As the engine does for each token of a question, and of its answer: one character is a token here. */
  async #readRows(text) {
    const pieces = this.#manifest?.tensors?.[EMBEDDINGS]?.pieces ?? [];
    const rows = pieces.flatMap(({ shard, offset, rows }) =>
      Array.from({ length: rows }, (_, row) => [this.#manifest.shards[shard].file, offset + row * ROW_BYTES]),
    );
    for (const character of rows.length > 0 ? text : '') {
      const [file, start] = rows[character.charCodeAt(0) % rows.length];
      await this.#files.read(file, start, start + ROW_BYTES);
    }
  }

  constructor(device, stepMs, scope, context) {
    this.#context = context ?? 4096;
    this.#scope = scope;
    this.#device = { cpu: 'CPU (WebAssembly)', auto: 'WebGPU: stand-in', wgpu: 'WebGPU: stand-in' }[device] ?? device;
    if (device === 'abacus') fail('option', '--device: there is no abacus');
    this.#stepMs = stepMs;
  }

  info() {
    return {
      name: this.#name,
      device: this.#device,
      parameters: 1_234_567,
      weights_bytes: 9_600_000,
      crops_per_side: 3,
      crop_px: 336,
      image_px: 1008,
      image_tokens: IMAGE_TOKENS,
      most_pictures: this.#scope === null ? null : 1,
      has_detail: this.#scope === null,
      has_map: true,
      sees_videos: this.#scope === null,
      device_notice: this.#device === 'portable' ? 'its kernels argmax are not used' : null,
      context_tokens: this.#context,
      vocabulary: 1000,
      random_weights: this.#scope === null,
      scope: this.#scope,
    };
  }

  picture(key) {
    return this.#pictures.get(key)?.info ?? null;
  }

  async read_picture(key, name, bytes, _isOnly, _detail, onEvent, stop) {
    if (bytes.length === 0 || name.includes('broken')) fail('image-format', `${name}: this is no picture; PNG, JPEG, WebP, GIF and BMP can be read`);
    const video = reelOf(bytes);
    if (!video) refuse(name, bytes);
    for (let done = 0; done <= PASSES; done += 1) {
      if (stop.stopped) fail('stopped', 'stopped');
      onEvent({ type: 'progress', phase: 'vision', done, total: PASSES });
      await pause(name.includes('slow') ? SLOW_STEP_MS : this.#stepMs);
    }
    const notices = name.includes('animated') ? ['Animated: the first frame was taken.'] : [];
    if (video) notices.push(video);
    const outside = this.#scope !== null && name.includes('photo');
    const info = { width: 1200, height: 800, notices, outside_scope: outside, image_px: 1008, crops_per_side: 3, vision_passes: PASSES, vision_ms: 840 };
    this.#hold(key, { name, info, passes: PASSES });
    return info;
  }

  /** A frame a second. */
  video_frames(frames, fps, seconds) {
    if (this.#scope !== null) fail('option', 'video: this model sees no videos');
    return Array.from({ length: Math.max(1, Math.floor(seconds)) }, (_, at) => Math.min(Math.round(at * fps), frames - 1));
  }

  /** The name's letters, so that a picture that is taken up again is known. */
  async features(key) {
    const { name } = this.#pictures.get(key);
    return Float32Array.from({ length: 64 }, (_, at) => name.charCodeAt(at) || 0);
  }

  restore_picture(key, info, features) {
    if (features.length !== 64) fail('option', `features: ${features.length} numbers; this model has 64`);
    const name = String.fromCharCode(...features).replace(/\0+$/, '');
    const restored = { ...info, vision_passes: 0, vision_ms: 0 };
    this.#hold(key, { name, info: restored, passes: 0 });
    return restored;
  }

  async complete(request, head, onEvent, stop) {
    const answer = await this.reply(request, (event) => onEvent(event.text ? { ...event, chunk: chunk(head, { content: event.text }) } : event), stop);
    return completed(head, answer);
  }

  async reply({ system, before, pictures, question, begun, options }, onEvent, stop) {
    const shown = [...before.flatMap((exchange) => exchange.pictures), ...pictures];
    const all = shown.map(({ key }) => this.#pictures.get(key) ?? fail('picture-not-held', `the picture ${key} has not been read`));
    const held = all.at(-1) ?? null;
    if (question.includes('context'))
      fail('context-exceeded', 'the conversation needs 5000 tokens and the context holds 4096; start a new chat or ask something shorter');
    const remark = options.anyway ? undefined : this.#remark(question, held);
    if (remark && !remark.answered) {
      onEvent({ type: 'piece', text: remark.text, id: null });
      const nothing = { token_ids: [], prompt_tokens: 0, new_prompt_tokens: 0, image_tokens: 0, answer_tokens: 0, vision_passes: 0, tokens_per_second: 0 };
      return { text: remark.text, ...nothing, stop_reason: 'stop', timings_ms: {}, device: this.#device, remark };
    }
    onEvent({ type: 'progress', phase: 'prefill', done: 0, total: 64 });
    if (question.includes('lost card')) fail('device-lost', 'the graphics device was lost (reset)');
    if (question.includes('no room')) fail('out-of-memory', `no room for ${this.#context} tokens`);
    if (question.includes('panic')) throw new WebAssembly.RuntimeError('unreachable');
    await this.#readRows(question);
    if (question.includes('request')) question = `say: ${JSON.stringify({ system, details: shown.map(({ detail }) => detail) })}`;
    const words = question.includes('read again') ? `read ${await this.#readAll(stop)}` : this.#words(question, options, all, before);
    const ends = (options.stop ?? []).map((text) => words.indexOf(text)).filter((at) => at >= 0);
    const pieces = words.slice(0, Math.min(words.length, ...ends)).match(/\S+\s*/g) ?? [];
    const most = options.max_new_tokens ?? Infinity;
    const slow = question.includes('slow');
    let tokens = begun.length;
    let stopReason = 'stop';
    for (const [at, piece] of pieces.entries()) {
      if (at < begun.length) continue;
      await this.#readRows(piece);
      await pause(slow ? 60 : 2);
      if (stop.stopped || tokens >= most) {
        stopReason = stop.stopped ? 'stopped' : 'length';
        break;
      }
      onEvent({ type: 'piece', text: piece, id: at });
      tokens += 1;
      if (question.includes('lose always') && tokens - begun.length === 3) return this.#panicInTask();
      if (question.includes('lose once') && begun.length === 0 && tokens === 3) return this.#panicInTask();
    }
    const passes = held?.passes ?? 0;
    if (held) held.passes = 0;
    return {
      text: pieces.slice(0, tokens).join(''),
      // The one that ends an answer says nothing.
      token_ids: Array.from({ length: tokens + Number(stopReason === 'stop') }, (_, at) => at),
      stop_reason: stopReason,
      prompt_tokens: 64 + 40 * before.length,
      new_prompt_tokens: 40,
      image_tokens: held ? IMAGE_TOKENS : 0,
      answer_tokens: tokens,
      vision_passes: passes,
      timings_ms: {},
      tokens_per_second: 11.3,
      device: this.#device,
      ...(remark && { remark }),
    };
  }

  /** As the engine's, of which only the code and the examples are shown. */
  #remark(question, held) {
    if (this.#scope === null) return undefined;
    const of = (code, answered = false) => ({ code, answered, text: `remark: ${code}`, examples: ['Read the sign.', 'How many shapes are there?'] });
    if (!held) return of('needs_picture');
    if (question.includes('wie')) return of('not_english');
    if (question.includes('unlike')) return of('unlike_questions');
    return question.includes('odd') ? of('unlike_questions', true) : undefined;
  }

  /** All on one place: that of the token that looked. */
  async attention({ begun }) {
    const shares = new Float32Array(IMAGE_TOKENS);
    shares[(begun.length - 1) % IMAGE_TOKENS] = 1;
    return shares;
  }

  /** All on the last place. */
  async enhancement_attention() {
    const detail = Array(144).fill(0);
    detail[143] = 1;
    return { detail, overview: Array(IMAGE_TOKENS).fill(1 / IMAGE_TOKENS) };
  }

  free() {}

  #hold(key, picture) {
    this.#pictures.delete(key);
    this.#pictures.set(key, picture);
    if (this.#pictures.size > MOST_PICTURES) this.#pictures.delete(this.#pictures.keys().next().value);
  }

  /** As a panic does in a task: an error that no promise carries, and an answer that never comes. */
  #panicInTask() {
    setTimeout(() => {
      throw new WebAssembly.RuntimeError('unreachable');
    });
    return new Promise(() => {});
  }

  #words(question, options, all, before) {
    if (question.includes('markup')) {
      return 'Before <img src="https://example.com/x.png" onerror="document.title=1"> <script>document.title=2</script> [link](https://example.com/) ![picture](https://example.com/y.png) **after**';
    }
    if (question.includes('markdown')) {
      return 'It shows **three boats** in a *harbour*:\n\n- a red one, `left`\n- a white one\n- a small ferry\n\n1. First\n2. Second\n\n```\nlet crops = 3 * 3;\n<b>not bold</b>\n```\n\nAnd a lighthouse.';
    }
    if (question.startsWith('say: ')) return question.slice(5);
    if (question.includes('options')) return JSON.stringify(options);
    if (question.includes('slow')) return 'word '.repeat(200);
    if (question.includes('harbour')) {
      return 'The picture shows a **harbour at dusk**. Three boats are moored along the quay:\n\n- a red fishing boat, number `HB 27`, at the left;\n- a white sailing boat with furled sails;\n- a small ferry in the distance.\n\nThe sign at the lower right reads *Pier 7*. The lighthouse is lit, so it is probably after sunset.';
    }
    // The same question once more is asked again.
    const names = all.map(({ name }) => name).join(' and ');
    const asked = JSON.stringify([question, before.length, names]);
    const again = once.has(asked) ? ' (again)' : '';
    once.add(asked);
    return `${names ? `About ${names}` : 'Without a picture'}, turn ${before.length + 1}: you asked ${question}${again}`;
  }
}
