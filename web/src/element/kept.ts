/** Deletes something that the browser keeps for this site, and reports the result. */

import { storage } from '../api/storage.js';
import type { Emit } from './events.js';
import type { Strings } from './strings/index.js';
import { codeOf, messageOf } from './task.js';
import type { View } from './view/view.js';

export async function removeKept(id: string, view: View, strings: Strings, emit: Emit): Promise<void> {
  try {
    await storage.remove(id);
    view.status.say(strings.removed);
  } catch (error) {
    view.chatNotice.show({ title: messageOf(error) });
    emit('error', { code: codeOf(error), message: messageOf(error) });
  }
}
