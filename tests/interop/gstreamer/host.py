"""GStreamer's webrtcbin, told what to do by lines of JSON on stdin; it tells what happens on stdout.

Runs under the system's Python, which has the bindings, and by itself: nothing of this repository is imported.

What it does: `offer`; `answer` and `accept`, each with the peer's `sdp`; `candidate` with `mline` and `candidate`;
`hear`, which gives the last second of what came in. What it tells: `ready`, `description`, `candidate`, `gathered`,
`state`, `heard` and `error`.
"""

from __future__ import annotations

import base64
import json
import sys
import traceback
from typing import Any

import gi

for name in ("Gst", "GstApp", "GstSdp", "GstWebRTC"):
    gi.require_version(name, "1.0")

from gi.repository import GLib, Gst, GstApp, GstSdp, GstWebRTC  # noqa: E402, F401

RATE = 8000
"""Samples a second, of 16 bits, of what was heard."""

VOICE = (
    "audiotestsrc is-live=true freq={frequency} volume=0.5 ! audio/x-raw,rate=48000,channels=2 ! opusenc ! "
    "rtpopuspay name=pay pt={number} ! application/x-rtp,media=audio,encoding-name=OPUS,payload={number} ! queue"
)
EAR = (
    "queue ! rtpopusdepay ! opusdec ! audioconvert ! audioresample ! "
    f"audio/x-raw,format=S16LE,rate={RATE},channels=1 ! appsink name=ear emit-signals=true sync=false"
)


def tell(event: str, **fields: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def parse_sdp(text: str) -> Any:
    result, message = GstSdp.SDPMessage.new_from_text(text)
    if result is not GstSdp.SDPResult.OK:
        raise ValueError("this is no session description")
    return message


def number_of_opus(text: str) -> int:
    """The payload type that a description has for Opus."""
    for line in text.splitlines():
        if line.startswith("a=rtpmap:") and " opus/" in line.lower():
            return int(line[len("a=rtpmap:") :].split()[0])
    raise ValueError("no Opus is offered")


class Host:
    """One webrtcbin, in a pipeline that plays."""

    def __init__(self, address: str, frequency: int) -> None:
        self.frequency = frequency
        self.pcm = bytearray()
        """The last second of what came in."""
        self.pipeline = Gst.Pipeline.new()
        self.rtc = Gst.ElementFactory.make("webrtcbin")
        self.rtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        # libnice leaves the loopback interface out unless it is told. The agent is kept, for it comes as a floating
        # reference: it would go with ours.
        self.agent = self.rtc.get_property("ice-agent")
        self.agent.emit("add-local-ip-address", address)
        self.pipeline.add(self.rtc)
        self.rtc.connect("on-ice-candidate", lambda rtc, mline, line: tell("candidate", mline=mline, candidate=line))
        self.rtc.connect("pad-added", self.added)
        self.rtc.connect("notify::connection-state", self.changed)
        self.rtc.connect("notify::ice-gathering-state", self.gathering)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.failed)
        self.pipeline.set_state(Gst.State.PLAYING)

    def failed(self, bus: Any, message: Any) -> None:
        error, details = message.parse_error()
        tell("error", text=f"{error.message} ({details})")

    def changed(self, rtc: Any, spec: Any) -> None:
        tell("state", state=rtc.get_property("connection-state").value_nick)

    def gathering(self, rtc: Any, spec: Any) -> None:
        if rtc.get_property("ice-gathering-state") is GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            tell("gathered")

    def added(self, rtc: Any, pad: Any) -> None:
        if pad.get_direction() is not Gst.PadDirection.SRC:
            return
        ear = Gst.parse_bin_from_description(EAR, True)
        ear.get_by_name("ear").connect("new-sample", self.sampled)
        self.pipeline.add(ear)
        ear.sync_state_with_parent()
        pad.link(ear.get_static_pad("sink"))

    def sampled(self, sink: Any) -> Any:
        buffer = sink.emit("pull-sample").get_buffer()
        self.pcm += buffer.extract_dup(0, buffer.get_size())
        del self.pcm[: -2 * RATE]
        return Gst.FlowReturn.OK

    def speak(self, number: int) -> None:
        voice = Gst.parse_bin_from_description(VOICE.format(frequency=self.frequency, number=number), True)
        self.pipeline.add(voice)
        voice.link(self.rtc)
        voice.sync_state_with_parent()

    def do_offer(self) -> None:
        self.speak(96)
        self.describe("create-offer", "offer")

    def do_answer(self, sdp: str) -> None:
        self.set_remote(GstWebRTC.WebRTCSDPType.OFFER, sdp)
        self.speak(number_of_opus(sdp))
        self.describe("create-answer", "answer")

    def do_accept(self, sdp: str) -> None:
        self.set_remote(GstWebRTC.WebRTCSDPType.ANSWER, sdp)

    def do_candidate(self, mline: int, candidate: str) -> None:
        self.rtc.emit("add-ice-candidate", mline, candidate)

    def do_hear(self) -> None:
        tell("heard", pcm=base64.b64encode(bytes(self.pcm)).decode(), rate=RATE)

    def set_remote(self, kind: Any, sdp: str) -> None:
        promise = Gst.Promise.new()
        self.rtc.emit("set-remote-description", GstWebRTC.WebRTCSessionDescription.new(kind, parse_sdp(sdp)), promise)
        promise.wait()

    def describe(self, signal: str, field: str) -> None:
        promise = Gst.Promise.new()
        self.rtc.emit(signal, None, promise)
        promise.wait()
        reply = promise.get_reply()
        description = reply.get_value(field)
        if description is None:
            raise ValueError(f"{signal}: {reply.to_string()}")
        tell("description", type=field, sdp=description.sdp.as_text())
        self.rtc.emit("set-local-description", description, None)

    def do(self, request: dict[str, Any]) -> None:
        try:
            getattr(self, f"do_{request.pop('do')}")(**request)
        except Exception:
            tell("error", text=traceback.format_exc())


def main() -> None:
    Gst.init(None)
    host = Host(sys.argv[1], int(sys.argv[2]))
    loop = GLib.MainLoop()

    def read(stdin: Any, condition: Any) -> bool:
        line = stdin.readline()
        if not line:
            loop.quit()
            return False
        host.do(json.loads(line))
        return True

    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN | GLib.IOCondition.HUP, read)
    tell("ready", version=Gst.version_string())
    loop.run()
    host.pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    main()
