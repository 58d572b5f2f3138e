/** All texts of the element. A page can replace them with the property `strings`. */

import type { KnownModel } from '../../engine/generated.js';
import type { Answer, ModelInfo, Phase, PictureInfo, Remark } from '../../engine/protocol.js';
import type { KeptEntry } from '../../keep/list.js';

export interface Strings {
  /** The direction of the language, for `dir`. */
  direction: 'ltr' | 'rtl';

  // The picture
  picture: string;
  choosePicture: string;
  /** Shown where a file can be dropped. */
  dropHint: string;
  chooseHint: string;
  preview: string;
  cropGrid: string;
  looking: string;
  replace: string;
  removePicture: string;
  /** Those of the conversation, where the model knows several. */
  pictures: string;
  addPicture: string;
  removeNamed(name: string): string;
  enlarge: string;
  camera: string;
  takePicture: string;
  recordVideo: string;
  stopRecording: (seconds: number) => string;
  /** What a video of the camera is called. */
  recording: string;
  cameraFailed: string;
  cancel: string;
  noPreview: string;
  pictureName(name: string): string;
  /** Short; `pictureDetails` has the rest. */
  pictureFacts(info: PictureInfo): string;
  pictureDetails(info: PictureInfo): string;
  outsideScope: string;
  outsideScopeShort: string;
  samplesLead: string;
  scope(withSamples: boolean): string;
  sampleName(n: number): string;
  sampleQuestions: string;

  // What the model looks at
  lookedAt: string;
  lookedAtToken: string;
  lookedAtHint: string;
  lookedAtNothing: string;
  lookedAtPosition(token: number, count: number, text: string): string;
  dem: string;
  decoder: string;
  lookedAtKind: string;
  demHint: string;

  // The conversation
  conversation: string;
  newChat: string;
  exportChat: string;
  exportMarkdown: string;
  exportJson: string;
  opening: string;
  starters: Record<'any' | 'drawn_scenes', string[]>;
  startersLabel: string;
  you: string;
  answer: string;
  copy: string;
  regenerate: string;
  edit: string;
  editing: string;
  resend: string;
  endings: Record<Answer['stop_reason'], string>;
  /** How long an answer took; `answerFacts` has the rest. */
  took(ms: number): string;
  answerFacts(answer: Answer): string[];
  promptFacts(answer: Answer): string;
  silence: string;
  /** What is wrong with a question, instead of an answer or beside it. */
  remark(remark: Remark): string;
  brokenOff: string;
  textOnly: string;
  earlier: string;
  randomWeights: string;

  // The question box
  message: string;
  placeholder: string;
  keys: string;
  send: string;
  stop: string;
  settings: string;
  temperature: string;
  maxNewTokens: string;
  seed: string;
  automatic: string;
  any: string;
  detail: string;
  details: { auto: string; low: string; high: string };
  /** A detail in visual tokens. */
  detailTokens(tokens: number): string;

  // The model
  device: string;
  model: string;
  models: string;
  defaultModel: string;
  useModel: string;
  inUse: string;
  openFolder: string;
  modelAddress: string;
  load: string;
  knownModels: string;
  /** What a known model is good for, its licence, and its download. */
  knownModel(known: KnownModel): string;
  /** Offers a known model beside one that knows drawings only. */
  forPhotographs(known: KnownModel): string;
  deviceUnknown: string;
  modelUnknown: string;
  modelFacts(info: ModelInfo): string;
  kept: string;
  keptNothing: string;
  keptEntry(entry: KeptEntry): string;
  remove: string;
  /** Asks for confirmation before something that is kept is deleted. */
  removeForGood: string;
  removed: string;
  noModelFolder: string;

  // Status
  status: string;
  progress: string;
  start: string;
  loadingEngine: string;
  loading(phase: Phase): string;
  progressOf(phase: Phase, done: number, total: number, pace: { rate: number; left_s: number }): string;
  pause: string;
  resume: string;
  ready(info: ModelInfo): string;
  /** The page was not loaded over HTTPS, so there is no graphics card and no storage. */
  insecure: string;
  downloadWaits: string;
  downloadPaused: string;
  engineStopped: string;
  engineFailed: string;
  recovering: string;
  waitingForEngine: string;
  waitingForOthers: string;
  waitingForPicture: string;
  pictureWaits: string;
  readingPicture: string;
  drawingFrames: string;
  pictureReady(info: PictureInfo): string;
  pictureStopped(kept: boolean): string;
  pictureFailed: string;
  pictureRemoved: string;
  /** A decoder other than the one that the model was trained with. */
  byBrowser: string;
  severalFiles(name: string): string;
  answering: string;
  stopping: string;
  answered(ms: number): string;
  notAnswered: string;
  answerStopped(answer: Answer): string;
  questionStopped: string;
  questionFailed: string;
  chatCleared: string;
  copied: string;

  // Downloads
  consentTitle(details: { name?: string }): string;
  /** `stored`: what is made of it here, where it is quantised while it is downloaded. */
  consentMessage(details: { license?: string; bytes: number; total: number; kept: boolean; stored?: number }): string;
  download(bytes: number): string;
  quotaMessage(details: { needed: number; free: number }): string;
  withoutKeeping: string;

  // Failures
  failure: Record<'load' | 'picture' | 'question' | 'crash' | 'device-lost' | 'out-of-memory' | 'quota' | 'copy', string>;
  /** What happened, by error code, for errors without a good message of their own. */
  errors: Partial<Record<string, string>>;
  /** What to do, by error code. */
  advice: Partial<Record<string, string>>;
  loadAgain: string;
  restart: string;
  smallerContext(tokens: number): string;
  dismiss: string;
  crashedMessage(detail: string): string;
  crashedSilently: string;
  emptyQuestion: string;
  pictureNotRead: string;
  fileTooLarge(bytes: number, most: number): string;
  copyFailed: string;
}
