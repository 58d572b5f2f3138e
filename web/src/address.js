/** The page's own address: which model, which device, which sampling. */

import { strings } from './strings.js';

const DEVICES = ['auto', 'wgpu', 'portable', 'cpu'];
const SAMPLING = ['temperature', 'max_new_tokens', 'seed'];

/**
 * @typedef {object} PageAddress
 * @property {string} model  absolute URL of a folder, with a closing slash
 * @property {string} device
 * @property {Object<string, string>} sampling  as typed, for the settings
 */

/**
 * @param {Location|URL} location
 * @param {string} base  what a relative model address is relative to
 * @returns {PageAddress}
 * @throws {import('./protocol.js').EngineError}
 */
export function readAddress(location, base) {
  const query = new URLSearchParams(location.search);
  const device = query.get('device') ?? 'auto';
  if (!DEVICES.includes(device)) throw { code: 'page', message: strings.badDevice(device) };
  /** @type {Object<string, string>} */
  const sampling = {};
  for (const name of SAMPLING) if (query.has(name)) sampling[name] = query.get(name);
  return { model: modelAddress(query.get('model') || 'models/demo/', base), device, sampling };
}

function modelAddress(text, base) {
  const url = URL.canParse(text, base) ? new URL(text, base) : null;
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw { code: 'page', message: strings.badModelAddress(text) };
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url.href;
}
