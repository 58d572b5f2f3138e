/** Every text that a script puts on the page. The shell's own stand in index.html, to be read before any script runs. */

const count = new Intl.NumberFormat('en');
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

/** @param {number} n @param {string} one @param {string} [many] */
const plural = (n, one, many = `${one}s`) => `${count.format(n)} ${n === 1 ? one : many}`;

/** @param {number} bytes */
export function bytesText(bytes) {
  if (bytes < 1e3) return plural(bytes, 'byte');
  const [unit, size] = bytes < 1e6 ? ['kB', 1e3] : bytes < 1e9 ? ['MB', 1e6] : ['GB', 1e9];
  return `${(bytes / size).toFixed(bytes / size < 10 ? 1 : 0)} ${unit}`;
}

/** @param {number} ms */
const duration = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** @param {number} s */
const timeLeft = (s) => (s < 90 ? `${Math.ceil(s)} s left` : `${plural(Math.round(s / 60), 'minute')} left`);

/** @param {number} rate */
const speed = (rate) => `${rate < 100 ? rate.toFixed(1) : count.format(Math.round(rate))} tokens/s`;

/** What to do about an error, by its code; the message itself says what happened. */
const ADVICE = {
  'network': 'Check the connection and the model’s address, then load it again. Another host must allow this page to read it (CORS).',
  'quota': 'Delete other models (Settings), free space on the disk, or load it without keeping it.',
  'damaged': 'The files on the server are not those that the manifest describes. Ask whoever put them there, or try again later.',
  'manifest': 'The folder holds no model that this page knows. A newer page may know it.',
  'file-missing': 'Check the model’s address; it must name a folder.',
  'device': 'Add ?device=cpu to the address to run without the graphics card.',
  'not-finite': 'Add ?device=cpu to the address to run without the graphics card.',
  'memory': 'Close other tabs, or choose a smaller model.',
  'image-format': 'Choose a PNG, JPEG, WebP, GIF or BMP picture. What was there before is still there.',
  'image-damaged': 'Save the picture again, or choose another. What was there before is still there.',
  'image-too-large': 'What was there before is still there.',
  'context-exceeded': 'Your question is back in the box.',
  'option': 'Look at the settings under the message.',
  'device-lost': 'It may have been reset, or taken by another program. Restart the engine: the conversation stays on the page, but the model starts afresh.',
  'out-of-memory': 'With a smaller context the model needs less room, and forgets sooner what was said. Closing other tabs and programs helps too.',
  'crashed': 'Restart it: the conversation stays on the page, but the model starts afresh. The browser’s console has the details.',
};

export const strings = {
  /** By the model's scope. */
  starters: {
    any: ['Describe this picture.', 'What is written in it?', 'What is in the lower right corner?'],
    drawn_scenes: ['How many shapes are there?', 'What does the sign say?', 'What is the colour of the tallest bar?'],
  },
  scope: (with_samples) =>
    `This small model answers questions about drawings${with_samples ? ' like these' : ''}: figures, signs, bar charts.`,
  outsideScope:
    'This small model knows only drawings like the samples: figures, signs, bar charts. This picture looks different; on a photograph, its answers mean little. For photographs there is the full model.',
  outsideScopeShort: 'not the kind of drawing that this model knows: its answers mean little',
  samplesLead: 'Sample pictures, with questions to ask',
  sampleName: (n) => `Sample ${n}`,

  loadingEngine: 'Loading engine',
  loading: (phase) => (phase === 'download' ? 'Downloading model' : 'Loading model'),
  downloadWaits: 'Nothing is downloaded yet',
  consentTitle: ({ name }) => `Download ${name || 'the model'}?`,
  consentMessage: ({ license, bytes, total, kept }) =>
    [
      bytes < total ? `${bytesText(bytes)} of ${bytesText(total)} are still missing.` : `It has ${bytesText(total)}.`,
      kept ? 'It is kept in this browser, and not downloaded again.' : 'This browser cannot keep it: it would be downloaded each time.',
      license ? `Licence of the weights: ${license}.` : '',
    ].join(' ').trim(),
  download: ({ bytes }) => `Download ${bytesText(bytes)}`,
  quotaMessage: ({ needed, free }) => `${bytesText(needed)} are missing; the browser has ${bytesText(Math.max(free, 0))} left for this site.`,
  withoutKeeping: 'Load without keeping it',
  pickedFolder: (files) => files[0]?.webkitRelativePath.split('/')[0] || 'the folder you picked',
  noModelFolder: 'There is no manifest.json or config.json in that folder: it is no model’s.',
  keptNothing: 'No model is kept in this browser.',
  keptModel: ({ name, bytes }) => `${name || 'unfinished download'} · ${bytesText(bytes)}`,
  remove: 'Delete',
  removed: 'Deleted',
  ready: ({ device, device_notice }) => `Ready on ${device}${device_notice ? ` (${device_notice})` : ''}`,
  engineStopped: 'Loading stopped',
  downloadPaused: 'Download paused',
  resume: 'Go on',
  engineFailed: 'The engine is not running',
  waitingForEngine: 'Your question waits for the engine',
  waitingForPicture: 'Your question waits for the picture',
  pictureWaits: 'The picture waits for the answer to end',
  readingPicture: 'Reading the picture',
  pictureReady: (summary) => `Picture ready: ${plural(summary.vision_passes, 'vision pass', 'vision passes')} in ${duration(summary.vision_ms)}`,
  pictureStopped: (kept) => (kept ? 'Stopped. The earlier picture is still in use.' : 'Stopped. No picture is in use.'),
  pictureFailed: 'The picture could not be used',
  pictureRemoved: 'Picture removed. Questions are answered without one.',
  severalFiles: (name) => `One picture at a time: ${name} was taken.`,
  answering: 'Answering',
  stopping: 'Stopping',
  answered: (answer) => `Answer complete: ${plural(answer.answer_tokens, 'token')}, ${speed(answer.tokens_per_second)}`,
  answerStopped: (answer) => `Stopped after ${plural(answer.answer_tokens, 'token')}`,
  questionStopped: 'Stopped. Your question is back in the box.',
  questionFailed: 'No answer. Your question is back in the box.',
  newChat: 'New chat',
  copied: 'Copied',

  progress: {
    engine: (done, total) => (total ? `${bytesText(done)} of ${bytesText(total)}` : bytesText(done)),
    download: (done, total, { rate, left_s }) =>
      [`${bytesText(done)} of ${bytesText(total)}`, rate && `${bytesText(rate)}/s`, rate && timeLeft(left_s)].filter(Boolean).join(' · '),
    weights: (done, total) => (total ? `${bytesText(done)} of ${bytesText(total)}` : bytesText(done)),
    vision: (done, total) => `${done} of ${plural(total, 'pass', 'passes')}`,
    prefill: (done, total) => `${count.format(done)} of ${plural(total, 'prompt token')}`,
  },

  randomWeights: 'This model has random weights: it shows that the engine works, and its answers are noise until a trained model takes its place.',
  modelFacts: (info) =>
    [info.name, `${compact.format(info.parameters)} parameters`, bytesText(info.weights_bytes), `${count.format(info.context_tokens)} tokens of context`].join(' · '),
  deviceUnknown: 'not known yet',
  modelUnknown: 'not loaded',

  pictureName: (name) => name || 'pasted picture',
  pictureChosen: (bytes) => bytesText(bytes),
  pictureFacts: (s) =>
    `${s.width} × ${s.height} px, seen at ${s.image_px} × ${s.image_px} in ${s.crops_per_side} × ${s.crops_per_side} crops · ${plural(s.vision_passes, 'pass', 'passes')} · ${duration(s.vision_ms)}`,
  noPreview: 'No preview',

  you: 'You:',
  model: 'Answer:',
  copy: 'Copy',
  regenerate: 'Regenerate',
  endings: {
    stop: '',
    stopped: 'stopped',
    length: 'reached the token limit',
    context: 'context is full: start a new chat',
  },
  answerFacts: (a) => [plural(a.vision_passes, 'pass', 'passes'), plural(a.answer_tokens, 'token'), speed(a.tokens_per_second)],
  promptFacts: (a) => `${plural(a.prompt_tokens, 'prompt token')}, ${count.format(a.new_prompt_tokens)} new`,
  silence: 'No text.',
  brokenOff: 'broken off, not part of the conversation',
  textOnly: 'Without a picture',
  restarted: 'The engine was restarted. It remembers nothing of what stands above.',

  failure: {
    load: 'The model could not be loaded',
    picture: 'This picture could not be used',
    question: 'That question was not answered',
    crash: 'The engine crashed',
    'device-lost': 'The graphics card was lost',
    'out-of-memory': 'The graphics card has no room left',
    quota: 'There is no room for this model',
    copy: 'Copying failed',
  },
  advice: (code) => ADVICE[code] ?? '',
  loadAgain: 'Load again',
  restart: 'Restart engine',
  smallerContext: (tokens) => `Restart with room for ${count.format(tokens)} tokens`,
  dismiss: 'Dismiss',
  crashedMessage: (detail) => `It ended with: ${detail}`,
  crashedWithoutMessage: 'It ended without saying why, perhaps for lack of memory.',
  notRunning: 'The engine is not running.',
  emptyQuestion: 'Type a question first.',
  pictureNotRead: 'The picture it waited for could not be used.',
  fileTooLarge: (bytes, most) => `The file has ${bytesText(bytes)}; at most ${bytesText(most)} can be read here. Scale the picture down first.`,
  fileUnreadable: 'The browser could not read the file; it may have been moved or changed.',
  badModelAddress: (address) => `“${address}” is no address of a model folder; it must start with http: or https:, or be a path on this site.`,
  badDevice: (device) => `There is no device “${device}”; use auto, wgpu, portable or cpu.`,
  copyFailed: 'The browser did not allow it. Select the text and copy it by hand.',
};
