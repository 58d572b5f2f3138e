/** Shows over the picture what the model looked at: when it generated a word of the last answer, or when it read the picture. */

import type { Chat } from '../api/chat.js';
import type { PictureInfo } from '../engine/protocol.js';
import type { Emit } from './events.js';
import type { Strings } from './strings/index.js';
import { codeOf, messageOf } from './task.js';
import type { View } from './view/view.js';

/** A conversation and its picture. */
export interface Subject {
  chat: Chat;
  about: PictureInfo;
}

export class Looker {
  readonly #view: View;
  readonly #strings: Strings;
  readonly #emit: Emit;
  #subject: () => Subject | null = () => null;
  /** Whether a map is being computed; another one may be wanted in the meantime. */
  #running = false;
  #again = false;
  /** Maps of the enhancement, by picture. */
  readonly #enhancement = new WeakMap<PictureInfo, Float32Array | null>();

  constructor(view: View, strings: Strings, emit: Emit) {
    this.#view = view;
    this.#strings = strings;
    this.#emit = emit;
  }

  /** @param subject  null while there is nothing to show, or the engine is busy */
  show(subject: () => Subject | null): void {
    this.#subject = subject;
    this.#again = this.#running;
    if (!this.#running) void this.#run();
  }

  async #run() {
    this.#running = true;
    do {
      this.#again = false;
      await this.#once();
    } while (this.#again);
    this.#running = false;
  }

  async #once() {
    const { picture, looking, pictureNotice } = this.#view;
    const subject = this.#subject();
    looking.root.hidden = !picture.looking || !subject;
    if (looking.root.hidden) {
      picture.drawAttention(null);
      return;
    }
    const { chat, about } = subject!;
    looking.offer(spoken(chat));
    try {
      const shares = looking.reading ? await this.#ofEnhancement(chat, about) : await this.#ofAnswer(chat, looking.token);
      // Another map was requested in the meantime: draw that one.
      if (!this.#again) picture.drawAttention(shares);
    } catch (error) {
      picture.drawAttention(null);
      pictureNotice.show({ title: this.#strings.lookedAt, message: messageOf(error), code: codeOf(error) });
      this.#emit('error', { code: codeOf(error), message: messageOf(error) });
    }
  }

  async #ofAnswer(chat: Chat, token: number): Promise<Float32Array | null> {
    const last = chat.turns.length - 1;
    const said = chat.remembered > 0 ? (chat.turns[last]!.token_ids?.length ?? 0) : 0;
    return token < said ? chat.attention(last, token) : null;
  }

  /** Computed once for each picture: it takes as long as reading it. */
  async #ofEnhancement(chat: Chat, about: PictureInfo): Promise<Float32Array | null> {
    if (!this.#enhancement.has(about)) {
      const looked = await chat.enhancementAttention();
      const shares = looked && (looked.detail.length > 0 ? looked.detail : looked.overview);
      this.#enhancement.set(about, shares && shares.length > 0 ? Float32Array.from(shares) : null);
    }
    return this.#enhancement.get(about) ?? null;
  }
}

/** The texts of the last answer's tokens, without the one that ends it. */
function spoken(chat: Chat): readonly string[] | undefined {
  const last = chat.remembered > 0 ? chat.turns.at(-1) : undefined;
  return last?.stop_reason === 'stop' ? last.token_texts?.slice(0, -1) : last?.token_texts;
}
