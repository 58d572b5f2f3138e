/**
 * Markdown as DOM nodes. marked finds the structure; the nodes are made here, of a few kinds, with all text in text
 * nodes: markup in an answer stays text, links and pictures too, so nothing runs and nothing is fetched.
 */

import { Lexer, type Token, type Tokens } from 'marked';
import { h } from './dom.js';

/** Deeper nesting stays text. */
const DEEPEST = 12;
/** A longer answer stays text: some take marked a time that grows with the square of their length, and the page waits. */
const LONGEST = 20_000;

/** @param text  the whole answer so far; an open fence runs to its end */
export function renderMarkdown(text: string): DocumentFragment {
  if (text.length > LONGEST) return fragment(h('p', {}, text));
  try {
    return blocks(new Lexer({ gfm: true }).lex(text), 0);
  } catch {
    return fragment(h('p', {}, text)); // too deep for the lexer
  }
}

function fragment(...children: (Node | string)[]): DocumentFragment {
  const out = document.createDocumentFragment();
  out.append(...children);
  return out;
}

function blocks(tokens: Token[], depth: number): DocumentFragment {
  return fragment(...tokens.map((token) => block(token, depth)));
}

function block(token: Token, depth: number): Node | string {
  if (depth > DEEPEST) return token.raw;
  switch (token.type) {
    case 'space':
      return '';
    case 'paragraph':
      return h('p', {}, inline(token as Tokens.Paragraph, depth));
    case 'text':
      return inline(token as Tokens.Text, depth);
    case 'heading':
      // The page's own headings are its structure: an answer's only look like some.
      return h('p', { class: 'heading' }, inline(token as Tokens.Heading, depth));
    case 'code':
      // It scrolls sideways: the keyboard must reach it.
      return h('pre', { tabindex: '0' }, h('code', {}, (token as Tokens.Code).text));
    case 'blockquote':
      return h('blockquote', {}, blocks((token as Tokens.Blockquote).tokens, depth + 1));
    case 'list':
      return listOf(token as Tokens.List, depth);
    case 'table':
      return tableOf(token as Tokens.Table, depth);
    case 'hr':
      return h('hr');
    default:
      return h('p', {}, token.raw.trimEnd()); // HTML, definitions
  }
}

function listOf({ ordered, start, items }: Tokens.List, depth: number): Node {
  const node = ordered ? h('ol', { start: start === 1 ? undefined : start }) : h('ul');
  for (const { task, checked, tokens } of items) node.append(h('li', {}, task ? (checked ? '☑ ' : '☐ ') : null, blocks(tokens, depth + 1)));
  return node;
}

function tableOf({ header, rows }: Tokens.Table, depth: number): Node {
  const row = (cells: Tokens.TableCell[], tag: 'th' | 'td') => h('tr', {}, ...cells.map((cell) => h(tag, {}, inlines(cell.tokens, depth + 1))));
  return h(
    'div',
    { class: 'table', tabindex: '0' },
    h('table', {}, h('thead', {}, row(header, 'th')), h('tbody', {}, ...rows.map((cells) => row(cells, 'td')))),
  );
}

function inline(token: { tokens?: Token[]; text: string }, depth: number): DocumentFragment {
  return token.tokens ? inlines(token.tokens, depth + 1) : fragment(token.text);
}

function inlines(tokens: Token[], depth: number): DocumentFragment {
  return fragment(...tokens.map((token) => run(token, depth)));
}

function run(token: Token, depth: number): Node | string {
  if (depth > DEEPEST) return token.raw;
  switch (token.type) {
    case 'strong':
    case 'em':
    case 'del':
      return h(token.type, {}, inlines((token as Tokens.Strong).tokens, depth + 1));
    case 'codespan':
      return h('code', {}, (token as Tokens.Codespan).text);
    case 'br':
      return h('br');
    case 'escape':
      return (token as Tokens.Escape).text;
    case 'text':
      return inline(token as Tokens.Text, depth);
    default:
      return token.raw; // links, pictures, HTML
  }
}
