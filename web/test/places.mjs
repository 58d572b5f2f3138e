/** Pages that give the element a place, each in its own way, and what can be measured of it there. */

/** What all of them have. */
const STYLE = `
  *, *::before { box-sizing: border-box }
  :root { color-scheme: light dark }
  body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; background: light-dark(#f2f2f0, #161412); color: light-dark(#222, #ddd) }
  .bar { padding: 0.5rem 1rem; background: light-dark(#dfe3e8, #23262a) }`;
const CHAT = '<inf-llava-chat></inf-llava-chat>';
const AFTER = '<p id="after">What follows</p>';

/**
 * Style and markup of each, and the height that the element should have there in a window of 1280 x 720, where that can
 * be told: in px, or as what is filled.
 */
export const PLACES = {
  'a grid app shell': {
    style: `body { display: grid; grid-template: auto 1fr auto / 12rem minmax(0, 1fr); height: 100vh } .bar { grid-column: 1 / -1 } nav.bar { grid-column: 1 }
      @media (max-width: 40rem) { body { grid-template-columns: minmax(0, 1fr) } nav.bar { display: none } }`,
    html: `<header class="bar">My app</header><nav class="bar">Menu</nav>${CHAT}<footer id="after" class="bar">Below</footer>`,
    height: 720 - 2 * 40,
  },
  'a flex column': {
    style: 'body { display: flex; flex-direction: column; height: 100vh } inf-llava-chat { flex: 1 }',
    html: `<header class="bar">My app</header>${CHAT}<footer id="after" class="bar">Below</footer>`,
    height: 720 - 2 * 40,
  },
  'a flex row': {
    style: 'main { display: flex; height: 500px } inf-llava-chat { flex: 1 }',
    html: `<main><nav class="bar">Menu</nav>${CHAT}</main>${AFTER}`,
    height: 500,
  },
  'a box of 600 px': { style: 'inf-llava-chat { height: 600px }', html: CHAT + AFTER, height: 600 },
  'a box of 320 x 320 px': { style: 'inf-llava-chat { inline-size: 320px; block-size: 320px }', html: CHAT + AFTER, height: 320 },
  'a box of 1200 x 300 px': { style: 'inf-llava-chat { width: 1200px; height: 300px }', html: CHAT + AFTER, height: 300 },
  'a part of a box': { style: 'main { height: 500px } inf-llava-chat { height: 100% }', html: `<main>${CHAT}</main>${AFTER}`, height: 500 },
  'a box below a parent without one': {
    style: 'main { height: 500px } main div { display: contents } inf-llava-chat { height: 80% }',
    html: `<main><div>${CHAT}</div></main>${AFTER}`,
    height: 400,
  },
  'a largest height': { style: 'inf-llava-chat { max-height: 400px }', html: CHAT + AFTER, height: 400 },
  'a least height': { style: 'inf-llava-chat { min-height: 900px }', html: CHAT + AFTER, height: 900 },
  'a fixed box': { style: 'inf-llava-chat { position: fixed; inset: 40px 60px 80px 100px }', html: CHAT, height: 600 },
  'an absolute box': {
    style: 'main { position: relative; height: 450px } inf-llava-chat { position: absolute; inset: 0 }',
    html: `<main>${CHAT}</main>${AFTER}`,
    height: 450,
  },
  'a resizable box': {
    style: 'main { resize: both; overflow: hidden; width: 700px; height: 480px } inf-llava-chat { height: 100% }',
    html: `<main>${CHAT}</main>${AFTER}`,
    height: 480,
  },
  'a dialog': {
    style: 'dialog { padding: 0; border: 0; max-height: 90vh } inf-llava-chat { height: 80vh }',
    html: `<dialog open>${CHAT}</dialog>`,
    height: 576,
  },
  'no height of its own': { style: '', html: CHAT + AFTER, height: 0.92 * 720 },
  'a height by its property': { style: 'inf-llava-chat { --inf-llava-block-size: 30rem }', html: CHAT + AFTER, height: 480 },
  'a part of a parent without a height': { style: 'inf-llava-chat { height: 100% }', html: `<main>${CHAT}</main>${AFTER}`, height: 0.92 * 720 },
  'a grid row without a height': { style: 'main { display: grid }', html: `<main>${CHAT}</main>${AFTER}`, height: 0.92 * 720 },
};

/** The page with the element in such a place. */
export async function openPlace(browser, url, { style, html }, { attributes = {}, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options });
  const page = await context.newPage();
  await page.goto(`${url}blank.html`);
  await page.evaluate(
    async ([style, html, attributes]) => {
      const sheet = document.createElement('style');
      sheet.textContent = style;
      const viewport = Object.assign(document.createElement('meta'), { name: 'viewport', content: 'width=device-width, initial-scale=1' });
      document.head.append(sheet, viewport);
      document.body.innerHTML = html;
      for (const [name, value] of Object.entries(attributes)) document.querySelector('inf-llava-chat').setAttribute(name, value);
      await import('./inf-llava/define.js');
    },
    [STYLE + style, html, attributes],
  );
  return { context, page };
}

/** The side of the square that shows the picture, in px. */
export const sideOf = (page) => page.locator('.frame').evaluate((frame) => Math.round(frame.getBoundingClientRect().width));

/** Boxes in px of the element, what follows it, and its parts; and how far the page can be scrolled sideways. */
export const boxesOf = (page) =>
  page.evaluate(() => {
    const chat = document.querySelector('inf-llava-chat');
    const box = (node) => node?.getBoundingClientRect().toJSON();
    const part = (selector) => box(chat.shadowRoot.querySelector(selector));
    return {
      chat: box(chat),
      after: box(document.getElementById('after')),
      head: part('.talk-head'),
      log: part('.log'),
      composer: part('.composer'),
      message: part('#message'),
      send: part('.composer .primary'),
      frame: part('.frame'),
      sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      insideSideways: [...chat.shadowRoot.querySelectorAll('.desk, .stage, .log, .composer, .panel')]
        .filter((node) => node.checkVisibility() && getComputedStyle(node).overflowX !== 'visible')
        .map((node) => node.scrollWidth - node.clientWidth),
    };
  });
