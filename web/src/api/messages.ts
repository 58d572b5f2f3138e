/**
 * Reads the messages of a request: the picture, the exchanges about it, and the question. `inf-llava serve` follows the
 * same rules; `tests/cases/completions.json` tests both.
 *
 * The model sees one picture, before its conversation. So the conversation begins with the last question that has a
 * picture, and earlier messages are left out.
 */

import type { Exchange } from '../engine/protocol.js';
import { refuseRest } from './foreign-options.js';
import { badValue, fieldsOf, need, take, unsupported, type Fields } from './refusal.js';

export interface Conversation {
  /** A `data:` URL, and the field that holds it. */
  picture: { url: string; param: string } | null;
  before: Exchange[];
  question: string;
}

/** One or more consecutive messages of the same role. */
interface Turn {
  place: string;
  ofUser: boolean;
  text: string;
  pictures: { url: string; param: string }[];
}

/** Chat completions use the first; programs written for OpenAI's Responses API send the others. */
const TEXTS = ['text', 'input_text', 'output_text'];
const PICTURES = ['image_url', 'input_image'];
/** All of them mean the same here: the model always sees the whole picture. */
const DETAILS = ['auto', 'low', 'high'];
const AS_A_PICTURE = 'a picture is sent as {"type": "image_url", "image_url": {"url": "data:image/png;base64,..."}}';

/** @throws InfLlavaError `bad-value`, `unsupported`; `details.param` is the field */
export function readMessages(messages: unknown): Conversation {
  if (messages === undefined || messages === null) throw badValue('messages', 'messages is missing; it must be a list of messages');
  if (!Array.isArray(messages)) throw badValue('messages', 'messages must be a list of messages');
  const turns: Turn[] = [];
  for (const [index, message] of messages.entries()) {
    const turn = readMessage(`messages[${index}]`, message);
    const last = turns.at(-1);
    if (!turn) continue;
    if (last?.ofUser !== turn.ofUser) turns.push(turn);
    else {
      last.text = [last.text, turn.text].filter(Boolean).join('\n');
      last.pictures.push(...turn.pictures);
    }
  }
  const first = turns.findLastIndex(({ pictures }) => pictures.length > 0);
  return paired(turns.slice(Math.max(first, 0)));
}

function paired(turns: Turn[]): Conversation {
  let picture: Conversation['picture'] = null;
  const before: Exchange[] = [];
  let asked: string | null = null;
  for (const { place, ofUser, text, pictures } of turns) {
    if (!ofUser) {
      if (asked === null) throw badValue(place, `${place} answers nothing: the user begins`);
      // A picture without text is no question that could be repeated.
      if (asked.trim()) before.push({ question: asked, text });
      asked = null;
      continue;
    }
    if (pictures.length > 1)
      throw unsupported(pictures[1]!.param, `${pictures[1]!.param}: a question can have one picture, and this one has ${pictures.length}`);
    picture = pictures[0] ?? picture;
    asked = text;
  }
  if (asked === null) throw badValue('messages', 'messages must end with one of the user');
  return { picture, before, question: asked };
}

/** Null for an empty system message. */
function readMessage(place: string, given: unknown): Turn | null {
  const message = fieldsOf(place, given);
  const role = need(message, place, 'role', '"user" or "assistant"');
  if (!['user', 'assistant', 'system', 'developer'].includes(role)) throw unsupported(`${place}.role`, `${place}.role must be "user" or "assistant"`);
  const ofUser = role === 'user';
  const calls = message.tool_calls ?? [];
  if (!Array.isArray(calls)) throw badValue(`${place}.tool_calls`, `${place}.tool_calls must be a list`);
  if (calls.length > 0) throw unsupported(`${place}.tool_calls`, `${place}.tool_calls: this model calls no tools`);
  const said = readContent(`${place}.content`, message.content, ofUser);
  refuseRest('message', place, message, ['role', 'content', 'tool_calls']);
  if (role === 'system' || role === 'developer') {
    if (!said.text.trim()) return null;
    throw unsupported(
      place,
      `${place}: the model was made with one system prompt and takes no other; say it in the question, or switch the system prompt off in the client`,
    );
  }
  return { place, ofUser, ...said };
}

/** A string, or a list of parts. @param ofUser  whether it may have pictures, and must not be null */
function readContent(place: string, content: unknown, ofUser: boolean): Pick<Turn, 'text' | 'pictures'> {
  if (typeof content === 'string') return { text: content, pictures: [] };
  if ((content === null || content === undefined) && !ofUser) return { text: '', pictures: [] };
  if (!Array.isArray(content)) throw badValue(place, `${place} must be a string or a list of parts`);
  const texts: string[] = [];
  const pictures: Turn['pictures'] = [];
  for (const [index, given] of content.entries()) {
    const at = `${place}[${index}]`;
    const part = fieldsOf(at, given);
    const kind = need(part, at, 'type', '"text" or "image_url"');
    if (TEXTS.includes(kind)) {
      texts.push(need(part, at, 'text', 'a string'));
      refuseRest('part', at, part, ['type', 'text']);
    } else if (PICTURES.includes(kind) && ofUser) {
      pictures.push(pictureOf(part, at));
      refuseRest('part', at, part, ['type', 'image_url', 'detail']);
    } else {
      const shown = JSON.stringify(kind.slice(0, 40));
      throw unsupported(`${at}.type`, `${at}.type must be ${ofUser ? `"text" or "image_url", and is ${shown}; ${AS_A_PICTURE}` : `"text", and is ${shown}`}`);
    }
  }
  // On separate lines, so that no words are joined.
  return { text: texts.filter(Boolean).join('\n'), pictures };
}

/** `image_url` is the URL itself, or an object with the URL. */
function pictureOf(part: Fields, place: string): Turn['pictures'][number] {
  const param = `${place}.image_url`;
  const picture = part.image_url ?? null;
  if (picture === null && (part.file_id ?? null) !== null) throw unsupported(`${place}.file_id`, `${place}.file_id: no files are kept here; ${AS_A_PICTURE}`);
  checkDetail(part, place);
  if (typeof picture === 'string') return { url: picture, param };
  const wanted = 'a data: URL, or an object with one as its url';
  if (picture === null) throw badValue(param, `${param} is missing; it must be ${wanted}`);
  if (typeof picture !== 'object' || Array.isArray(picture)) throw badValue(param, `${param} must be ${wanted}`);
  const url = need(picture as Fields, param, 'url', 'a string');
  checkDetail(picture as Fields, param);
  refuseRest('picture', param, picture as Fields, ['url', 'detail']);
  return { url, param: `${param}.url` };
}

function checkDetail(fields: Fields, place: string) {
  const wanted = '"auto", "low" or "high"';
  const detail = take('string', fields, place, 'detail', wanted);
  if (detail !== undefined && !DETAILS.includes(detail)) throw badValue(`${place}.detail`, `${place}.detail must be ${wanted}`);
}
