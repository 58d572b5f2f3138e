/** A conversation as it is exported and taken up again. */

import type { StopReason } from '../engine/protocol.js';
import { InfLlavaError } from '../errors.js';

/** A question with its answer. */
export interface Turn {
  readonly question: string;
  readonly text: string;
  /** Of an imported turn they are not known. */
  readonly token_ids: readonly number[] | undefined;
  /** What each of them said; nothing where a character was not complete, or the token ends the answer. */
  readonly token_texts: readonly string[] | undefined;
  readonly stop_reason: StopReason;
}

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
    const turns = topic.turns.map((turn) => {
      const { question, text } = turn ?? {};
      if (typeof question !== 'string' || typeof text !== 'string' || !question.trim()) throw bad('a turn lacks its question or its text');
      return Object.freeze({ question, text, token_ids: undefined, token_texts: undefined, stop_reason: 'stop' as const });
    });
    return { picture: typeof topic.picture === 'string' ? topic.picture : null, turns };
  });
}

/** Questions as quotes, and names as one line of plain text, so that nothing in them becomes markup of the document. */
export function asMarkdown({ model, topics }: Transcript): string {
  const quoted = (text: string) =>
    unfetched(text)
      .split('\n')
      .map((line) => `> ${line}`)
      .join('\n');
  const parts = [`# Conversation with ${plain(model) || 'INF-LLaVA'}`];
  for (const { picture, turns } of topics) {
    parts.push(picture === null ? '## Without a picture' : `## ${plain(picture) || 'A picture'}`);
    for (const { question, text } of turns) parts.push(quoted(question), unfetched(text));
  }
  return `${parts.join('\n\n')}\n`;
}

const LINE_BREAK = /\r\n|[\n\r]/;

const FENCE = /^ {0,3}(`{3,})[^`]*$|^ {0,3}(~{3,})/;

/**
 * An answer is Markdown, and a question may have come with a model's samples; but where the file is read nothing of
 * either may be fetched, which would tell a host what was said. So pictures and tags stay text, as they do on the page.
 * Readers differ in where code begins and ends: it stands between fences of our own, longer than any in the text and
 * with an empty line in front, which all of them take alike.
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
      // As references: a backslash could be undone by one in front of it.
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
  // Code that never ended would turn the next answer inside out.
  return [...out, ...(fence ? [own] : [])].join('\n');
}

/** A name may come from anyone: control characters and turns of direction go, what Markdown and HTML know is escaped. */
const plain = (name: string) =>
  String(name)
    .replace(/[\s\p{C}]+/gu, ' ')
    .trim()
    .replace(/[\\`*_[\]<>&|~#!]/g, '\\$&');
