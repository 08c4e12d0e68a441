"""GStreamer's webrtcbin, told what to do by lines of JSON on stdin; it tells what happens on stdout.

Runs under the system's Python, which has the bindings, and by itself: nothing of this repository is imported.

What it does: `offer`; `answer` and `accept`, each with the peer's `sdp`; `candidate` with `mline` and `candidate`;
`hear` and `look`, which give the last second of the sound and the last picture that came in. What it tells: `ready`,
`description`, `candidate`, `gathered`, `state`, `heard`, `seen` and `error`.
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
PICTURE = (
    "videotestsrc is-live=true pattern=solid-color foreground-color={colour} ! "
    "video/x-raw,width=320,height=240,framerate=15/1 ! videoconvert ! {encoder} ! {payloader} pt={number} ! "
    "application/x-rtp,media=video,encoding-name={codec},payload={number}{parameters} ! queue"
)
ENCODERS = {
    "VP8": ("vp8enc deadline=1 keyframe-max-dist=15", "rtpvp8pay", ""),
    "H264": (
        "openh264enc gop-size=15 ! video/x-h264,profile=constrained-baseline",
        "rtph264pay config-interval=-1",
        # What the payloader does; webrtcbin says so by itself only once pictures flow.
        ",packetization-mode=(string)1,profile-level-id=(string)42e01f",
    ),
}
EYES = {"VP8": "rtpvp8depay ! vp8dec", "H264": "rtph264depay ! h264parse ! openh264dec"}
EYE = "queue ! {decoder} ! videoconvert ! video/x-raw,format=RGB ! appsink name=eye emit-signals=true sync=false"
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


def number_of(codec: str, text: str) -> int:
    """The first payload type that a description has for a codec."""
    for line in text.splitlines():
        if line.startswith("a=rtpmap:") and f" {codec}/".lower() in line.lower():
            return int(line[len("a=rtpmap:") :].split()[0])
    raise ValueError(f"no {codec} is offered")


class Host:
    """One webrtcbin, in a pipeline that plays."""

    def __init__(self, address: str, frequency: int, codec: str, colour: str) -> None:
        self.frequency, self.codec, self.colour = frequency, codec, colour
        self.picture: tuple[int, int, bytes] | None = None
        """The last picture that came in: width, height, and three bytes for each pixel."""
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
        if pad.get_current_caps().get_structure(0).get_string("media") == "video":
            sense = Gst.parse_bin_from_description(EYE.format(decoder=EYES[self.codec]), True)
            sense.get_by_name("eye").connect("new-sample", self.shown)
        else:
            sense = Gst.parse_bin_from_description(EAR, True)
            sense.get_by_name("ear").connect("new-sample", self.sampled)
        self.pipeline.add(sense)
        sense.sync_state_with_parent()
        pad.link(sense.get_static_pad("sink"))

    def sampled(self, sink: Any) -> Any:
        buffer = sink.emit("pull-sample").get_buffer()
        self.pcm += buffer.extract_dup(0, buffer.get_size())
        del self.pcm[: -2 * RATE]
        return Gst.FlowReturn.OK

    def shown(self, sink: Any) -> Any:
        sample = sink.emit("pull-sample")
        shape, buffer = sample.get_caps().get_structure(0), sample.get_buffer()
        self.picture = (shape.get_value("width"), shape.get_value("height"), buffer.extract_dup(0, buffer.get_size()))
        return Gst.FlowReturn.OK

    def send(self, number: int, number_of_pictures: int) -> None:
        """Send the tone in the first section, and the colour in the second one."""
        sources = [VOICE.format(frequency=self.frequency, number=number)]
        if self.codec:
            encoder, payloader, parameters = ENCODERS[self.codec]
            fields = {"colour": self.colour, "codec": self.codec, "number": number_of_pictures}
            sources.append(PICTURE.format(encoder=encoder, payloader=payloader, parameters=parameters, **fields))
        for place, source in enumerate(sources):
            sending = Gst.parse_bin_from_description(source, True)
            self.pipeline.add(sending)
            sending.get_static_pad("src").link(self.rtc.request_pad_simple(f"sink_{place}"))
            sending.sync_state_with_parent()

    def do_offer(self) -> None:
        self.send(96, 97)
        self.describe("create-offer", "offer")

    def do_answer(self, sdp: str) -> None:
        self.set_remote(GstWebRTC.WebRTCSDPType.OFFER, sdp)
        self.send(number_of("opus", sdp), number_of(self.codec, sdp) if self.codec else 0)
        self.describe("create-answer", "answer")

    def do_accept(self, sdp: str) -> None:
        self.set_remote(GstWebRTC.WebRTCSDPType.ANSWER, sdp)

    def do_candidate(self, mline: int, candidate: str) -> None:
        self.rtc.emit("add-ice-candidate", mline, candidate)

    def do_hear(self) -> None:
        tell("heard", pcm=base64.b64encode(bytes(self.pcm)).decode(), rate=RATE)

    def do_look(self) -> None:
        if self.picture is None:
            tell("seen", width=0, height=0, rgb=[0, 0, 0])
            return
        width, height, pixels = self.picture
        stride = len(pixels) // height
        middle = height // 2 * stride + width // 2 * 3
        tell("seen", width=width, height=height, rgb=list(pixels[middle : middle + 3]))

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
    host = Host(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
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
