"""The vocabulary: how fields are read and written, what is kept, what is refused."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from jingle.elements import bounds
from jingle.elements import model as machinery
from jingle.elements.core import Content, Jingle, Reason, ReasonCondition, Role
from jingle.elements.declare import (
    Element,
    Unknown,
    attr,
    child,
    children,
    element,
    flag,
    from_string,
    parse,
    serialize,
    shape,
    text,
    to_string,
)
from jingle.elements.file_transfer import File, FileDescription
from jingle.elements.ice_udp import Candidate, CandidateType, IceUdpTransport
from jingle.elements.rtp import Crypto, Direction, HeaderExtension, PayloadType, RtpDescription
from jingle.elements.services import Service
from jingle.errors import LocalProtocolError, RemoteProtocolError

LAMP = "urn:example:lamp"


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


@shape
class Fitting(Element):
    size: int = attr(within=range(10, 21))


@element(LAMP, "socket")
class Socket(Fitting):
    pass


@element(LAMP, "clip")
class Clip(Fitting):
    pass


@element(LAMP, "lamp")
class Lamp(Element):
    colour: Colour | None = attr(default=None)
    is_lit: bool | None = attr("lit", default=None)
    maker: str | None = text("maker", default=None)
    voltage: int | None = text("voltage", default=None)
    dimmable: bool = flag(default=False)
    fittings: tuple[Fitting, ...] = children(default=())
    main: Socket | None = child(default=None)


LAMPS = {tag: model for tag, model in machinery.REGISTRY.items() if LAMP in tag}


@pytest.fixture(autouse=True, scope="module")
def _forget_the_lamps() -> Iterator[None]:
    # Parallel runs may leave this module and come back to it.
    machinery.REGISTRY.update(LAMPS)
    yield
    for tag in [tag for tag in machinery.REGISTRY if LAMP in tag]:
        del machinery.REGISTRY[tag]


def lamp(inside: str = "", attributes: str = "") -> Lamp:
    model = from_string(f"<lamp xmlns='{LAMP}' {attributes}>{inside}</lamp>")
    assert isinstance(model, Lamp)
    return model


def _canonical(source: str) -> str:
    return ET.canonicalize(source, rewrite_prefixes=True)


def test_every_kind_of_field() -> None:
    made = lamp(
        "<clip size='12'/><socket size='10'/><dimmable/><maker>Acme</maker><voltage>230</voltage>",
        "colour='red' lit='false'",
    )
    assert made == Lamp(
        colour=Colour.RED,
        is_lit=False,
        maker="Acme",
        voltage=230,
        dimmable=True,
        main=Socket(size=10),
        fittings=(Clip(size=12),),
    )
    assert repr(made) == (
        "Lamp(colour=<Colour.RED: 'red'>, maker='Acme', voltage=230, dimmable=True, fittings=(Clip(size=12),), "
        "main=Socket(size=10))"
    )
    assert to_string(dataclasses.replace(made)) == (
        f"<lamp xmlns='{LAMP}' colour='red' lit='false'><maker>Acme</maker><voltage>230</voltage><dimmable/>"
        "<clip size='12'/><socket size='10'/></lamp>"
    )


def test_a_shape_takes_every_model_that_shares_it() -> None:
    assert lamp("<clip size='11'/>").fittings == (Clip(size=11),)


@pytest.mark.parametrize(
    "source",
    [
        f"<lamp xmlns='{LAMP}' lit='1'/>",
        f"<lamp xmlns='{LAMP}'><voltage>+0230</voltage></lamp>",
        f"<lamp xmlns='{LAMP}'><voltage> 230 </voltage></lamp>",
        f"<lamp xmlns='{LAMP}'><dimmable by='hand'/></lamp>",
        f"<lamp xmlns='{LAMP}'><dimmable>yes</dimmable></lamp>",
        f"<lamp xmlns='{LAMP}'><dimmable><knob/></dimmable></lamp>",
        f"<lamp xmlns='{LAMP}'><maker xml:lang='en'>Acme</maker></lamp>",
        f"<lamp xmlns='{LAMP}'><maker>Ac<b/>me</maker></lamp>",
        f"<lamp xmlns='{LAMP}'><maker>Acme</maker><maker>Other</maker></lamp>",
        f"<lamp xmlns='{LAMP}'><dimmable/><dimmable/></lamp>",
        f"<lamp xmlns='{LAMP}'>bright<clip size='12'/>and<dimmable/>cheap</lamp>",
        f"<lamp xmlns='{LAMP}'><voltage>1</voltage>x<maker>Acme</maker>y</lamp>",
        f"<lamp xmlns='{LAMP}' xml:lang='en' n1:a='b' c='d' xmlns:n1='urn:example:other'/>",
        f"<lamp xmlns='{LAMP}'><fuse xmlns='urn:example:other'/><clip size='012'/></lamp>",
        f"<lamp xmlns='{LAMP}'><maker/></lamp>",
    ],
)
def test_nothing_is_lost(source: str) -> None:
    assert _canonical(to_string(from_string(source))) == _canonical(source)


def test_what_came_in_another_writing_is_equal() -> None:
    plain = lamp("<voltage>230</voltage><dimmable/>", "lit='true'")
    assert lamp("<dimmable why='so'/><voltage>0230</voltage>", "lit='1'") == plain


def test_a_changed_model_is_written_in_its_own_way() -> None:
    came = lamp("<dimmable/><voltage>0230</voltage>", "lit='1'")
    changed = dataclasses.replace(came, voltage=110)
    assert to_string(changed) == f"<lamp xmlns='{LAMP}' lit='true'><voltage>110</voltage><dimmable/></lamp>"


def test_a_second_one_of_what_there_is_one_goes_to_extra() -> None:
    made = lamp("<socket size='10'/><socket size='20'/>")
    assert made.main == Socket(size=10)
    assert made.extra == (Socket(size=20),)


def test_strange_attributes_are_kept() -> None:
    made = lamp(attributes="xml:lang='en' c='d'")
    assert made.extra_attributes == (("c", "d"), ("{http://www.w3.org/XML/1998/namespace}lang", "en"))
    assert made.extra_attribute("c") == "d"
    assert made.extra_attribute("e") is None


def test_unknown_elements_are_values() -> None:
    text = "t&amp;&lt;&gt;&#13;<c xmlns='urn:y'/>tail<d xmlns=''/>"
    source = f"<a xmlns='urn:x' b='&lt;&apos;\"&amp;&#9;&#10;&#13;'>{text}</a>"
    made = from_string(source)
    assert isinstance(made, Unknown)
    assert made == Unknown(namespace="urn:x", name="a", source=made.source)
    assert _canonical(made.source) == _canonical(source)
    assert _canonical(to_string(made)) == _canonical(source)
    assert from_string("<a/>") == Unknown(namespace="", name="a", source="<a/>")
    assert parse(serialize(made)) == made


def test_absent_and_empty_differ() -> None:
    assert lamp("<maker/>").maker == ""
    assert lamp().maker is None
    explicit = from_string("<content xmlns='urn:xmpp:jingle:1' creator='initiator' name='a' senders='both'/>")
    assert isinstance(explicit, Content)
    assert explicit != Content(creator=Role.INITIATOR, name="a")
    assert explicit.effective_senders is Content(creator=Role.INITIATOR, name="a").effective_senders


def test_secrets_stay_out_of_logs() -> None:
    for model in (
        IceUdpTransport(ufrag="u", pwd="hush"),
        Service(host="h", type="turn", password="hush"),
        Crypto(crypto_suite="s", key_params="hush", tag="1"),
    ):
        assert "hush" not in repr(model)
        assert "***" in repr(model)
        assert "hush" in to_string(model)


def test_numbers_and_lengths_are_checked_when_a_model_is_made() -> None:
    with pytest.raises(LocalProtocolError, match="<payload-type id='128'/> is not between 0 and 127"):
        PayloadType(id=128)
    with pytest.raises(LocalProtocolError, match="<jingle sid=''/> is empty"):
        dataclasses.replace(_jingle(), sid="")
    with pytest.raises(LocalProtocolError, match="<size>-1</size> is not between 0"):
        File(size=-1)
    with pytest.raises(LocalProtocolError, match="<candidate port='65536'/> is not between"):
        Candidate(
            component=1, foundation="1", ip="::1", port=65536, priority=1, protocol="udp", type=CandidateType.HOST
        )


def _jingle() -> Jingle:
    made = from_string("<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='a'/>")
    assert isinstance(made, Jingle)
    return made


@pytest.mark.parametrize("bad", ["a\0b", "\x1b", "\ud800", "\ufffe"])
def test_what_xml_cannot_carry_is_not_written(bad: str) -> None:
    for model in (
        Reason(condition=ReasonCondition.BUSY, text=bad),
        FileDescription(file=File(name=bad)),
        RtpDescription(media=bad),
    ):
        with pytest.raises(LocalProtocolError, match="which XML cannot carry"):
            serialize(model)
    assert to_string(RtpDescription(media="\t\u200b\U0001f600"))


def test_a_bad_source_of_an_unknown_element_is_not_written() -> None:
    with pytest.raises(LocalProtocolError, match="not well-formed XML"):
        serialize(Unknown(namespace="", name="a", source="<a"))
    with pytest.raises(LocalProtocolError, match="not well-formed XML"):
        serialize(RtpDescription(media="audio", extra=(Unknown(namespace="", name="a", source="<a"),)))


def test_declarations_that_cannot_work_are_refused() -> None:
    with pytest.raises(TypeError, match="has a model already: Lamp"):
        element(LAMP, "lamp")(Lamp)

    @element(LAMP, "odd")
    class Odd(Element):
        value: float = attr()

    with pytest.raises(TypeError, match="no way to read a <class 'float'>"):
        machinery.plan_of(Odd)


def test_a_model_registered_later_is_found() -> None:
    """An annotation that names a shape takes the models that come after its first use, too."""
    assert lamp("<hook size='15'/>").fittings == ()

    @element(LAMP, "hook")
    class Hook(Fitting):
        pass

    assert lamp("<hook size='15'/>").fittings == (Hook(size=15),)


def test_one_attribute_may_hold_two_fields() -> None:
    extension = "<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='{}' uri='u'/>"
    assert from_string(extension.format("1/sendonly")) == HeaderExtension(id=1, direction=Direction.SENDONLY, uri="u")
    assert from_string(extension.format("1")) == HeaderExtension(id=1, uri="u")
    for id in ("1/sendonly", "01/recvonly", "01", "2/inactive"):
        assert to_string(from_string(extension.format(id))) == extension.format(id)
    for id in ("1/", "1/never", "1/sendonly/2", "x/sendonly", "/sendonly", "70000/sendonly"):
        with pytest.raises(RemoteProtocolError, match="<rtp-hdrext id="):
            from_string(extension.format(id))


def test_a_model_of_values_that_were_checked_already() -> None:
    assert machinery.unchecked(PayloadType, id=1, name="x") == PayloadType(id=1, name="x")


def test_words_of_a_vocabulary_are_shared_as_long_as_they_are_short_and_few(monkeypatch: pytest.MonkeyPatch) -> None:
    feedback = "<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='{}'/>"

    def is_shared(type: str) -> bool:
        return from_string(feedback.format(type)) is from_string(feedback.format(type))

    assert is_shared("nack")
    assert not is_shared("x" * bounds.WORD)
    first = from_string(feedback.format("nack"))
    monkeypatch.setattr(bounds, "WORDS", 2)
    assert is_shared("pli")
    assert is_shared("fir")
    assert is_shared("sli")
    again = from_string(feedback.format("nack"))
    assert again is not first
    assert again == first


def test_reading_is_indifferent_to_prefixes() -> None:
    assert from_string(f"<l:lamp xmlns:l='{LAMP}'><l:dimmable/></l:lamp>") == lamp("<dimmable/>")


def test_sources_inherit_nothing() -> None:
    """What is kept as text has every namespace it needs, wherever it is written back."""
    made = lamp("<a:fuse xmlns:a='urn:a'><b/></a:fuse>")
    assert made.extra[0] == Unknown(
        namespace="urn:a", name="fuse", source=f"<fuse xmlns='urn:a'><b xmlns='{LAMP}'/></fuse>"
    )


def test_an_attribute_of_no_namespace_in_the_long_notation() -> None:
    assert to_string(Lamp(extra_attributes=(("{}watts", "5"),))) == f"<lamp xmlns='{LAMP}' watts='5'/>"


def test_the_tail_is_left_out() -> None:
    xml = ET.fromstring(f"<x><lamp xmlns='{LAMP}'/>tail</x>")[0]
    assert serialize(parse(xml)).tail is None
    assert xml.tail == "tail"
