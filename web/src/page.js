/** The page's entry: puts the views together and turns what the user does into what the chat does. */

import { readAddress } from './address.js';
import { Chat } from './chat.js';
import { copyText } from './clipboard.js';
import { workOffline } from './offline.js';
import { strings } from './strings.js';
import { Composer } from './view/composer.js';
import { Conversation } from './view/conversation.js';
import { Kept } from './view/kept.js';
import { Notice } from './view/notice.js';
import { PictureView } from './view/picture.js';
import { Samples } from './view/samples.js';
import { Status } from './view/status.js';

const status = new Status();
const picture = new PictureView();
const chat_notice = new Notice(document.getElementById('chat-notice'));
const picture_notice = new Notice(document.getElementById('picture-notice'));

function main() {
  let address;
  try {
    address = readAddress(window.location, document.baseURI);
  } catch (error) {
    status.facts(null);
    status.say(strings.engineFailed);
    chat_notice.show({ title: strings.failure.load, message: error.message });
    return;
  }

  const composer = new Composer({ on_send: (text) => chat.send(text), on_stop: () => chat.stop() });
  const conversation = new Conversation({
    on_starter: (text) => composer.setText(text),
    on_regenerate: (turn) => chat.regenerate(turn),
    on_copy: copy,
  });
  const samples = new Samples();
  const chat = new Chat(address, { status, picture, samples, conversation, composer, picture_notice, chat_notice });

  composer.setSampling(address.sampling);
  takePictures(([file, ...others]) => {
    if (file) chat.choosePicture(file, others.length > 0);
  });
  document.getElementById('remove-picture').addEventListener('click', () => {
    document.getElementById('image').focus(); // the button goes away with the picture
    chat.removePicture();
  });
  new Kept({ read: () => chat.keptModels(), remove: (id) => chat.removeKept(id) });
  const folder = /** @type {HTMLInputElement} */ (document.getElementById('model-folder'));
  folder.addEventListener('change', () => {
    chat.openModel(Array.from(folder.files));
    folder.value = '';
  });
  document.getElementById('show-full-model').addEventListener('click', showFullModel);
  document.getElementById('new-chat').addEventListener('click', () => chat.newChat());
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !event.isComposing) chat.stop();
  });
  chat.start(workOffline());
}

/** By the picker, dropped or pasted, anywhere on the page. @param {(files: FileList) => void} on_files */
function takePictures(on_files) {
  const input = /** @type {HTMLInputElement} */ (document.getElementById('image'));
  input.addEventListener('change', () => {
    on_files(input.files);
    input.value = ''; // the same file chosen again is a choice too
  });
  const has_files = (event) => event.dataTransfer?.types.includes('Files');
  document.addEventListener('dragover', (event) => {
    if (!has_files(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    picture.setTarget(true);
  });
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) picture.setTarget(false); // it left the window
  });
  document.addEventListener('drop', (event) => {
    picture.setTarget(false);
    if (!has_files(event)) return;
    event.preventDefault();
    on_files(event.dataTransfer.files);
  });
  document.addEventListener('paste', (event) => {
    if (!event.clipboardData?.files.length) return; // text goes where the cursor is
    event.preventDefault();
    on_files(event.clipboardData.files);
  });
}

/** Opens the help on the full model and goes there. */
function showFullModel() {
  const help = /** @type {HTMLDetailsElement} */ (document.getElementById('full-model'));
  help.open = true;
  help.querySelector('summary').focus();
  help.scrollIntoView({ block: 'nearest' });
}

async function copy(text) {
  if (await copyText(text)) status.say(strings.copied);
  else chat_notice.show({ title: strings.failure.copy, message: strings.copyFailed });
}

main();
