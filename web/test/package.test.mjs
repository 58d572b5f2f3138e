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

/** Of frameworks that are not installed here: what their types have of a tag. */
const STUBS = {
  vue: 'export interface GlobalComponents {}',
  'svelte/elements':
    "export interface HTMLAttributes<T extends EventTarget> { id?: string; 'aria-label'?: string; onclick?: (event: MouseEvent & { currentTarget: T }) => void }\nexport interface SvelteHTMLElements { div: HTMLAttributes<HTMLDivElement> }",
  'solid-js':
    'export namespace JSX { interface HTMLAttributes<T> { id?: string; ref?: T }\n interface IntrinsicElements { div: HTMLAttributes<HTMLDivElement> } }',
};

for (const entry of ['inf-llava', 'inf-llava/define', 'inf-llava/react']) {
  test(`${entry} can be imported where there is no page`, async () => {
    const names = JSON.parse(
      await run(folder, process.execPath, '--input-type=module', '-e', `console.log(JSON.stringify(Object.keys(await import('${entry}'))))`),
    );
    assert.ok(names.includes('InfLlavaChat'), names.join());
  });
}

const tsc = join(PACKAGES, 'typescript/bin/tsc');
const OPTIONS = [
  '--noEmit',
  '--strict',
  '--exactOptionalPropertyTypes',
  '--skipLibCheck',
  'false',
  '--target',
  'es2023',
  '--lib',
  'es2023,dom,dom.iterable,dom.asynciterable',
  '--types',
  'react',
  '--jsx',
  'preserve',
];

/** Compiles a user's file as bundlers and as Node resolve what it imports. */
async function compiles(name, text) {
  await writeFile(join(folder, name), text);
  for (const module of [
    ['--module', 'nodenext'],
    ['--module', 'esnext', '--moduleResolution', 'bundler'],
  ]) {
    await run(folder, process.execPath, tsc, ...OPTIONS, ...module, name);
  }
}

test('types hold for strict users, as bundlers and as Node resolve them', async () => {
  await compiles(
    'user.ts',
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
});

test('types of the React component and of the tag take what every element takes', () =>
  compiles(
    'user.tsx',
    `import { useRef } from 'react';
    import { InfLlavaChat, type InfLlavaChatProps } from 'inf-llava/react';
    import type { InfLlavaChat as Element } from 'inf-llava';

    const props: InfLlavaChatProps = { id: 'chat', 'data-kind': 'x', 'aria-label': 'Chat', model: new URL('https://example.com/model/') };
    export function App() {
      const ref = useRef<Element>(null);
      const models = [{ name: 'A', url: 'a/' }];
      return (
        <main>
          <InfLlavaChat {...props} ref={ref} className="wide" style={{ height: 600 }} aria-label="Chat" data-test={1} title="x" hidden={false} lang="de" role="region" tabIndex={0}
            models={models} model={models[0]} strings={null} pageWide onClick={({ currentTarget }) => currentTarget.ask('x')} onAnswer={({ answer }) => answer.text.length} onError={({ code }) => code.length}>
            <p slot="footer">x</p>
          </InfLlavaChat>
          <inf-llava-chat ref={ref} id="tag" class="wide" style={{ height: 600 }} aria-label="Chat" models={models} model="a/" maxNewTokens={5} max-new-tokens={5} page-wide
            oninf-llava-answer={({ detail }) => detail.answer.text.length} onClick={({ currentTarget }) => currentTarget.ask('x')} />
          {/* @ts-expect-error there is no such device */}
          <InfLlavaChat device="abacus" />
          {/* @ts-expect-error a model has a name */}
          <inf-llava-chat models={[{ url: 'a/' }]} />
        </main>
      );
    }
    `,
  ));

test('types of the DOM, and of the tag in the templates of Vue, Svelte and Solid', async () => {
  for (const [name, text] of Object.entries(STUBS)) {
    const [owner, ...rest] = name.split('/');
    const at = join(folder, 'node_modules', owner);
    await mkdir(at, { recursive: true });
    const entry = rest.length > 0 ? `./${rest.join('/')}` : '.';
    await writeFile(join(at, 'package.json'), JSON.stringify({ name: owner, type: 'module', exports: { [entry]: { types: './types.d.ts' } } }));
    await writeFile(join(at, 'types.d.ts'), `${text}\n`);
  }
  await compiles(
    'frameworks.ts',
    `import 'inf-llava/define';
    import type {} from 'inf-llava/vue';
    import type {} from 'inf-llava/svelte';
    import type {} from 'inf-llava/solid';
    import type { GlobalComponents } from 'vue';
    import type { SvelteHTMLElements } from 'svelte/elements';
    import type { JSX } from 'solid-js';

    const chat = document.createElement('inf-llava-chat');
    Object.assign(chat, { id: 'x' });
    chat.model = new URL('https://example.com/');
    chat.model = { name: 'A', url: 'a/' };
    chat.model = null;
    chat.maxNewTokens = 5;
    chat.models = [{ name: 'A', url: 'a/' }];
    const name: string | undefined = chat.engine?.info()?.name;
    void chat.setImage(document.createElement('canvas'), { name: name ?? '' });
    chat.addEventListener('inf-llava-answer', ({ detail }) => detail.answer.text);
    // @ts-expect-error a function is no picture
    void chat.setImage(() => {});

    export const vue: InstanceType<GlobalComponents['inf-llava-chat']>['$props'] = { models: chat.models, 'max-new-tokens': 5, onInfLlavaAnswer: ({ detail }) => console.log(detail.answer.text) };
    export const svelte: SvelteHTMLElements['inf-llava-chat'] = { id: 'x', models: chat.models, 'oninf-llava-answer': ({ detail }) => console.log(detail.answer.text) };
    export const solid: JSX.IntrinsicElements['inf-llava-chat'] = { id: 'x', 'prop:models': chat.models, 'on:inf-llava-answer': ({ detail }) => console.log(detail.answer.text) };
    // @ts-expect-error there is no such device
    export const wrong: SvelteHTMLElements['inf-llava-chat'] = { device: 'abacus' };
    `,
  );
});
