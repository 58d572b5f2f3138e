import { formatFor, LEAST_RATED_TOKENS } from './format.js';
import type { Strings } from './strings.js';

const { bytes, compact, count, duration, plural, rate, share } = formatFor('en');
const passes = (n: number) => plural(n, { one: 'pass of the vision tower', other: 'passes of the vision tower' });
const tokens = (n: number) => plural(n, { one: 'token', other: 'tokens' });
const timeLeft = (s: number) => (s < 90 ? `${Math.ceil(s)} s left` : `${plural(Math.round(s / 60), { one: 'minute', other: 'minutes' })} left`);
const ofTotal = (done: number, total: number) => (total ? `${bytes(done)} of ${bytes(total)}` : bytes(done));

export const en: Strings = {
  direction: 'ltr',

  picture: 'Picture',
  choosePicture: 'Choose a picture',
  dropHint: 'or drop it here, or paste it.',
  chooseHint: 'It stays on this device.',
  preview: 'Picture preview',
  cropGrid: 'Crop grid',
  looking: 'What it looks at',
  replace: 'Replace',
  removePicture: 'Remove',
  pictures: 'Pictures',
  addPicture: 'Add a picture',
  removeNamed: (name) => `Remove ${name}`,
  enlarge: 'Enlarge the picture',
  camera: 'Camera',
  takePicture: 'Take the picture',
  recordVideo: 'Record a video',
  stopRecording: (seconds) => `Stop: ${count(seconds)} s`,
  recording: 'recording',
  cameraFailed: 'There is no camera, or this page may not use it.',
  cancel: 'Cancel',
  noPreview: 'No preview',
  pictureName: (name) => name || 'pasted picture',
  pictureFacts: (info) => `${info.width} × ${info.height} px · ${info.vision_passes > 0 ? `read in ${duration(info.vision_ms)}` : 'read before'}`,
  pictureDetails: (info) =>
    info.crops_per_side > 1
      ? `seen at ${info.image_px} × ${info.image_px} px in ${info.crops_per_side} × ${info.crops_per_side} crops, by ${passes(info.vision_passes)}`
      : `seen by ${passes(info.vision_passes)}`,
  outsideScope:
    'This small model knows only drawings like the samples: figures, signs, bar charts. This picture looks different; on a photograph, its answers mean little. For photographs there is the full model.',
  outsideScopeShort: 'not the kind of drawing that this model knows: its answers mean little',
  samplesLead: 'Sample pictures, with questions to ask',
  scope: (withSamples) => `This small model answers questions about drawings${withSamples ? ' like these' : ''}: figures, signs, bar charts.`,
  sampleName: (n) => `Sample ${n}`,
  sampleQuestions: 'Questions about this sample',

  lookedAt: 'What the model looks at',
  lookedAtToken: 'Word of the last answer',
  lookedAtHint: 'Bright places had more of the model’s attention when it said the word.',
  lookedAtNothing: 'Ask something first: this shows where an answer came from.',
  lookedAtPosition: (token, of, text) => `${count(token)} of ${count(of)}: ${text}`,
  dem: 'for the picture',
  decoder: 'for the answer',
  lookedAtKind: 'Looked at',
  demHint: 'Bright places were looked at more when the two views of the picture were put together.',

  conversation: 'Conversation',
  newChat: 'New chat',
  exportChat: 'Export',
  exportMarkdown: 'As Markdown',
  exportJson: 'As JSON',
  opening: 'Pick a picture and ask. It is read, crop by crop, while you type.',
  starters: {
    any: ['Describe this picture.', 'What is written in it?', 'What is in the lower right corner?'],
    drawn_scenes: ['How many shapes are there?', 'What does the sign say?', 'What is the colour of the tallest bar?'],
  },
  startersLabel: 'Questions to start from',
  you: 'You:',
  answer: 'Answer:',
  copy: 'Copy',
  regenerate: 'Regenerate',
  edit: 'Edit',
  editing: 'You are changing a question. What came after it is forgotten when you send it.',
  resend: 'Send again',
  endings: { stop: '', stopped: 'stopped', length: 'reached the token limit', context: 'context is full: start a new chat' },
  took: duration,
  answerFacts: (answer) => [
    passes(answer.vision_passes),
    tokens(answer.answer_tokens),
    ...(answer.answer_tokens >= LEAST_RATED_TOKENS ? [`${rate(answer.tokens_per_second)} tokens/s`] : []),
  ],
  promptFacts: (answer) => `${plural(answer.prompt_tokens, { one: 'prompt token', other: 'prompt tokens' })}, ${count(answer.new_prompt_tokens)} new`,
  silence: 'No text.',
  remark({ code, answered, examples }) {
    const what = {
      needs_picture: 'Please choose a picture first: this small model answers questions about drawings, and about nothing else.',
      not_english: 'Please ask in English: this small model knows no other language.',
      unlike_questions: answered
        ? 'This model has not learnt to answer a question that is put like this: the answer may be wrong.'
        : 'This model has not learnt to answer that. It knows the figures, signs and bar charts of a drawing: ask about one thing at a time.',
    };
    return `${what[code]} Questions that work: ${examples.map((example) => `“${example}”`).join(', ')}`;
  },
  brokenOff: 'broken off, not part of the conversation',
  textOnly: 'Without a picture',
  earlier: 'What was said before is in the export.',
  randomWeights: 'This model has random weights: it shows that the engine works, and its answers are noise until a trained model takes its place.',

  message: 'Message',
  placeholder: 'Ask about the picture',
  keys: 'Enter sends, Shift+Enter breaks the line, Escape stops.',
  send: 'Send',
  stop: 'Stop',
  settings: 'Settings',
  temperature: 'Temperature',
  maxNewTokens: 'Max new tokens',
  seed: 'Seed',
  automatic: 'auto',
  any: 'any',
  detail: 'Detail of the picture',
  details: { auto: 'as trained', low: 'low: quick, no small print', high: 'high: slow, small print' },
  detailTokens: (tokens) => `at most ${tokens} tokens`,

  device: 'Device',
  model: 'Model',
  models: 'Models',
  defaultModel: 'Small demo model',
  useModel: 'Use',
  inUse: 'in use',
  openFolder: 'Open a model folder',
  modelAddress: 'Address of a model folder, or owner/name',
  load: 'Load',
  knownModels: 'On the Hugging Face hub, for this device',
  knownModel: ({ good_for: use, license, published_bytes: size }) => `${use} · ${license} · ${bytes(size)} to download`,
  forPhotographs: ({ name, published_bytes: size }) => `For photographs: ${name}, ${bytes(size)} to download`,
  deviceUnknown: 'not known yet',
  modelUnknown: 'not loaded',
  modelFacts: (info) =>
    [info.name, `${compact(info.parameters)} parameters`, bytes(info.weights_bytes), `${count(info.context_tokens)} tokens of context`].join(' · '),
  kept: 'Kept in this browser',
  keptNothing: 'Nothing is kept in this browser.',
  keptEntry({ kind, name, bytes: size, count: n = 0 }) {
    const forms = { one: 'picture as the model sees it', other: 'pictures as the model sees them' };
    const text = {
      model: name || 'unfinished download',
      pictures: plural(n, forms),
      page: 'this page, to be used without a network',
      adapters: 'what was measured of the graphics card',
    };
    return `${text[kind]} · ${bytes(size)}`;
  },
  remove: 'Delete',
  removeForGood: 'Delete for good',
  removed: 'Deleted',
  noModelFolder: 'That folder has no manifest.json or config.json: it is not a model folder.',

  status: 'Status',
  progress: 'Progress',
  start: 'Load the model',
  loadingEngine: 'Loading engine',
  loading: (phase) => (phase === 'download' ? 'Downloading model' : phase === 'conversion' ? 'Downloading and quantising model' : 'Loading model'),
  progressOf(phase, done, total, { rate: speed, left_s }) {
    if (phase === 'vision' || phase === 'frames' || phase === 'prefill') return share(done, total);
    if (phase === 'conversion') return `quantised: ${ofTotal(done, total)}`;
    const pace = phase === 'download' && speed ? [`${bytes(speed)}/s`, timeLeft(left_s)] : [];
    return [ofTotal(done, total), ...pace].join(' · ');
  },
  pause: 'Pause',
  resume: 'Continue',
  ready: ({ device, device_notice }) => `Ready on ${device}${device_notice ? ` (${device_notice})` : ''}`,
  insecure: 'This page did not come over HTTPS: the browser lets it use no graphics card, and keep nothing.',
  downloadWaits: 'Nothing is downloaded yet',
  downloadPaused: 'Download paused',
  engineStopped: 'Loading stopped',
  engineFailed: 'The engine is not running',
  recovering: 'The engine was lost. It is started again, and goes on.',
  waitingForEngine: 'Your question waits for the engine',
  waitingForOthers: 'Your question waits for another conversation of this page',
  waitingForPicture: 'Your question waits for the picture',
  pictureWaits: 'The picture waits for the answer to end',
  readingPicture: 'Reading the picture',
  drawingFrames: 'Drawing the frames of the video',
  pictureReady: (info) => (info.vision_passes > 0 ? `Picture ready, read in ${duration(info.vision_ms)}` : 'Picture ready: it was read before'),
  pictureStopped: (kept) => (kept ? 'Stopped. The earlier picture is still in use.' : 'Stopped. No picture is in use.'),
  pictureFailed: 'The picture could not be used',
  pictureRemoved: 'Picture removed',
  byBrowser: 'Decoded and scaled by the browser: its pixels may differ a little from those that the model would see elsewhere.',
  severalFiles: (name) => `One picture at a time: ${name} was taken.`,
  answering: 'Answering',
  stopping: 'Stopping',
  answered: (ms) => `Answer complete in ${duration(ms)}`,
  notAnswered: 'Not answered: the reason is in the answer’s place',
  answerStopped: (answer) => `Stopped after ${tokens(answer.answer_tokens)}`,
  questionStopped: 'Stopped. Your question is back in the box.',
  questionFailed: 'No answer. Your question is back in the box.',
  chatCleared: 'New chat',
  copied: 'Copied',

  consentTitle: ({ name }) => `Download ${name || 'the model'}?`,
  consentMessage: ({ license, bytes: missing, total, kept, stored }) =>
    [
      missing < total ? `${bytes(missing)} of ${bytes(total)} are still missing.` : `Its size is ${bytes(total)}.`,
      stored === undefined ? '' : `It is quantised on this device while it comes, to ${bytes(stored)}.`,
      kept ? 'It is kept in this browser, and not downloaded again.' : 'This browser cannot keep it: it would be downloaded each time.',
      license ? `Licence of the weights: ${license}.` : '',
    ]
      .filter(Boolean)
      .join(' '),
  download: (size) => `Download ${bytes(size)}`,
  quotaMessage: ({ needed, free }) => `${bytes(needed)} are missing; the browser has ${bytes(Math.max(free, 0))} left for this site.`,
  withoutKeeping: 'Load without keeping it',

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
  errors: {
    'file-access': 'The browser could not read the file; it may have been moved or changed.',
  },
  advice: {
    'picture-network': 'Check the picture’s address, and the connection. Another host must allow this page to read it (CORS).',
    network: 'Check the connection and the model’s address, then load it again. Another host must allow this page to read it (CORS).',
    quota: 'Delete other models (Settings), free space on the disk, or load it without keeping it.',
    hub: 'Check the model’s name, owner/name. A model that is private or whose licence must be accepted is converted by the program, and its folder opened here.',
    damaged: 'The files on the server are not those that the manifest describes. Ask whoever put them there, or try again later.',
    manifest: 'The folder holds no model that this page knows. A newer page may know it.',
    'file-missing': 'Check the model’s address; it must name a folder.',
    device: 'Without the graphics card (device="cpu") it may run.',
    'not-finite': 'Without the graphics card (device="cpu") it may run.',
    memory: 'Close other tabs, or choose a smaller model.',
    'image-format': 'Choose another picture. What was there before is still there.',
    'image-damaged': 'Save the picture again, or choose another. What was there before is still there.',
    'image-too-large': 'What was there before is still there.',
    'image-shape': 'Choose another picture, or cut out the part that matters. What was there before is still there.',
    'context-exceeded': 'Your question is back in the box.',
    option: 'Look at the settings under the message.',
    'device-lost': 'It may have been reset, or taken by another program. The conversation is still here: restart the engine, and it goes on.',
    'out-of-memory': 'With a smaller context the model needs less room, and forgets sooner what was said. Closing other tabs and programs helps too.',
    crashed: 'The conversation is still here: restart the engine, and it goes on. The browser’s console has the details.',
    'no-wasm-simd': 'A newer browser can.',
  },
  loadAgain: 'Load again',
  restart: 'Restart engine',
  smallerContext: (n) => `Restart with room for ${count(n)} tokens`,
  dismiss: 'Dismiss',
  crashedMessage: (detail) => `It ended with: ${detail}`,
  crashedSilently: 'It ended without saying why, perhaps for lack of memory.',
  emptyQuestion: 'Type a question first.',
  pictureNotRead: 'The picture it waited for could not be used.',
  fileTooLarge: (size, most) => `The file has ${bytes(size)}; at most ${bytes(most)} can be read here. Scale the picture down first.`,
  copyFailed: 'The browser did not allow it. Select the text and copy it by hand.',
};
