// One browser for a whole test run.  Whoever connects to the port that is printed gets a client of its own in it, in a
// context of its own: what comes in, one JSON object a line, is `{"do": name, ...}` for page.js; what goes out are events.
// The browser lives until stdin is closed, a client until its connection is.
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const HERE = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const LOADING = 20_000; // milliseconds

const bundle = await build({
    absWorkingDir: HERE,
    entryPoints: ['page.js'],
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    target: 'chrome110',
    define: { global: 'globalThis' }, // stanza was written for node first
    logLevel: 'error',
});
const script = bundle.outputFiles[0].contents;

const web = createHttpServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.writeHead(200, { 'content-type': `text/${isScript ? 'javascript' : 'html'}; charset=utf-8` });
    response.end(isScript ? script : '<!doctype html><link rel="icon" href="data:,"><body><script src="/page.js"></script>');
});
await listen(web);
const origin = `http://127.0.0.1:${web.address().port}`;

const browser = await chromium.launch({
    executablePath: process.argv[2],
    headless: true,
    chromiumSandbox: false,
    handleSIGINT: false,
    args: [
        '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--mute-audio',
        '--use-fake-device-for-media-stream',
        '--autoplay-policy=no-user-gesture-required', // the page's sound is not asked for by a click
        '--allow-loopback-in-peer-connection',
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost', // nothing outside is ever asked
    ],
});

const clients = createServer(socket => serve(socket).catch(() => socket.destroy()));
await listen(clients);
process.stdout.write(JSON.stringify({ port: clients.address().port, version: browser.version() }) + '\n');
process.stdin.resume().once('end', () => leave(0)).once('error', () => leave(0));
browser.once('disconnected', () => leave(1));

async function serve(socket) {
    const tell = event => socket.writable && socket.write(JSON.stringify(event) + '\n');
    socket.on('error', () => {});
    const gone = new Promise(resolve => socket.once('close', resolve));
    const lines = createInterface({ input: socket });
    const commands = []; // what comes before the page is there waits
    let run = command => commands.push(command);
    const first = new Promise(resolve => lines.once('line', resolve));
    lines.on('line', line => run(JSON.parse(line)));

    // A page that may use the microphone is told the machine's addresses; another one gets .local names (mDNS).
    const permissions = JSON.parse(await first).shows_addresses ? ['microphone'] : [];
    const context = await browser.newContext({ permissions });
    try {
        const page = await context.newPage();
        page.on('pageerror', error => tell({ event: 'error', text: String(error.stack ?? error) }));
        await page.exposeFunction('tell', tell);
        await page.goto(origin, { timeout: LOADING });
        run = command => page.evaluate(it => window.perform(it), command).catch(
            error => tell({ event: 'error', text: `${command.do}: ${error}` }));
        for (const command of commands.splice(0)) run(command);
        await gone;
        await page.evaluate(() => window.leave()).catch(() => {});
    } finally {
        await context.close().catch(() => {});
        socket.end();
    }
}

function listen(server) {
    return new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
}

async function leave(status) {
    setTimeout(() => process.exit(1), 3000).unref();
    await browser.close().catch(() => {});
    process.exit(status);
}
