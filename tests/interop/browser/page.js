// A client in a page.  Everything Jingle is stanza's own, unmodified; this logs in, gives it sound, pictures and files,
// and tells what it sees.
import * as XMPP from 'stanza';

const FFT = 32768; // 1.5 Hz a bin at 48 kHz
const SETTLING = 300; // milliseconds until a remote track that was just attached gives samples

const calls = new Map(); // sid -> { session, ears, context }
let client;
let hertz;
let colour = null; // [red, green, blue] of what we show; without one it changes all the time

const told = error => String(error?.stack ?? (error?.error ? JSON.stringify(error.error) : error));
window.addEventListener('unhandledrejection', event => window.tell({ event: 'error', text: told(event.reason) }));

const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

async function sha256(buffer) {
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', buffer));
    return [...digest].map(byte => byte.toString(16).padStart(2, '0')).join('');
}

// ---- what we send

let sounds;

function tone() {
    sounds ??= new AudioContext();
    const oscillator = new OscillatorNode(sounds, { frequency: hertz });
    const out = new MediaStreamAudioDestinationNode(sounds);
    oscillator.connect(new GainNode(sounds, { gain: 0.5 })).connect(out);
    oscillator.start();
    return out.stream.getAudioTracks()[0];
}

function picture() {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [320, 240];
    const pen = canvas.getContext('2d');
    let shade = 0;
    setInterval(() => {
        shade = (shade + 7) % 360;
        pen.fillStyle = colour ? `rgb(${colour.join(' ')})` : `hsl(${shade} 80% 50%)`;
        pen.fillRect(0, 0, canvas.width, canvas.height);
    }, 66);
    return canvas.captureStream(15).getVideoTracks()[0];
}

const tracks = media => media.map(kind => (kind === 'audio' ? tone() : picture()));

// ---- what we receive

function attach(call, track) {
    const stream = new MediaStream([track]);
    if (track.kind === 'video') {
        call.eyes = document.createElement('video');
        call.eyes.muted = true;
        call.eyes.srcObject = stream;
        call.eyes.play().catch(() => {});
        return;
    }
    call.element = new Audio(); // a remote track gives samples only where something plays it
    call.element.srcObject = stream;
    call.element.play().catch(() => {});
    sounds ??= new AudioContext();
    call.ears = new AnalyserNode(sounds, { fftSize: FFT, smoothingTimeConstant: 0 });
    new MediaStreamAudioSourceNode(sounds, { mediaStream: stream }).connect(call.ears);
}

// The strongest frequency of the last 0.7 s, and how loud that was.
function heard(call) {
    if (!call.ears) return { hertz: null, loudness: 0 };
    const levels = new Float32Array(call.ears.frequencyBinCount);
    const samples = new Float32Array(FFT);
    call.ears.getFloatFrequencyData(levels);
    call.ears.getFloatTimeDomainData(samples);
    const loudest = levels.reduce((best, level, bin) => (level > levels[best] ? bin : best), 1);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / FFT;
    return { hertz: (loudest * sounds.sampleRate) / FFT, loudness: Math.sqrt(power) };
}

// The size of the picture just now, and the colour in its middle.
function seen(call) {
    if (!call.eyes?.videoWidth) return { size: null, colour: null };
    const canvas = new OffscreenCanvas(1, 1);
    const pen = canvas.getContext('2d');
    const [width, height] = [call.eyes.videoWidth, call.eyes.videoHeight];
    pen.drawImage(call.eyes, width / 2 - 8, height / 2 - 8, 16, 16, 0, 0, 1, 1);
    return { size: [width, height], colour: [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3) };
}

async function counters(call) {
    const found = { sent: {}, received: {}, candidates: {}, frames: {}, transports: 0 };
    const reports = await call.session.pc.getStats();
    for (const report of reports.values()) {
        if (report.type === 'transport') found.transports += 1;
        if (report.kind === 'video' && report.type === 'inbound-rtp') found.frames.decoded = report.framesDecoded;
        if (report.kind === 'video' && report.type === 'outbound-rtp') {
            found.frames.sent = report.framesSent;
            found.codec = reports.get(report.codecId)?.mimeType;
        }
        if (report.type === 'inbound-rtp') found.received[report.kind] = report.packetsReceived;
        if (report.type === 'outbound-rtp') found.sent[report.kind] = report.packetsSent;
        if (report.type === 'candidate-pair' && report.nominated && report.state === 'succeeded')
            found.candidates = {
                local: reports.get(report.localCandidateId)?.candidateType,
                remote: reports.get(report.remoteCandidateId)?.candidateType,
            };
    }
    const directions = call.session.pc.getTransceivers().map(each => [each.receiver.track.kind, each.currentDirection]);
    return { ...found, directions: Object.fromEntries(directions) };
}

// ---- sessions

function watch(jingle) {
    const on = (name, handle) => jingle.on(name, (session, more) => {
        const extra = handle?.(session, more);
        if (extra !== null) window.tell({ event: name, sid: session.sid, ...extra });
    });
    jingle.on('createdSession', session => calls.set(session.sid, { session }));
    on('incoming', session => ({
        from: session.peerID,
        kind: session instanceof XMPP.Jingle.FileSession ? 'file' : 'call',
        media: [session.includesAudio && 'audio', session.includesVideo && 'video'].filter(Boolean),
    }));
    for (const name of ['ringing', 'accepted', 'mute', 'unmute', 'hold', 'resumed']) on(name);
    on('connectionState', (session, state) => ({ state }));
    on('peerTrackAdded', (session, track) => {
        attach(calls.get(session.sid), track);
        return { kind: track.kind };
    });
    on('sentFile', (session, metadata) => ({ name: metadata.name }));
    jingle.on('receivedFile', async (session, blob, metadata) => {
        const sum = await sha256(await blob.arrayBuffer());
        window.tell({ event: 'receivedFile', sid: session.sid, name: metadata.name, size: blob.size, sha256: sum });
    });
    on('terminated', (session, reason) => {
        const call = calls.get(session.sid);
        call?.element?.pause();
        call?.eyes?.pause();
        return { reason: reason?.condition ?? reason ?? null, text: reason?.text ?? null };
    });
    jingle.on('log:error', (message, ...data) => window.tell({ event: 'log', text: `${message} ${data.map(told)}` }));
}

const the = sid => {
    const call = calls.get(sid) ?? [...calls.values()].at(-1);
    if (!call) throw new Error('there is no session');
    return call;
};

const commands = {
    async login({ url, jid, password, frequency }) {
        hertz = frequency;
        client = XMPP.createClient({
            jid, password, autoReconnect: false,
            transports: { websocket: url, bosh: false },
            jingle: { iceServers: [] }, // its default is a server on the internet
        });
        watch(client.jingle);
        client.on('auth:failed', () => window.tell({ event: 'error', text: 'authentication failed' }));
        client.on('disconnected', () => window.tell({ event: 'disconnected' }));
        client.on('session:started', async () => {
            client.updateCaps();
            await client.getRoster();
            client.sendPresence({ legacyCapabilities: client.disco.getCaps() });
            window.tell({ event: 'online', jid: client.jid, version: XMPP.VERSION });
        });
        client.connect();
    },
    async call({ to, media }) {
        const stream = new MediaStream(tracks(media));
        const session = client.jingle.createMediaSession(to, undefined, stream);
        window.tell({ event: 'calling', sid: session.sid });
        await session.start();
    },
    async send({ to, name, size }) {
        const bytes = new Uint8Array(size);
        for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
        const session = client.jingle.createFileTransferSession(to);
        window.tell({ event: 'sending', sid: session.sid, name, size, sha256: await sha256(bytes) });
        await session.start(new File([bytes], name, { lastModified: Date.now() }));
    },
    async accept({ sid, media }) {
        const { session } = the(sid);
        if (media) {
            const stream = new MediaStream();
            for (const track of tracks(media)) {
                stream.addTrack(track);
                await session.addTrack(track, stream);
            }
        }
        await session.accept();
    },
    paint: shown => { colour = shown.colour; },
    ring: ({ sid }) => the(sid).session.ring(),
    mute: ({ sid }) => the(sid).session.mute('initiator'),
    unmute: ({ sid }) => the(sid).session.unmute('initiator'),
    hold: ({ sid }) => the(sid).session.hold(),
    resume: ({ sid }) => the(sid).session.resume(),
    restart: ({ sid }) => the(sid).session.restartIce(),
    end: ({ sid, reason }) => the(sid).session.end(reason),
    async measure({ sid }) {
        const call = the(sid);
        await sleep(SETTLING);
        const told = { heard: heard(call), seen: seen(call), ...(await counters(call)) };
        window.tell({ event: 'measured', sid: call.session.sid, ...told });
    },
    async discover({ to }) {
        const { features, identities } = await client.getDiscoInfo(to);
        window.tell({ event: 'discovered', features, identities });
    },
};

window.perform = command => Promise.resolve(commands[command.do](command)).catch(
    error => window.tell({ event: 'error', text: `${command.do}: ${told(error)}` }));

window.leave = async () => {
    for (const { session } of calls.values()) if (session.state !== 'ended') session.end('success');
    client?.disconnect();
    await sleep(100);
};
