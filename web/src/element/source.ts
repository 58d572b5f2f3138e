/** Fetches a picture from its address, as a file. */

import { pageBase } from '../api/address.js';
import { InfLlavaError } from '../errors.js';
import { MOST_FILE_BYTES } from '../api/picture.js';
import { counted } from '../keep/counted.js';

/** @throws InfLlavaError `image-url`, `network`, `file-too-large`, `stopped` */
export async function fetchPicture(src: string, signal: AbortSignal): Promise<File> {
  if (!src.trim() || !URL.canParse(src, pageBase())) throw new InfLlavaError('image-url', `${src}: this is no address`);
  const url = new URL(src, pageBase());
  try {
    const response = await fetch(url, { referrerPolicy: 'no-referrer', signal });
    if (!response.ok) throw new InfLlavaError('network', `${src}: HTTP status ${response.status}`);
    return new File([await counted(response, MOST_FILE_BYTES, src)], nameOf(url), { type: response.headers.get('Content-Type') ?? '' });
  } catch (error) {
    if (signal.aborted) throw new InfLlavaError('stopped', 'another picture was chosen');
    const { code, message } = error as Partial<InfLlavaError>;
    throw typeof code === 'string' ? new InfLlavaError(code, message ?? '') : new InfLlavaError('network', `${src}: ${message}`);
  }
}

/** A file name from an address, in which a `%` may be no escape. */
function nameOf({ protocol, pathname }: URL): string {
  const name = ['data:', 'blob:'].includes(protocol) ? '' : (pathname.split('/').pop() ?? '');
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
