/** The headless API, and the class of the element, which `inf-llava/define` registers. */

export { capabilities, type Capabilities } from './api/capabilities.js';
export { Chat, type AskOptions, type ChatOptions, type PictureOptions, type VideoOptions, type WatchOptions } from './api/chat.js';
export type { Completions } from './api/completions.js';
export { Model, load, type LoadOptions } from './api/model.js';
export type { Completion, CompletionChunk, CompletionRequest, ContentPart, Message, Usage } from './api/openai.js';
export type { ImageInput } from './api/picture-input.js';
export { Reply } from './api/reply.js';
export { storage } from './api/storage.js';
export type { Transcript, Turn } from './api/transcript.js';
export type { VideoFrames, VideoInput } from './api/video.js';
export type { ConfirmDownload, HostState } from './engine/host.js';
export type { Answer, Device, EnhancementAttention, ModelInfo, PictureInfo, Progress, Remark, SamplePicture, Sampling, StopReason } from './engine/protocol.js';
export type { KeptEntry } from './keep/list.js';
export { InfLlavaError } from './errors.js';
export { InfLlavaChat, type InfLlavaChatEventMap } from './element/element.js';
export type { Strings } from './element/strings/index.js';
export type { OfferedModel } from './element/view/models.js';
