/** The packed package without a browser: it can be imported where there is no page, and its types hold for those who use it. */

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { REPOSITORY } from './harness.mjs';
import { packed, run } from './packed.mjs';

const PACKAGES = join(REPOSITORY, 'web/node_modules');

let folder;

before(async () => {
  const { tarball, remove } = await packed();
  folder = await mkdtemp(join(tmpdir(), 'inf-llava-user-'));
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  // It has no dependencies, so nothing is to be fetched.
  await run(folder, 'npm', 'install', '--offline', '--no-save', '--no-audit', '--no-fund', tarball);
  await mkdir(join(folder, 'node_modules/@types'), { recursive: true });
  for (const name of ['react', '@types/react', 'csstype']) await symlink(join(PACKAGES, name), join(folder, 'node_modules', name), 'junction');
  await remove();
});

after(() => folder && rm(folder, { recursive: true }));

for (const entry of ['inf-llava', 'inf-llava/define', 'inf-llava/react']) {
  test(`${entry} can be imported where there is no page`, async () => {
    const names = JSON.parse(await run(folder, process.execPath, '--input-type=module', '-e', `console.log(JSON.stringify(Object.keys(await import('${entry}'))))`));
    assert.ok(names.includes('InfLlavaChat'), names.join());
  });
}

test('types hold for strict users, as bundlers and as Node resolve them', async () => {
  await writeFile(
    join(folder, 'user.ts'),
    `import { capabilities, load, storage, InfLlavaError, type Completion, type Transcript, type Turn } from 'inf-llava';
    import 'inf-llava/define';
    import { InfLlavaChat } from 'inf-llava/react';
    import { createElement, type ReactNode } from 'react';

    export async function ask(file: File): Promise<string> {
      if ((await capabilities()).device === null) throw new InfLlavaError('device', 'none');
      const model = await load({ device: 'cpu', onProgress: ({ phase, done }) => console.log(phase, done) });
      const chat = model.chat({ image: file });
      for await (const piece of chat.ask('What is it?', { temperature: 0 })) console.log(piece.length);
      const turns: readonly Turn[] = chat.turns;
      const kept: Transcript = chat.export();
      const completion: Completion = await model.chat.completions.create({ messages: [{ role: 'user', content: 'Hello' }] });
      return [turns.length, kept.model, completion.choices[0].message.content, (await storage.list()).length].join();
    }
    document.querySelector('inf-llava-chat')?.addEventListener('inf-llava-answer', ({ detail }) => console.log(detail.answer.text, detail.question));
    export const element = (): ReactNode => createElement(InfLlavaChat, { pageWide: true, onError: ({ code }) => console.log(code) });
    // @ts-expect-error there is no such device
    load({ device: 'abacus' });
    `,
  );
  const tsc = join(PACKAGES, 'typescript/bin/tsc');
  const options = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false', '--target', 'es2023', '--lib', 'es2023,dom,dom.iterable,dom.asynciterable', '--types', 'react'];
  for (const module of [['--module', 'nodenext'], ['--module', 'esnext', '--moduleResolution', 'bundler']]) {
    await run(folder, process.execPath, tsc, ...options, ...module, 'user.ts');
  }
});
