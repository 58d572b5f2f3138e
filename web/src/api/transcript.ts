/** A conversation as it is exported and taken up again. */

import type { StopReason } from '../engine/protocol.js';
import type { Turn } from './chat.js';
import { InfLlavaError } from './errors.js';

export interface Transcript {
  format: 'inf-llava-chat';
  version: 1;
  /** Which model it was with. */
  model: string;
  /** A picture's name, or null, and what was said about it. */
  topics: { picture: string | null; turns: { question: string; text: string; stop_reason: StopReason }[] }[];
}

const MOST_TURNS = 10_000;

/** What came from a file is not trusted: text stays, everything else goes. @throws InfLlavaError `transcript` */
export function checkTranscript(transcript: Transcript): { picture: string | null; turns: Turn[] }[] {
  const bad = (reason: string) => new InfLlavaError('transcript', `this is no conversation that can be taken up: ${reason}`);
  if (transcript?.format !== 'inf-llava-chat' || transcript.version !== 1) throw bad('its format is not inf-llava-chat, version 1');
  if (!Array.isArray(transcript.topics)) throw bad('it has no topics');
  let count = 0;
  return transcript.topics.map((topic) => {
    if (!Array.isArray(topic?.turns)) throw bad('a topic has no turns');
    count += topic.turns.length;
    if (count > MOST_TURNS) throw bad(`more than ${MOST_TURNS} turns`);
    const turns = topic.turns.map(({ question, text }) => {
      if (typeof question !== 'string' || typeof text !== 'string' || !question.trim()) throw bad('a turn lacks its question or its text');
      return Object.freeze({ question, text, token_ids: undefined, token_texts: undefined, stop_reason: 'stop' as const });
    });
    return { picture: typeof topic.picture === 'string' ? topic.picture : null, turns };
  });
}

/** Questions as quotes, and names as one line of plain text, so that nothing in them becomes markup of the document. */
export function asMarkdown({ model, topics }: Transcript): string {
  const quoted = (text: string) => unfetched(text).split('\n').map((line) => `> ${line}`).join('\n');
  const parts = [`# Conversation with ${plain(model) || 'INF-LLaVA'}`];
  for (const { picture, turns } of topics) {
    parts.push(picture === null ? '## Without a picture' : `## ${plain(picture) || 'A picture'}`);
    for (const { question, text } of turns) parts.push(quoted(question), unfetched(text));
  }
  return `${parts.join('\n\n')}\n`;
}

const LINE_BREAK = /\r\n|[\n\r]/;

const FENCE = /^(`{3,})[^`]*$|^(~{3,})/;
/** Tags that can have attributes, also on the next line, or content that is fetched. */
const TAG = /<(?=[a-z][\w:-]*(?:[\s/]|$)|style|script)/gi;

/**
 * An answer is Markdown, and a question may have come with a model's samples; but where the file is read nothing of
 * either may be fetched, which would tell a host what was said. So pictures and tags stay text, as they do on the page; code at the margin is left as it is.
 */
function unfetched(text: string): string {
  let fence = '';
  const inert = (line: string) => {
    if (fence) {
      if (new RegExp(`^ {0,3}${fence}${fence[0]}*\\s*$`).test(line)) fence = '';
      return line;
    }
    const [, ticks, tildes] = FENCE.exec(line) ?? [];
    fence = ticks ?? tildes ?? '';
    // Neither can be undone by a backslash in front of it.
    return fence ? line : line.replaceAll('![', '!\\[').replace(TAG, '&lt;');
  };
  const lines = text.split(LINE_BREAK).map(inert);
  // Code that never ended would turn the next answer inside out.
  return [...lines, ...(fence ? [fence] : [])].join('\n');
}

/** A name may come from anyone: control characters and turns of direction go, what Markdown and HTML know is escaped. */
const plain = (name: string) => String(name).replace(/[\s\p{C}]+/gu, ' ').trim().replace(/[\\`*_[\]<>&|~#!]/g, '\\$&');
