/** Suggestions to start with: sample pictures, questions that suit picture and model, and a model for other pictures. */

import type { Model } from '../api/model.js';
import type { Strings } from './strings/index.js';
import type { ShownPicture } from './view/picture.js';
import type { View } from './view/view.js';

export class Offers {
  readonly #view: View;
  readonly #strings: Strings;
  #offered = '';
  #scope: string | null = null;
  #picture: ShownPicture | null = null;

  constructor(view: View, strings: Strings) {
    this.#view = view;
    this.#strings = strings;
  }

  /** Shows the sample pictures of a model. @param isCurrent  whether the model is still in use once they are loaded */
  async samplesOf(model: Model, isCurrent: () => boolean, onChoose: (picture: ShownPicture) => void): Promise<void> {
    const { previewOf } = await import('./view/preview.js');
    const samples = await model.samples().catch(() => []);
    const offered: ShownPicture[] = [];
    for (const { bytes, alt, questions } of samples) {
      const name = this.#strings.sampleName(offered.length + 1);
      const file = new Blob([bytes]);
      const preview = await previewOf(file);
      if (preview) offered.push({ file, name, preview, remarks: [], questions, alt });
    }
    if (isCurrent()) this.#view.samples.offer(offered, onChoose);
  }

  /** @param scope  the only kind of picture that the model knows */
  setScope(scope: string | null): void {
    this.#scope = scope;
    this.#view.samples.setScope(scope);
    this.#offerQuestions();
    void this.#offerModel(scope);
  }

  /** Beside a model that knows one kind of picture only: the first of those for photographs that this device can hold. */
  async #offerModel(scope: string | null): Promise<void> {
    const known = scope === null ? null : await import('./known.js').then(({ firstHere }) => firstHere()).catch(() => null);
    if (this.#scope !== scope) return; // another model is in use by now
    for (const { other } of [this.#view.samples, this.#view.picture]) other.offer(known);
  }

  setPicture(picture: ShownPicture | null): void {
    this.#picture = picture;
    this.#view.samples.setCurrent(picture);
    this.#offerQuestions();
  }

  /** Shows the questions of a sample, or general ones that suit the model. */
  #offerQuestions() {
    const questions = this.#picture?.questions ?? [];
    const offered = JSON.stringify([questions, this.#scope]);
    if (offered === this.#offered) return; // new buttons would lose the focus
    this.#offered = offered;
    this.#view.composer.suggest(questions);
    const { starters } = this.#strings;
    this.#view.conversation.setStarters(questions.length > 0 ? [] : this.#scope === 'drawn_scenes' ? starters.drawn_scenes : starters.any);
  }
}
