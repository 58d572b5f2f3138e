/**
 * Stands in for what the engine does with a model on a hub: it cuts the weights into shards of a fourth of their bytes.
 * The tests work out with the same functions what must be kept.
 */

import { pause } from './pause.js';

const WEIGHTS = 'model.safetensors';
/** Bytes of the weights for a shard, and those that are read at once. */
const SHARD_BYTES = 4_000_000;
const CHUNK_BYTES = 500_000;
const BESIDE = ['tokenizer.json', 'preprocessor_config.json', 'README.md'];
/** The version of the converter. */
const CONVERTER = 1;

const fail = (code, message) => {
  throw { code, message };
};

/** 64 digits that depend on a text. */
function digits(text) {
  let state = 2166136261;
  let found = '';
  for (let at = 0; found.length < 64; at += 1) {
    for (const character of `${text}${at}`) state = Math.imul(state ^ character.charCodeAt(0), 16777619) >>> 0;
    found += state.toString(16).padStart(8, '0');
  }
  return found;
}

export function hubPlace(text, hub) {
  const [, name, revision = 'main'] = /^(?:hf:(?:\/\/)?)?([\w.-]+\/[\w.-]+)(?:@(.+))?$/.exec(text) ?? [];
  if (!name) return /^https?:/.test(text) ? fail('option', `“${text}”: it names no repository`) : null;
  if (/^\.|\/\./.test(name)) fail('option', `“${name}”: a repository is called owner/name`);
  const base = hub.replace(/\/+$/, '');
  const at = encodeURIComponent(revision);
  return { repository: name, revision, list: `${base}/api/models/${name}/revision/${at}?blobs=true`, url: `${base}/${name}/resolve/${at}/` };
}

export function hubFolder(hub, repository, list, quant) {
  const { sha, siblings } = JSON.parse(new TextDecoder().decode(list));
  const files = siblings.filter(({ rfilename }) => !rfilename.includes('/'));
  const deciding = files.filter(({ rfilename }) => /\.(json|jinja|safetensors)$/.test(rfilename)).map(({ rfilename, blobId }) => [rfilename, blobId]);
  const contents = digits(JSON.stringify([hub, quant, deciding]));
  return {
    commit: sha,
    url: `${hub.replace(/\/+$/, '')}/${repository}/resolve/${sha}/`,
    contents,
    identity: digits(`${CONVERTER} ${contents}`),
    files: files.map(({ rfilename, size }) => ({ file: rfilename, bytes: size ?? null })),
  };
}

/** Every fourth byte. */
export const quantised = (bytes) => bytes.filter((_, at) => at % 4 === 0);

/** Beginnings and ends of the shards in the weights. */
export const spans = (bytes) => Array.from({ length: Math.ceil(bytes / SHARD_BYTES) }, (_, at) => [at * SHARD_BYTES, Math.min((at + 1) * SHARD_BYTES, bytes)]);

export const shardName = (index) => `shard-${String(index + 1).padStart(5, '0')}.bin`;
/** The files beside the weights, of a list. */
export const beside = (names) => BESIDE.filter((name) => names.includes(name));
/** The second shard has embeddings. */
const EMBEDDINGS = 1;

export function manifestOf({ name, revision, license }, shards, files) {
  const tensors = { 'model.embed_tokens.weight': { shape: [1024, 16], dtype: 'f32', pieces: [{ shard: EMBEDDINGS, offset: 0, rows: 1024 }] } };
  const manifest = { format: 'inf-llava', version: 1, name, revision, license, config: {}, generation: {}, prompt: 'llama3', files, shards, tensors };
  return new TextEncoder().encode(JSON.stringify(manifest));
}

export const licenceOf = (card) => /^license: *(\S+)/m.exec(card)?.[1] ?? 'unknown';

export class Conversion {
  #files;
  #about;
  #spans;
  #beside;

  static async open(files, url, name, revision, quant) {
    if (quant !== 'q4') fail('option', `--quant ${quant}`);
    const whole = async (file) => {
      const size = await files.size(file);
      return size === undefined ? undefined : new TextDecoder().decode(await files.read(file, 0, size));
    };
    const config = await whole('config.json');
    if (config === undefined) fail('file-missing', `${url}config.json is missing`);
    if (!config.includes('model_type')) fail('config', `${url}config.json: it is not the configuration of a model`);
    const size = await files.size(WEIGHTS);
    if (size === undefined) fail('file-missing', `${url}${WEIGHTS} is missing`);
    // As headers are read: in small steps.
    await files.read(WEIGHTS, 0, 8);
    await files.read(WEIGHTS, 8, 600);
    const conversion = new Conversion();
    conversion.#files = files;
    conversion.#spans = spans(size);
    conversion.#about = { name, revision, license: licenceOf((await whole('README.md')) ?? '') };
    conversion.#beside = [];
    for (const file of BESIDE) {
      const bytes = await files.size(file);
      if (bytes !== undefined) conversion.#beside.push({ file, bytes, source_bytes: bytes });
    }
    return conversion;
  }

  async plan() {
    const shards = this.#spans.map(([start, end], index) => ({ file: shardName(index), bytes: Math.ceil((end - start) / 4), source_bytes: end - start }));
    return { name: this.#about.name, license: this.#about.license, shards, files: this.#beside, embeddings: [EMBEDDINGS] };
  }

  async shard(index, onEvent, stop) {
    const [start, end] = this.#spans[index];
    const { shards } = await this.plan();
    const total = shards.reduce((bytes, shard) => bytes + shard.bytes, 0);
    const made = new Uint8Array(shards[index].bytes);
    this.#files.expect(WEIGHTS, start, end);
    for (let at = start; at < end; at += CHUNK_BYTES) {
      onEvent({ type: 'progress', phase: 'download', done: at, total: this.#spans.at(-1)[1] });
      onEvent({ type: 'progress', phase: 'conversion', done: Math.ceil(at / 4), total });
      await pause(0);
      if (stop.stopped) fail('stopped', 'stopped');
      made.set(quantised(await this.#files.read(WEIGHTS, at, Math.min(at + CHUNK_BYTES, end))), (at - start) / 4);
    }
    return made;
  }

  async file(file) {
    return this.#files.read(file, 0, await this.#files.size(file));
  }

  manifest(shards, files) {
    return manifestOf(this.#about, shards, files);
  }

  free() {}
}
