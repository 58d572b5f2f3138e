/**
 * A small part of Markdown, as DOM nodes: paragraphs, headings, lists, code, bold and italic. Text
 * only ever enters through text nodes, so nothing in an answer can become markup; links and
 * pictures stay the text that they are, so nothing is ever fetched.
 */

const FENCE = /^\s*(```|~~~)/;
const ITEM = /^\s*(?:([-*+])|(\d{1,9})[.)])\s+(.*)$/;
const HEADING = /^#{1,6}\s+(.*?)\s*#*$/;
/** Deeper nesting of bold in italic in bold is left as text. */
const DEEPEST = 4;

/**
 * @param {string} text  the whole answer so far; an open fence runs to its end
 * @returns {DocumentFragment}
 */
export function renderMarkdown(text) {
  const out = document.createDocumentFragment();
  const lines = text.replace(/\r\n?/g, '\n').split('\n');
  let at = 0;
  while (at < lines.length) {
    if (!lines[at].trim()) at += 1;
    else if (FENCE.test(lines[at])) at = fence(lines, at, out);
    else if (ITEM.test(lines[at])) at = list(lines, at, out);
    else if (HEADING.test(lines[at])) {
      const heading = element('p', inline(HEADING.exec(lines[at])[1]));
      heading.className = 'heading';
      out.append(heading);
      at += 1;
    } else at = paragraph(lines, at, out);
  }
  return out;
}

function fence(lines, start, out) {
  const mark = FENCE.exec(lines[start])[1];
  let end = start + 1;
  while (end < lines.length && !lines[end].trim().startsWith(mark)) end += 1;
  const code = document.createElement('code');
  code.textContent = lines.slice(start + 1, end).join('\n');
  const pre = element('pre', code);
  pre.tabIndex = 0; // it scrolls sideways: the keyboard must reach it
  out.append(pre);
  return end + 1;
}

function list(lines, start, out) {
  const number = ITEM.exec(lines[start])[2];
  const ordered = number !== undefined;
  const node = document.createElement(ordered ? 'ol' : 'ul');
  if (ordered) node.setAttribute('start', number);
  let at = start;
  while (at < lines.length) {
    const item = ITEM.exec(lines[at]);
    if (!item || (item[2] !== undefined) !== ordered) break;
    let text = item[3];
    at += 1;
    // Indented lines go on with the item.
    while (at < lines.length && /^\s+\S/.test(lines[at]) && !ITEM.test(lines[at])) text += `\n${lines[at++].trim()}`;
    node.append(element('li', inline(text)));
  }
  out.append(node);
  return at;
}

function paragraph(lines, start, out) {
  let end = start + 1;
  while (end < lines.length && lines[end].trim() && ![FENCE, ITEM, HEADING].some((block) => block.test(lines[end]))) end += 1;
  out.append(element('p', inline(lines.slice(start, end).join('\n'))));
  return end;
}

/** Code first, since nothing inside it means anything; then bold; then italic. */
function inline(text, depth = 0) {
  const out = document.createDocumentFragment();
  let rest = text;
  for (let run = firstRun(rest); run && depth < DEEPEST; run = firstRun(rest)) {
    const node = document.createElement(run.tag);
    node.append(run.tag === 'code' ? run.inner : inline(run.inner, depth + 1));
    out.append(rest.slice(0, run.start), node);
    rest = rest.slice(run.end);
  }
  out.append(rest);
  return out;
}

/** @type {[string, RegExp][]} */
const RUNS = [
  ['code', /`([^`]+)`/],
  ['strong', /\*\*(?=\S)([^*]*(?:\*(?!\*)[^*]*)*\S)\*\*/],
  ['em', /(?<![*\w])\*(?=[^\s*])([^*]*[^\s*])\*(?![*\w])/],
  ['em', /(?<![_\w])_(?=[^\s_])([^_]*[^\s_])_(?![_\w])/],
];

function firstRun(text) {
  let first = null;
  for (const [tag, pattern] of RUNS) {
    const match = pattern.exec(text);
    if (match && (!first || match.index < first.start)) {
      first = { tag, inner: match[1], start: match.index, end: match.index + match[0].length };
    }
  }
  return first;
}

function element(tag, child) {
  const node = document.createElement(tag);
  node.append(child);
  return node;
}
