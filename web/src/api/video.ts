/** Takes the frames that a model looks at from a video, which the browser decodes, and has the engine read them. */

import type { Host, Look, Watcher } from '../engine/host.js';
import type { PictureInfo } from '../engine/protocol.js';
import { packed } from '../engine/reel.js';
import { InfLlavaError, stopped } from '../errors.js';
import { asPng, type Decoded } from './draw.js';
import { kindOf } from './kind.js';
import { pictureOf } from './picture.js';

/** Pictures that were taken one after another at even distances, and the seconds that they take together. */
export interface VideoFrames {
  frames: readonly Blob[];
  seconds: number;
}

/** The file of a video that the browser plays, or of an animated GIF, WebP or PNG; or frames. */
export type VideoInput = Blob | VideoFrames;

/** Pixels of a frame's longer side, beyond which it is scaled down: twice as many as models see. */
export const MOST_SIDE = 1024;
/** Browsers do not tell how many frames a second a video has. */
const USUAL_FPS = 30;
/** A frame that takes longer does not come any more. */
const FRAME_MS = 20_000;
/** Beyond the end of any video: recordings say how long they are only once their end was looked for. */
const END_S = 1e7;

type Choose = (frames: number, fps: number, seconds: number) => Promise<readonly number[]>;

/**
 * Has the engine read a video. Its frames are drawn one after another, which is told as the phase `frames`.
 *
 * @throws InfLlavaError `image-format` for what the browser does not play, `option` for a model that sees no videos, and as
 *     any command of the engine
 */
export async function readVideo(host: Host, video: VideoInput, name: string | undefined, watcher: Watcher): Promise<{ look: Look; info: PictureInfo }> {
  const choose: Choose = (frames, fps, seconds) => host.videoFrames(frames, fps, seconds, watcher);
  const file = isFrames(video) ? null : blobOf(video);
  const named = name ?? (file as Partial<File> | null)?.name ?? '';
  const reel = isFrames(video) ? await ofFrames(video, choose) : await ofFile(file!, named, choose, watcher);
  const look: Look = { picture: await pictureOf(reel, named), detail: 'auto' };
  return { look, info: await host.readPicture(look, false, watcher) };
}

/** The first frame that shows something of a video, as a picture. @throws InfLlavaError as {@link readVideo} */
export async function posterOf(file: Blob, name: string): Promise<Decoded> {
  return withVideo(file, name, undefined, async (video) => frameAt(video, Math.min(1, video.duration / 2) || 0, name, undefined));
}

const isFrames = (video: VideoInput): video is VideoFrames => Array.isArray((video as Partial<VideoFrames> | null)?.frames);

function blobOf(video: VideoInput): Blob {
  if (/ (Blob|File)\]$/.test(Object.prototype.toString.call(video))) return video as Blob;
  throw new InfLlavaError('option', `a video is a file, or {frames, seconds}, and ${kindOf(video)} was given`);
}

async function ofFrames({ frames, seconds }: VideoFrames, choose: Choose): Promise<Blob> {
  if (frames.length === 0 || !(seconds > 0))
    throw new InfLlavaError('option', `a video has frames and takes a while: ${frames.length} in ${seconds} s are none`);
  const fps = frames.length / seconds;
  const chosen = await choose(frames.length, fps, seconds);
  const files = chosen.map((index) => frames[index]!);
  const head = chosen.map((index, at) => ({ time_s: index / fps, bytes: files[at]!.size }));
  return packed({ seconds, of: frames.length, frames: head }, files);
}

async function ofFile(file: Blob, name: string, choose: Choose, { signal, onEvent }: Watcher): Promise<Blob> {
  if (file.type.startsWith('image/')) {
    await choose(1, 1, 1); // a model that sees no videos says so
    return packed({ seconds: 0, of: 0, frames: [] }, [file]);
  }
  return withVideo(file, name, signal, async (video) => {
    const seconds = await lengthOf(video, name, signal);
    const count = Math.max(1, Math.round(seconds * USUAL_FPS));
    const chosen = await choose(count, USUAL_FPS, seconds);
    const files: Blob[] = [];
    for (const [done, index] of chosen.entries()) {
      onEvent?.({ type: 'progress', phase: 'frames', done, total: chosen.length });
      files.push((await frameAt(video, index / USUAL_FPS, name, signal)).blob);
    }
    const head = chosen.map((index, at) => ({ time_s: index / USUAL_FPS, bytes: files[at]!.size }));
    return packed({ seconds, of: count, frames: head }, files);
  });
}

async function withVideo<T>(file: Blob, name: string, signal: AbortSignal | undefined, run: (video: HTMLVideoElement) => Promise<T>): Promise<T> {
  if (!globalThis.document) throw new InfLlavaError('image-format', `${name || 'video'}: a video file is read in a page only; give its frames here`);
  const url = URL.createObjectURL(file);
  const video = Object.assign(document.createElement('video'), { muted: true, playsInline: true, preload: 'auto' });
  try {
    await comes(video, 'loadeddata', name, signal, () => (video.src = url));
    if (video.videoWidth === 0) throw unplayable(name, 'it has sound and no frames');
    return await run(video);
  } finally {
    video.removeAttribute('src');
    video.load(); // so that the decoder is let go
    URL.revokeObjectURL(url);
  }
}

async function lengthOf(video: HTMLVideoElement, name: string, signal: AbortSignal | undefined): Promise<number> {
  if (video.duration === Infinity) await comes(video, 'seeked', name, signal, () => (video.currentTime = END_S));
  const seconds = Number.isFinite(video.duration) ? video.duration : video.currentTime;
  // A single picture has no length.
  return seconds > 0 ? seconds : 1 / USUAL_FPS;
}

async function frameAt(video: HTMLVideoElement, timeS: number, name: string, signal: AbortSignal | undefined): Promise<Decoded> {
  await comes(video, 'seeked', name, signal, () => (video.currentTime = timeS));
  const { videoWidth: width, videoHeight: height } = video;
  return asPng({ source: video, width, height }, Math.min(1, MOST_SIDE / Math.max(width, height)));
}

/** Waits for an event that `begin` causes. */
async function comes(video: HTMLVideoElement, event: string, name: string, signal: AbortSignal | undefined, begin: () => void): Promise<void> {
  if (signal?.aborted) throw stopped();
  const ended = new AbortController();
  const listening = { signal: ended.signal };
  try {
    await new Promise<void>((resolve, reject) => {
      video.addEventListener(event, () => resolve(), listening);
      video.addEventListener('error', () => reject(unplayable(name, video.error?.message || 'this browser does not play it')), listening);
      signal?.addEventListener('abort', () => reject(stopped()), listening);
      const late = setTimeout(() => reject(unplayable(name, `no frame came within ${FRAME_MS / 1000} s`)), FRAME_MS);
      ended.signal.addEventListener('abort', () => clearTimeout(late));
      begin();
    });
  } finally {
    ended.abort();
  }
}

const unplayable = (name: string, reason: string) =>
  new InfLlavaError('image-format', `${name || 'video'}: the frames of this video could not be drawn: ${reason}`);
