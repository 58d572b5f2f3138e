/** The details of the element's events, by name without `inf-llava-`. */

import type { Answer, ModelInfo, PictureInfo, Progress } from '../engine/protocol.js';

export interface Events {
  state: { state: string };
  progress: Progress;
  ready: ModelInfo;
  picture: PictureInfo;
  answer: { question: string; answer: Answer };
  error: { code: string; message: string };
}

export type Emit = <Name extends keyof Events>(name: Name, detail: Events[Name]) => void;
