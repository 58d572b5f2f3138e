/** Saves a text as a file, through the browser's download. */

import type { Chat } from '../api/chat.js';

export function saveAs(name: string, type: string, content: string): void {
  const link = document.createElement('a');
  const url = URL.createObjectURL(new Blob([content], { type }));
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Saves a conversation as a file. */
export function saveConversation(chat: Chat, format: 'markdown' | 'json'): void {
  if (format === 'markdown') saveAs('conversation.md', 'text/markdown', chat.export('markdown'));
  else saveAs('conversation.json', 'application/json', JSON.stringify(chat.export(), null, 1));
}
