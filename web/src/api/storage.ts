/** What the browser keeps for this site: models, and the features of pictures that were asked about. */

import { listKept, removeKept, type KeptEntry } from '../keep/list.js';
import { InfLlavaError } from './errors.js';

export const storage = {
  /** All of it; empty where nothing can be kept. */
  async list(): Promise<KeptEntry[]> {
    return listKept();
  },

  /** @throws InfLlavaError `storage` where a tab is writing it */
  async remove(id: string): Promise<void> {
    try {
      await removeKept(id);
    } catch (error) {
      if ((error as DOMException).name === 'NotFoundError') return;
      throw new InfLlavaError('storage', `it could not be removed (${(error as Error).message}); another tab may be using it`);
    }
  },
};
