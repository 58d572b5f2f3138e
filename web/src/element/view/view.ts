/** Puts the parts of the element together. It knows their layout, not what they do. */

import { button, h } from '../dom.js';
import type { Strings } from '../strings/index.js';
import type { Camera, CameraHandlers } from './camera.js';
import { Composer, type ComposerHandlers } from './composer.js';
import { Conversation, type ConversationHandlers } from './conversation.js';
import { Facts } from './facts.js';
import { Looking } from './looking.js';
import { closesLikeMenu } from './menu.js';
import { Models, type ModelsHandlers } from './models.js';
import { Notice } from './notice.js';
import { PictureView, type PictureHandlers } from './picture.js';
import { Samples } from './samples.js';
import { Status } from './status.js';
import { StripView, type StripHandlers } from './strip.js';

export interface ViewHandlers {
  picture: PictureHandlers;
  strip: StripHandlers;
  conversation: ConversationHandlers;
  composer: ComposerHandlers;
  models: ModelsHandlers;
  camera: CameraHandlers;
  onToken: () => void;
  onPause: () => void;
  onNewChat: () => void;
  onExport: (format: 'markdown' | 'json') => void;
}

export class View {
  readonly root: HTMLElement;
  readonly picture: PictureView;
  readonly strip: StripView;
  readonly looking: Looking;
  readonly pictureNotice: Notice;
  readonly samples: Samples;
  readonly facts: Facts;
  readonly conversation: Conversation;
  readonly chatNotice: Notice;
  readonly status: Status;
  readonly composer: Composer;
  readonly models: Models;
  readonly #strings: Strings;
  readonly #handlers: ViewHandlers;
  /** Once it was opened. */
  #camera: Camera | null = null;
  #seesVideos = false;

  constructor(strings: Strings, handlers: ViewHandlers) {
    this.#strings = strings;
    this.#handlers = handlers;
    this.picture = new PictureView(strings, handlers.picture);
    this.strip = new StripView(strings, handlers.strip);
    this.looking = new Looking(strings, handlers.onToken);
    this.pictureNotice = new Notice(strings);
    this.samples = new Samples(strings, handlers.models.onChoose);
    this.facts = new Facts(strings);
    this.conversation = new Conversation(strings, handlers.conversation);
    this.chatNotice = new Notice(strings);
    this.status = new Status(strings, handlers.onPause);
    this.composer = new Composer(strings, handlers.composer, this.status);
    this.models = new Models(strings, handlers.models);
    this.composer.panel.append(this.models.root);

    const exportMenu = h(
      'details',
      { class: 'menu' },
      h('summary', { class: 'button quiet', part: 'button button-quiet' }, strings.exportChat),
      h(
        'div',
        { class: 'menu-items' },
        button(strings.exportMarkdown, () => handlers.onExport('markdown')),
        button(strings.exportJson, () => handlers.onExport('json')),
      ),
    );
    closesLikeMenu(exportMenu);
    exportMenu.addEventListener('click', (event) => {
      if ((event.target as Element).closest('.menu-items button')) exportMenu.open = false;
    });
    this.root = h(
      'div',
      { class: 'widget', part: 'widget', dir: strings.direction },
      h('slot', { name: 'header' }),
      h(
        'div',
        { class: 'desk' },
        h(
          'section',
          { class: 'stage', part: 'stage', 'aria-label': strings.picture },
          this.picture.root,
          this.strip.root,
          this.looking.root,
          this.pictureNotice.root,
          this.samples.root,
          h('slot', { name: 'about' }),
          this.facts.root,
        ),
        h(
          'section',
          { class: 'talk', part: 'talk', 'aria-labelledby': 'conversation-title' },
          h(
            'div',
            { class: 'talk-head' },
            h('p', { class: 'talk-title', id: 'conversation-title', role: 'heading', 'aria-level': '2' }, strings.conversation),
            h('span', { class: 'spring' }),
            exportMenu,
            button(strings.newChat, handlers.onNewChat),
          ),
          this.facts.caution,
          this.conversation.root,
          this.chatNotice.root,
          this.composer.root,
        ),
      ),
      h('slot', { name: 'footer' }),
    );
  }

  /** @throws as {@link Camera.open} */
  async openCamera(): Promise<void> {
    const { Camera } = await import('./camera.js');
    if (!this.#camera) {
      this.#camera = new Camera(this.#strings, this.#handlers.camera);
      this.root.append(this.#camera.root);
    }
    await this.#camera.open(this.#seesVideos);
  }

  closeCamera(): void {
    this.#camera?.close();
  }

  /** Whether the model sees videos. */
  offerVideos(offered: boolean): void {
    this.#seesVideos = offered;
    this.picture.offerVideos(offered);
    this.strip.offerVideos(offered);
  }
}
