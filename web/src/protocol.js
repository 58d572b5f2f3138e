/**
 * What the page and the engine's worker say to one another. Types only.
 *
 * The page sends a {@link Request} for each command and may send `{stop: id}` at any moment. The
 * worker runs the commands one after another (`samples`, `kept` and `remove_kept` need no engine and wait for none) and answers each with exactly one result or error;
 * `crashed` means that nothing will ever come again from this worker.
 *
 * @typedef {'load'|'samples'|'kept'|'remove_kept'|'set_image'|'clear_image'|'ask'|'regenerate'|'new_chat'} CommandName
 *
 * @typedef {object} Request
 * @property {number} id
 * @property {CommandName} command
 * @property {object} args
 *
 * @typedef {{stop: number}} StopRequest
 *
 * @typedef {{type: 'event', id: number, event: EngineEvent}
 *   | {type: 'result', id: number, value: any}
 *   | {type: 'error', id: number, error: EngineError}
 *   | {type: 'crashed', message: string, code?: string}} Reply  the code is `device-lost`, `out-of-memory`, or none
 *
 * @typedef {'engine'|'download'|'weights'|'vision'|'prefill'} Phase  `engine` is the program itself
 * @typedef {{type: 'progress', phase: Phase, done: number, total: number}
 *   | {type: 'piece', text: string}} EngineEvent  `total` 0: not known
 *
 * @typedef {object} EngineError
 * @property {string} code  stable; the engine's own, or one of `crashed`, `not-running`, `page`
 * @property {string} message
 * @property {object} [details]  of `consent`: name, license, bytes, total, kept; of `quota`: needed, free
 *
 * @typedef {object} LoadRequest
 * @property {string} url  of the model folder, with a closing slash; for picked files what to call it
 * @property {string} device
 * @property {number} [context]  tokens to make room for
 * @property {File[]} [files]  of a folder that the user picked
 * @property {boolean} consent  the user has agreed to a large download
 * @property {boolean} keep  whether the browser is to keep what is downloaded
 *
 * @typedef {{id: string, name: string, bytes: number}} KeptModel
 *
 * @typedef {object} EngineInfo
 * @property {string} name
 * @property {string} device
 * @property {string|null} device_notice  why it is not the one that was looked for first, or slower than it could be
 * @property {number} parameters
 * @property {number} weights_bytes
 * @property {number} crops_per_side
 * @property {number} crop_px
 * @property {number} image_px
 * @property {number} context_tokens
 * @property {boolean} random_weights
 * @property {'drawn_scenes'|null} scope  the one kind of picture that it knows; null for a general model
 *
 * @typedef {object} ImageSummary
 * @property {number} width  of the picture as it is shown, in its own pixels
 * @property {number} height
 * @property {string[]} notices
 * @property {boolean} outside_scope  the picture is of a kind that the model does not know
 * @property {number} image_px
 * @property {number} crops_per_side
 * @property {number} vision_passes
 * @property {number} vision_ms
 *
 * @typedef {object} Sample  a picture that comes with the model
 * @property {Uint8Array} bytes
 * @property {string} alt
 * @property {string[]} questions
 *
 * @typedef {object} Sampling
 * @property {number} [temperature]
 * @property {number} [max_new_tokens]
 * @property {number} [seed]
 *
 * @typedef {object} Answer
 * @property {string} text
 * @property {'stop'|'length'|'stopped'|'context'} stop_reason
 * @property {number} prompt_tokens
 * @property {number} new_prompt_tokens
 * @property {number} answer_tokens
 * @property {number} vision_passes
 * @property {number} tokens_per_second
 */
export {};
