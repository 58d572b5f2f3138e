/** The page's own address: which model, which device, which sampling. */

/** Query parameters, and the element's attributes for them. */
const ATTRIBUTES = {
  model: 'model',
  hub: 'hub',
  device: 'device',
  context: 'context',
  lang: 'lang',
  temperature: 'temperature',
  max_new_tokens: 'max-new-tokens',
  seed: 'seed',
};

/** @param {Location|URL} location @returns {Object<string, string>} attributes */
export function readAddress(location) {
  const query = new URLSearchParams(location.search);
  const named = Object.entries(ATTRIBUTES).filter(([name]) => query.get(name));
  return Object.fromEntries(named.map(([name, attribute]) => [attribute, query.get(name)]));
}
