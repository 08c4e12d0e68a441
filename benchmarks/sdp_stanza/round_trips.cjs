// Round trips of SDP through stanza: one JSON command a line on stdin, one JSON answer a line on stdout.
//   {"sdp": TEXT}                  -> {"sdp": TEXT after the round trip} or {"error": WHY}
//   {"sdp": TEXT, "count": N}      -> {"milliseconds": [OF EACH OF N ROUND TRIPS]}
"use strict";

const readline = require("node:readline");
const { createClient } = require("stanza");
const { importFromSDP, exportToSDP } = require("stanza/jingle/sdp/Intermediate");
const { convertIntermediateToRequest, convertRequestToIntermediate } = require("stanza/jingle/sdp/Protocol");
const JXT = require("stanza/jxt");

const { stanzas } = createClient({});

function roundTrip(sdp) {
    const jingle = convertIntermediateToRequest(
        importFromSDP(sdp),
        "initiator",
        "urn:xmpp:jingle:transports:ice-udp:1"
    );
    const sent = stanzas.export("iq", { type: "set", jingle: { action: "session-initiate", sid: "s", ...jingle } });
    const received = stanzas.import(JXT.parse(sent.toString()));
    // The side that wrote it is the initiator in both directions, as in our own round trip.
    return exportToSDP(convertRequestToIntermediate(received.jingle, "initiator"));
}

readline.createInterface({ input: process.stdin }).on("line", line => {
    const { sdp, count } = JSON.parse(line);
    let answer;
    try {
        if (count) {
            const milliseconds = [];
            for (let i = 0; i < count; i++) {
                const begin = process.hrtime.bigint();
                roundTrip(sdp);
                milliseconds.push(Number(process.hrtime.bigint() - begin) / 1e6);
            }
            answer = { milliseconds };
        } else {
            answer = { sdp: roundTrip(sdp) };
        }
    } catch (error) {
        answer = { error: String(error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
});
