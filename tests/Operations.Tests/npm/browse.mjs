// A browser for a test: reads commands as lines of JSON on standard input, answers each with a line on standard output.
//
//   node browse.mjs CHROMIUM USER_DATA_FOLDER
//
//   { "do": "open", "url" }                                         status and headers of the page
//   { "do": "dress", "width", "height", "scheme": "light|dark" }    the window's size and colours; nothing moves
//   { "do": "look", "script" }                                      the value of an expression in the page
//   { "do": "press", "selector", "key" }                            a key, with the focus on an element
//   { "do": "picture", "path" }                                     of the whole page
//   { "do": "heard" }                                               hosts asked so far, errors on the console, the page's address
//
// An answer is { "value" } or { "error" }. The browser ends when standard input does.
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const [executablePath, folder] = process.argv.slice(2);
const hosts = new Set();
const errors = [];

const context = await chromium.launchPersistentContext(folder, {
  executablePath,
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
  reducedMotion: 'reduce',
});
// Everything that any page asks for passes here, before it goes anywhere.
await context.route('**/*', route => {
  hosts.add(new URL(route.request().url()).hostname);
  return route.continue();
});
const page = context.pages()[0] ?? (await context.newPage());
page.on('console', message => {
  if (message.type() === 'error') errors.push(`${message.text()} (${message.location().url})`);
});
page.on('pageerror', error => errors.push(error.message));

const commands = {
  open: async ({ url }) => {
    const answer = await page.goto(url);
    return { status: answer.status(), headers: answer.headers() };
  },
  dress: async ({ width, height, scheme }) => {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    // Drawings follow their width a moment later: two frames.
    await page.evaluate('new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))');
  },
  look: ({ script }) => page.evaluate(script),
  press: ({ selector, key }) => page.locator(selector).press(key),
  picture: ({ path }) => page.screenshot({ path, fullPage: true }).then(() => path),
  heard: () => ({ hosts: [...hosts], errors, url: page.url() }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await commands[command.do](command)) ?? null };
  } catch (error) {
    answer = { error: error.message };
  }

  process.stdout.write(JSON.stringify(answer) + '\n');
}

await context.close();
