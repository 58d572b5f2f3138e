/** What the browser keeps for this site: models, and the features of pictures that were asked about. */

import type { KeptEntry } from '../keep/list.js';
import { inBrowser } from './capabilities.js';
import { InfLlavaError } from '../errors.js';

export const storage = {
  /** Everything that is kept; empty where nothing can be. @throws InfLlavaError `storage` if the browser does not list it */
  async list(): Promise<KeptEntry[]> {
    try {
      const { listKept } = await import('../keep/list.js');
      return await listKept();
    } catch (error) {
      // Blocked by the browser's settings, or being removed by another tab.
      throw new InfLlavaError('storage', `what is kept could not be read (${(error as Error).message})`);
    }
  },

  /** @throws InfLlavaError `storage` while a tab is writing it */
  async remove(id: string): Promise<void> {
    if (!inBrowser()) return; // nothing is kept there
    try {
      const { removeKept } = await import('../keep/list.js');
      await removeKept(id);
    } catch (error) {
      if ((error as DOMException).name === 'NotFoundError') return;
      throw new InfLlavaError('storage', `it could not be removed (${(error as Error).message}); another tab may be using it`);
    }
  },
};
