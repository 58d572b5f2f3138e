/** Files that are dropped or pasted, and Escape: over the element, or anywhere on the page, unless the page has done with them. */

import { composing } from './dom.js';

export interface Gestures {
  onFiles: (files: FileList) => void;
  /** A file is being dragged over the place. */
  onTarget: (over: boolean) => void;
  /** Whether there was anything to go back from. */
  onEscape: () => boolean;
}

/** Listens until `signal` says otherwise. @param place  the element, or the document */
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
    // Text goes where the cursor is; office programs add a picture of it.
    if (data.types.includes('text/plain') && isEditable(event.composedPath()[0] as HTMLElement)) return;
    event.preventDefault();
    onFiles(data.files);
  });
  on('keydown', (event) => {
    // One layer for each press: what was closed here is not to close the page's dialog too.
    if (event.key === 'Escape' && !event.defaultPrevented && !composing(event) && onEscape()) event.preventDefault();
  });
}

const isEditable = (target: HTMLElement) => target.isContentEditable || target.matches?.('input, textarea');
