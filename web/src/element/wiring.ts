/** Builds the view of an element, and connects its parts to the controller. */

import type { Chat } from '../api/chat.js';
import { storage } from '../api/storage.js';
import type { VideoFrames } from '../api/video.js';
import { copyText } from './clipboard.js';
import type { Controller } from './controller.js';
import type { Emit } from './events.js';
import { removeKept } from './kept.js';
import { saveConversation } from './save.js';
import type { Strings } from './strings/index.js';
import { View } from './view/view.js';

export interface Wires {
  /** Starts with the model, unless that was done, and returns the controller; null if the element has left the page. */
  begun: () => Controller | null;
  chat: () => Chat | null;
  emit: Emit;
  onModel: (url: string) => void;
  onFolder: (files: File[]) => void;
}

export function wiredView(strings: Strings, { begun, chat, emit, onModel, onFolder }: Wires): View {
  const controlled =
    <Args extends unknown[]>(run: (controller: Controller, ...args: Args) => unknown) =>
    (...args: Args) => {
      const controller = begun();
      if (controller) void run(controller, ...args);
    };
  const view = new View(strings, {
    picture: {
      onFiles: controlled((controller, files) => controller.pictures.choose(files)),
      onRemove: controlled((controller) => controller.pictures.remove()),
      onCamera: () =>
        view.openCamera().catch((error: Error) => {
          view.pictureNotice.show({ title: strings.cameraFailed });
          emit('error', { code: 'page', message: `${strings.cameraFailed} (${error.message})` });
        }),
      onLooking: controlled((controller) => controller.look()),
      onModel,
    },
    strip: {
      onAdd: controlled((controller, files) => controller.strip.add(files)),
      onLook: controlled((controller, at) => controller.strip.look(at)),
      onRemove: controlled((controller, at) => controller.strip.remove(at)),
    },
    conversation: {
      onStarter: (text) => view.composer.setText(text),
      onRegenerate: controlled((controller, turn) => controller.regenerate(turn)),
      onEdit: controlled((controller, turn) => controller.edit(turn)),
      onCopy: async (text) => {
        if (await copyText(text)) view.status.say(strings.copied);
        else {
          view.chatNotice.show({ title: strings.failure.copy, message: strings.copyFailed });
          emit('error', { code: 'page', message: strings.copyFailed });
        }
      },
    },
    composer: {
      onSend: controlled((controller, text) => controller.send(text)),
      onStop: controlled((controller) => controller.stop()),
      onCancelEdit: controlled((controller) => controller.cancelEdit()),
      onDetail: controlled((controller) => controller.pictures.lookAnew()),
      onSettings: () => {
        void view.models.showKnown();
        void view.models.showKept();
      },
    },
    models: {
      onChoose: onModel,
      onFolder,
      readKnown: async () => (await import('./known.js')).fittingHere(),
      readKept: () => storage.list(),
      onRemove: (id) => removeKept(id, view, strings, emit),
    },
    camera: {
      onPhoto: controlled((controller, photo: Promise<File | null>) => controller.pictures.choosePhoto(photo)),
      onVideo: controlled((controller, video: Promise<VideoFrames>) => controller.pictures.chooseVideo(video)),
    },
    onToken: controlled((controller) => controller.look()),
    onPause: controlled((controller) => controller.pause()),
    onNewChat: controlled((controller) => controller.newChat()),
    onExport: (format) => {
      const current = chat();
      if (current) saveConversation(current, format);
    },
  });
  return view;
}
