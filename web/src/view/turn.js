/** One question with its answer, its figures, and its buttons. */

import { renderMarkdown } from '../markdown.js';
import { strings } from '../strings.js';

export class Turn {
  root = document.createElement('article');
  question;
  #text = '';
  #answer = document.createElement('div');
  #facts = document.createElement('p');
  #copy;
  #regenerate;
  #on_growth;
  #frame = 0;
  /** What stood here before a regeneration, until there is something better. */
  #before = null;

  /**
   * @param {string} question
   * @param {{on_copy: (text: string) => void, on_regenerate: (turn: Turn) => void}} handlers
   * @param {() => void} on_growth
   */
  constructor(question, { on_copy, on_regenerate }, on_growth) {
    this.question = question;
    this.#on_growth = on_growth;
    this.root.className = 'turn';
    const asked = document.createElement('p');
    asked.className = 'question';
    asked.dir = 'auto';
    asked.append(unseen(strings.you), question);
    this.#answer.className = 'answer';
    this.#answer.dir = 'auto';
    this.#facts.className = 'data';
    this.#copy = button(strings.copy, () => on_copy(this.#text));
    this.#regenerate = button(strings.regenerate, () => on_regenerate(this));
    const foot = document.createElement('footer');
    foot.append(this.#facts, this.#copy, this.#regenerate);
    this.root.append(asked, unseen(strings.model), this.#answer, foot);
    this.setState('waiting');
  }

  /** @param {'waiting'|'streaming'|'done'|'broken'} state */
  setState(state) {
    this.root.dataset.state = state;
  }

  /** The last answer alone can be asked for again. @param {boolean} offered */
  offerRegenerate(offered) {
    this.#regenerate.hidden = !offered;
  }

  hasText() {
    return this.#text !== '';
  }

  /** Sets the present answer aside for another. */
  startOver() {
    this.#before = { text: this.#text, facts: [...this.#facts.childNodes], state: this.root.dataset.state };
    this.#text = '';
    this.#facts.replaceChildren();
    this.#draw();
    this.setState('waiting');
  }

  /** Brings back what was set aside. */
  restore() {
    if (!this.#before) return;
    this.#text = this.#before.text;
    this.#facts.replaceChildren(...this.#before.facts);
    this.#draw();
    this.setState(this.#before.state);
    this.#before = null;
  }

  /** @param {string} piece */
  append(piece) {
    this.#text += piece;
    this.setState('streaming');
    // However fast the pieces come, the page is drawn once a frame.
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** @param {import('../protocol.js').Answer} answer */
  finish(answer) {
    this.#before = null;
    this.#text = answer.text;
    this.#draw();
    if (!answer.text) this.#answer.append(emptyAnswer());
    const ending = strings.endings[answer.stop_reason];
    this.#setFacts([...(ending ? [ending] : []), ...strings.answerFacts(answer)], strings.promptFacts(answer));
    this.setState('done');
    this.#on_growth();
  }

  /** Keeps what came, and says that it is not the whole. */
  breakOff() {
    this.#before = null;
    this.#draw();
    this.#setFacts([strings.brokenOff]);
    this.setState('broken');
  }

  #setFacts(facts, title = '') {
    this.#facts.replaceChildren(
      ...facts.map((text) => {
        const fact = document.createElement('span');
        fact.textContent = text;
        return fact;
      }),
    );
    this.#facts.title = title;
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#answer.replaceChildren(renderMarkdown(this.#text));
    this.#copy.hidden = !this.#text;
    this.#on_growth();
  }
}

function emptyAnswer() {
  const node = document.createElement('p');
  node.className = 'silence';
  node.textContent = strings.silence;
  return node;
}

function unseen(text) {
  const node = document.createElement('span');
  node.className = 'unseen';
  node.textContent = `${text} `;
  return node;
}

function button(label, run) {
  const node = document.createElement('button');
  node.type = 'button';
  node.className = 'button quiet';
  node.textContent = label;
  node.hidden = true;
  node.addEventListener('click', run);
  return node;
}
