/**
 * The picture as the model sees it: the padded square under its grid of crops, with the model's own pixel coordinates
 * along two sides. While it is read, finished crops light up. A map of what the model looks at can be shown over it.
 */

import type { VideoInput } from '../../api/video.js';
import type { ModelInfo, PictureInfo } from '../../engine/protocol.js';
import { h, isolated, list, more } from '../dom.js';
import type { Strings } from '../strings/index.js';
import { OtherModel } from './other-model.js';
import { icon } from './icons.js';

/** What can be chosen: of a model that sees them, videos too. */
export const accepted = (seesVideos: boolean): string => (seesVideos ? 'image/*,video/*' : 'image/*');

/** A picture in the element. */
export interface ShownPicture {
  file: Blob;
  /** A video, of which `file` is a frame. */
  video?: VideoInput;
  name: string;
  preview: HTMLCanvasElement | null;
  /** What the user should know about the choice. */
  remarks: string[];
  /** Suggested questions; samples have some. */
  questions: string[];
  /** A description of the picture, if there is one. */
  alt?: string;
}

export interface PictureFacts {
  facts?: string;
  /** Further facts, shown on request. */
  details?: string;
  remarks?: string[];
  outsideScope?: boolean;
}

export interface PictureHandlers {
  onFiles: (files: FileList | File[]) => void;
  onRemove: () => void;
  onCamera: () => void;
  onLooking: (on: boolean) => void;
  onModel: (id: string) => void;
}

export class PictureView {
  readonly root: HTMLElement;
  readonly input: HTMLInputElement;
  /** In the warning that the model does not know this kind of picture. */
  readonly other: OtherModel;
  readonly #strings: Strings;
  readonly #mount: HTMLElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #heat: HTMLCanvasElement;
  readonly #grid = h('div', { id: 'grid', class: 'grid', 'aria-hidden': 'true', hidden: true });
  readonly #rules = [h('div', { class: 'rule rule-x', 'aria-hidden': 'true' }), h('div', { class: 'rule rule-y', 'aria-hidden': 'true' })];
  readonly #gridToggle = h('input', { type: 'checkbox', checked: true });
  readonly #lookingToggle = h('input', { type: 'checkbox' });
  readonly #caption: HTMLElement;
  readonly #name = isolated('', { id: 'picture-name' });
  readonly #facts = h('div', { id: 'picture-facts', class: 'data' });
  /** Enlarges the picture, which is small during a conversation if there is little room. */
  readonly #enlarge: HTMLButtonElement;
  readonly #remarks = h('ul', { id: 'picture-remarks', class: 'remarks' });
  readonly #outside = h('div', { id: 'outside-scope', class: 'outside', role: 'alert', hidden: true });
  readonly #cameras: HTMLButtonElement[];
  readonly #gridTool: HTMLElement;
  readonly #lookingTool: HTMLElement;
  #hasPicture = false;
  #cropsPerSide = 0;

  constructor(strings: Strings, { onFiles, onRemove, onCamera, onLooking, onModel }: PictureHandlers) {
    this.#strings = strings;
    this.other = new OtherModel(strings, onModel);
    this.input = h('input', {
      id: 'image',
      class: 'unseen',
      type: 'file',
      accept: accepted(false),
      'aria-label': strings.choosePicture,
      'aria-describedby': 'image-hint',
    });
    this.input.addEventListener('change', () => {
      onFiles(this.input.files!);
      this.input.value = ''; // so that choosing the same file again fires an event
    });
    this.#canvas = h('canvas', { id: 'preview', role: 'img', 'aria-label': strings.preview, hidden: true });
    this.#heat = h('canvas', { class: 'heat', part: 'attention', 'aria-hidden': 'true', hidden: true });
    this.#enlarge = tool('enlarge', strings.enlarge, () => this.#setEnlarged(!this.#mount.classList.contains('enlarged')));
    this.#enlarge.classList.add('enlarge');
    this.#enlarge.setAttribute('aria-expanded', 'false');
    this.#mount = h(
      'div',
      { class: 'mount', part: 'picture' },
      ...this.#rules,
      h(
        'div',
        { class: 'frame' },
        h(
          'label',
          { class: 'drop', for: 'image' },
          h('span', { class: 'drop-title' }, strings.choosePicture),
          h('span', { class: 'drop-hint', id: 'image-hint' }, h('span', { class: 'by-mouse' }, `${strings.dropHint} `), strings.chooseHint),
        ),
        this.#canvas,
        this.#heat,
        this.#grid,
        this.#enlarge,
      ),
    );
    this.#gridToggle.addEventListener('change', () => this.#update());
    this.#lookingToggle.addEventListener('change', () => onLooking(this.#lookingToggle.checked));
    const remove = tool('remove', strings.removePicture, () => {
      this.input.focus(); // the button disappears with the picture
      onRemove();
    });
    this.#gridTool = toggle('grid', strings.cropGrid, this.#gridToggle);
    this.#lookingTool = toggle('look', strings.looking, this.#lookingToggle);
    const camera = () => tool('camera', strings.camera, onCamera);
    this.#cameras = [camera(), camera()];
    this.#caption = h(
      'div',
      { class: 'caption', hidden: true },
      h(
        'div',
        { class: 'tools' },
        h('div', { class: 'caption-text' }, h('p', { class: 'caption-name' }, this.#name), this.#facts),
        this.#gridTool,
        this.#lookingTool,
        this.#cameras[0],
        h(
          'label',
          { class: 'button quiet tool', part: 'button button-quiet', for: 'image', title: strings.replace },
          icon('replace'),
          h('span', { class: 'unseen' }, strings.replace),
        ),
        remove,
      ),
      this.#outside,
      this.#remarks,
    );
    const without = h('div', { class: 'tools without' }, this.#cameras[1]);
    this.root = h('div', { class: 'picture' }, this.input, this.#mount, without, this.#caption);
  }

  offerVideos(offered: boolean): void {
    this.input.accept = accepted(offered);
  }

  /** Shows the camera buttons if this page may use a camera. */
  offerCamera(offered: boolean): void {
    for (const camera of this.#cameras) camera.hidden = !offered;
  }

  /** Offers to show what the model looks at, if that can be drawn over a picture. */
  offerLooking(offered: boolean): void {
    this.#lookingTool.hidden = !offered;
    if (!offered) this.#lookingToggle.checked = false;
  }

  setGeometry({ crops_per_side, image_px }: Pick<ModelInfo, 'crops_per_side' | 'image_px'>): void {
    if (crops_per_side === this.#cropsPerSide) return;
    this.#cropsPerSide = crops_per_side;
    this.#gridTool.hidden = crops_per_side < 2;
    // By script: a strict page refuses style attributes.
    this.#grid.style.setProperty('--crops-per-side', String(crops_per_side));
    this.#grid.replaceChildren(...Array.from({ length: crops_per_side ** 2 }, (_, i) => h('span', {}, String(i + 1))));
    for (const rule of this.#rules) {
      rule.replaceChildren(...Array.from({ length: crops_per_side + 1 }, (_, i) => h('span', {}, String((image_px / crops_per_side) * i))));
    }
    this.#update();
  }

  show(picture: ShownPicture | null, { facts = '', details = '', remarks = [], outsideScope = false }: PictureFacts = {}): void {
    this.#hasPicture = picture !== null;
    if (picture) {
      this.#canvas.width = this.#canvas.height = picture.preview?.width ?? 1;
      if (picture.preview) this.#canvas.getContext('2d')!.drawImage(picture.preview, 0, 0);
      this.#name.textContent = this.#name.title = picture.name;
      this.#canvas.setAttribute('aria-label', [this.#strings.preview, picture.alt].filter(Boolean).join(': '));
    } else this.#setEnlarged(false);
    this.#canvas.hidden = !picture?.preview;
    const brief = picture && !picture.preview ? [this.#strings.noPreview, facts].filter(Boolean).join(' · ') : facts;
    this.#facts.replaceChildren(...(details ? [more(brief, details)] : [brief]));
    this.#remarks.hidden = remarks.length === 0;
    this.#remarks.replaceChildren(...list(remarks).children);
    this.#outside.hidden = !outsideScope;
    this.#outside.replaceChildren(...(outsideScope ? [h('p', {}, this.#strings.outsideScope), this.other.root, h('slot', { name: 'full-model' })] : []));
    this.#caption.hidden = !picture;
    this.#mount.classList.toggle('filled', this.#hasPicture);
    this.root.classList.toggle('filled', this.#hasPicture);
    this.drawAttention(null);
    this.#update();
  }

  /** Dims all crops; {@link advance} lights them up. */
  beginReading(): void {
    this.#mount.classList.add('reading');
    this.advance(0, 1);
    this.#update();
  }

  /** @param done  vision passes */
  advance(done: number, total: number): void {
    const lit = total > 0 ? Math.floor((done / total) * this.#grid.children.length) : 0;
    for (const [i, cell] of [...this.#grid.children].entries()) cell.classList.toggle('lit', i < lit);
  }

  endReading(): void {
    this.#mount.classList.remove('reading');
    this.#update();
  }

  /** @param over  whether a file is dragged over the element */
  setTarget(over: boolean): void {
    this.#mount.classList.toggle('target', over);
  }

  get looking(): boolean {
    return this.#lookingToggle.checked;
  }

  /** Shows shares of attention over the picture, row by row of a square; null hides them. */
  drawAttention(shares: Float32Array | null): void {
    this.#heat.hidden = shares === null;
    this.#mount.classList.toggle('looking', shares !== null);
    if (!shares) return;
    const side = Math.round(Math.sqrt(shares.length));
    const most = shares.reduce((largest, share) => Math.max(largest, share), 0) || 1;
    const pixels = new ImageData(side, side);
    shares.forEach((share, at) => {
      // Darkens what got little attention, so that the picture shows where the model looked.
      pixels.data.set([10, 8, 7, 215 * (1 - Math.sqrt(share / most))], at * 4);
    });
    this.#heat.width = this.#heat.height = side;
    this.#heat.getContext('2d')!.putImageData(pixels, 0, 0);
  }

  #setEnlarged(enlarged: boolean) {
    this.#mount.classList.toggle('enlarged', enlarged);
    this.#enlarge.setAttribute('aria-expanded', String(enlarged));
  }

  #update() {
    const reading = this.#mount.classList.contains('reading');
    const wanted = this.#gridToggle.checked && this.#hasPicture && this.#cropsPerSide > 1;
    this.#mount.classList.toggle('ruled', wanted);
    this.#grid.hidden = !this.#hasPicture || !(wanted || reading);
  }
}

/** The facts about a picture that was read. */
export function factsOf(strings: Strings, { picture, info }: { picture: ShownPicture; info: PictureInfo }): PictureFacts {
  const byBrowser = info.by_browser ? [strings.byBrowser] : [];
  return {
    facts: strings.pictureFacts(info),
    details: strings.pictureDetails(info),
    remarks: [...picture.remarks, ...byBrowser, ...info.notices],
    outsideScope: info.outside_scope,
  };
}

/** A button with an icon and an accessible name. */
function tool(sign: Parameters<typeof icon>[0], name: string, onclick: () => void): HTMLButtonElement {
  return h('button', { type: 'button', class: 'button quiet tool', part: 'button button-quiet', 'aria-label': name, title: name, onclick }, icon(sign));
}

/** The same, as a switch. */
function toggle(sign: Parameters<typeof icon>[0], name: string, input: HTMLInputElement): HTMLElement {
  input.setAttribute('aria-label', name);
  return h('label', { class: 'button quiet tool toggle', title: name }, input, icon(sign));
}
