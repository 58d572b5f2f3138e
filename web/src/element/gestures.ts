/** Files that are dropped or pasted, and Escape: over the element, or anywhere on the page. */

import { composing } from './dom.js';

export interface Gestures {
  on_files: (files: FileList) => void;
  /** A file is being dragged over the place. */
  on_target: (over: boolean) => void;
  on_escape: () => void;
}

/** Listens until `signal` says otherwise. @param place  the element, or the document */
export function listen(place: HTMLElement | Document, { on_files, on_target, on_escape }: Gestures, signal: AbortSignal): void {
  const on = <Type extends keyof DocumentEventMap>(type: Type, run: (event: DocumentEventMap[Type]) => void) =>
    place.addEventListener(type, run as EventListener, { signal });
  const has_files = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes('Files') === true;
  on('dragover', (event) => {
    if (!has_files(event)) return;
    event.preventDefault();
    event.dataTransfer!.dropEffect = 'copy';
    on_target(true);
  });
  on('dragleave', (event) => {
    const inside = event.relatedTarget instanceof Node && place.contains(event.relatedTarget);
    if (!inside) on_target(false);
  });
  on('drop', (event) => {
    on_target(false);
    if (!has_files(event)) return;
    event.preventDefault();
    on_files(event.dataTransfer!.files);
  });
  on('paste', (event) => {
    if (!event.clipboardData?.files.length) return; // text goes where the cursor is
    event.preventDefault();
    on_files(event.clipboardData.files);
  });
  on('keydown', (event) => {
    if (event.key === 'Escape' && !composing(event)) on_escape();
  });
}
