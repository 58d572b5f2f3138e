import 'inf-llava/define';
import { LitElement, html, nothing } from 'lit';

const MODELS = [{ name: 'In the folder model/', url: 'model/' }];

class ImageChatPage extends LitElement {
  static properties = { model: { state: true }, shown: { state: true }, answers: { state: true }, failure: { state: true } };

  constructor() {
    super();
    this.model = null; // the package's own small model
    this.shown = true;
    this.answers = [];
    this.failure = '';
  }

  render() {
    return html`
      <main>
        <h1>Image chat on this device</h1>
        <label>Model <select @change=${({ target }) => (this.model = target.value || null)}>
          <option value="">The small one</option>
          ${MODELS.map(({ name, url }) => html`<option value=${url}>${name}</option>`)}
        </select></label>
        <button type="button" @click=${() => (this.shown = !this.shown)}>${this.shown ? 'Hide' : 'Show'}</button>
        ${this.shown ? this.#chat() : nothing}
      </main>
    `;
  }

  #chat() {
    return html`
      <inf-llava-chat
        .model=${this.model}
        .models=${MODELS}
        max-new-tokens="200"
        ?page-wide=${false}
        @inf-llava-answer=${({ detail }) => (this.answers = [...this.answers, detail.answer.text])}
        @inf-llava-error=${({ detail }) => (this.failure = detail.message)}
      >
        <p slot="footer">Answers: ${this.answers.length} ${this.failure}</p>
      </inf-llava-chat>
    `;
  }
}

customElements.define('image-chat-page', ImageChatPage);
