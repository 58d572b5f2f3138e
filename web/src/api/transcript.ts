/** A conversation as it is exported and imported. */

import type { StopReason } from '../engine/protocol.js';
import { InfLlavaError } from '../errors.js';

/** A question with its answer. */
export interface Turn {
  /** The names of the pictures that were shown with the question. */
  readonly pictures: readonly string[];
  readonly question: string;
  readonly text: string;
  /** Undefined for an imported turn. */
  readonly token_ids: readonly number[] | undefined;
  /** The text of each token; empty where a character was not complete yet, and for the token that ends the answer. */
  readonly token_texts: readonly string[] | undefined;
  readonly stop_reason: StopReason;
}

interface ExportedTurn {
  question: string;
  text: string;
  stop_reason: StopReason;
  /** Those that were shown with the question, beside the one that the topic begins with. */
  pictures?: string[];
}

export interface Transcript {
  format: 'inf-llava-chat';
  version: 1;
  /** The model's name. */
  model: string;
  /** A picture's name, or null, and the questions about it. */
  topics: { picture: string | null; turns: ExportedTurn[] }[];
}

const MOST_TURNS = 10_000;

/** A file is not trusted: only its texts are taken over. @throws InfLlavaError `transcript` */
export function checkTranscript(transcript: Transcript): { picture: string | null; turns: Turn[] }[] {
  const bad = (reason: string) => new InfLlavaError('transcript', `this is no conversation that can be taken up: ${reason}`);
  if (transcript?.format !== 'inf-llava-chat' || transcript.version !== 1) throw bad('its format is not inf-llava-chat, version 1');
  if (!Array.isArray(transcript.topics)) throw bad('it has no topics');
  let count = 0;
  return transcript.topics.map((topic) => {
    if (!Array.isArray(topic?.turns)) throw bad('a topic has no turns');
    count += topic.turns.length;
    if (count > MOST_TURNS) throw bad(`more than ${MOST_TURNS} turns`);
    const picture = typeof topic.picture === 'string' ? topic.picture : null;
    const turns = topic.turns.map((turn, at) => {
      const { question, text, pictures = [] } = turn ?? {};
      if (typeof question !== 'string' || typeof text !== 'string' || !question.trim()) throw bad('a turn lacks its question or its text');
      if (!Array.isArray(pictures) || pictures.some((name) => typeof name !== 'string')) throw bad('the pictures of a turn are no names');
      const names = at === 0 && picture !== null ? [picture, ...pictures] : [...pictures];
      return Object.freeze({ pictures: names, question, text, token_ids: undefined, token_texts: undefined, stop_reason: 'stop' as const });
    });
    return { picture, turns };
  });
}

/** Questions become quotes, and names one line of plain text, so that nothing in them becomes markup of the document. */
export function asMarkdown({ model, topics }: Transcript): string {
  const quoted = (text: string) =>
    unfetched(text)
      .split('\n')
      .map((line) => `> ${line}`)
      .join('\n');
  const parts = [`# Conversation with ${plain(model) || 'INF-LLaVA'}`];
  for (const { picture, turns } of topics) {
    parts.push(picture === null ? '## Without a picture' : `## ${plain(picture) || 'A picture'}`);
    for (const { question, text, pictures = [] } of turns) {
      parts.push(...pictures.map((name) => `Picture: ${plain(name) || 'without a name'}`), quoted(question), unfetched(text));
    }
  }
  return `${parts.join('\n\n')}\n`;
}

const LINE_BREAK = /\r\n|[\n\r]/;

const FENCE = /^ {0,3}(`{3,})[^`]*$|^ {0,3}(~{3,})/;

/**
 * An answer is Markdown, and a question may come from a model's samples. A reader of the file must not fetch anything
 * because of them, which would tell a host what was said: so pictures and tags stay text, as they do on the page.
 * Markdown readers differ in where code begins and ends. So code is put between fences of our own, longer than any in
 * the text and after an empty line, which all readers understand alike.
 */
function unfetched(text: string): string {
  const longest = (text.match(/`+/g) ?? []).reduce((most, ticks) => Math.max(most, ticks.length), 2);
  const own = '`'.repeat(longest + 1);
  let fence = '';
  const out: string[] = [];
  for (const line of text.split(LINE_BREAK)) {
    if (fence) {
      if (new RegExp(`^ {0,3}${fence}${fence[0]}*[ \\t]*$`).test(line)) {
        out.push(own);
        fence = '';
      } else out.push(line);
      continue;
    }
    const [, ticks, tildes] = FENCE.exec(line) ?? [];
    fence = ticks ?? tildes ?? '';
    if (!fence) {
      // As character references: a backslash before the escape would undo it.
      out.push(line.replace(/!(?=\\*\[)/g, '&#33;').replace(/<(?=[a-z/!?])/gi, '&lt;'));
      continue;
    }
    if (out.at(-1)?.trim()) out.push('');
    out.push(
      own +
        line
          .trimStart()
          .slice(fence.length)
          .replace(/[^\w+#.-]+/g, ' ')
          .trimEnd(),
    );
  }
  // A fence that is left open would swap text and code in the next answer.
  return [...out, ...(fence ? [own] : [])].join('\n');
}

/** A name is not trusted: control and bidi characters are removed, and what is special in Markdown or HTML is escaped. */
const plain = (name: string) =>
  String(name)
    .replace(/[\s\p{C}]+/gu, ' ')
    .trim()
    .replace(/[\\`*_[\]<>&|~#!]/g, '\\$&');
