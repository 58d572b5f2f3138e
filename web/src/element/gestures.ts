/** Dropped and pasted files, and Escape: on the element, or anywhere on the page, unless the page has handled the event. */

import { composing } from './dom.js';

export interface Gestures {
  onFiles: (files: FileList) => void;
  /** A file is dragged over the target, or has left it. */
  onTarget: (over: boolean) => void;
  /** Returns whether there was anything to cancel or stop. */
  onEscape: () => boolean;
}

/** Listens until `signal` aborts. @param place  the element, or the document */
export function listen(place: HTMLElement | Document, { onFiles, onTarget, onEscape }: Gestures, signal: AbortSignal): void {
  const on = <Type extends keyof DocumentEventMap>(type: Type, run: (event: DocumentEventMap[Type]) => void) =>
    place.addEventListener(type, run as EventListener, { signal });
  const hasFiles = ({ dataTransfer, defaultPrevented }: DragEvent) => !defaultPrevented && dataTransfer?.types.includes('Files') === true;
  on('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.dataTransfer!.dropEffect = 'copy';
    onTarget(true);
  });
  on('dragleave', (event) => {
    const inside = event.relatedTarget instanceof Node && place.contains(event.relatedTarget);
    if (!inside) onTarget(false);
  });
  on('drop', (event) => {
    onTarget(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    onFiles(event.dataTransfer!.files);
  });
  on('paste', (event) => {
    const { clipboardData: data, defaultPrevented } = event;
    if (defaultPrevented || !data?.files.length) return;
    // A paste with text goes to the text field: office programs add a picture of the same text.
    if (data.types.includes('text/plain') && isEditable(event.composedPath()[0] as HTMLElement)) return;
    event.preventDefault();
    onFiles(data.files);
  });
  on('keydown', (event) => {
    // One layer for each press: an Escape that did something here must not close the page's dialog too.
    if (event.key === 'Escape' && !event.defaultPrevented && !composing(event) && onEscape()) event.preventDefault();
  });
}

const isEditable = (target: HTMLElement) => target.isContentEditable || target.matches?.('input, textarea');
