"""Decoding: whatever FFmpeg opens, frame by frame, with an error that says which source and why."""

import re
from collections.abc import Iterator
from typing import Final

import av
from av.container import InputContainer

from vision.errors import SourceError
from vision.frames.frame import Frame

OPEN_SECONDS: Final = 10.0
READ_SECONDS: Final = 5.0  # a stream that says nothing for so long has stalled
BROKEN_PACKETS: Final = 100  # in a row: some are what a lossy network does, so many are another format
NETWORK: Final = {
    "rtsp_transport": "tcp",  # UDP loses packets, and a lost packet is a grey smear until the next key frame
    "fflags": "nobuffer",
    "flags": "low_delay",
}


def read_video(address: str) -> Iterator[Frame]:
    """Frames of a file, stream or device; `at` counts from 0 at the first, by the time stamps of the source.

    Raises:
        SourceError: it does not open, has no picture, stalls or breaks off.
    """
    with _open(address) as container:
        if not container.streams.video:
            raise SourceError(f"{shown(address)}: no video in it")
        stream = container.streams.video[0]
        stream.thread_type = "NONE" if is_network(address) else "SLICE"  # frame threads hold frames back
        period = 1 / float(stream.average_rate or 25)
        index, first, last = 0, None, -period
        for picture in _pictures(container, address):
            stamp = picture.time if picture.time is not None else (first or 0.0) + last + period
            first = stamp if first is None else first
            last = max(stamp - first, last + 1e-4)  # broken stamps go back; time does not
            yield Frame(index=index, at=last, picture=picture)
            index += 1
        if index == 0:
            raise SourceError(f"{shown(address)}: not one frame could be read")


def _open(address: str) -> InputContainer:
    name = f"/dev/video{address}" if address.isdigit() else address
    device = "v4l2" if name.startswith("/dev/video") else None
    network = is_network(name)
    try:
        return av.open(
            name,
            format=device,
            options=NETWORK if network else {},
            timeout=(OPEN_SECONDS, READ_SECONDS) if network else None,
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"{shown(address)}: cannot be opened: {_reason(error)}") from error


def _pictures(container: InputContainer, address: str) -> Iterator[av.VideoFrame]:
    """Whole pictures; broken packets are passed over."""
    broken = 0
    packets = container.demux(video=0)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"{shown(address)}: broke off: {_reason(error)}") from error
        try:
            pictures = packet.decode()
        except (av.FFmpegError, OSError) as error:
            broken += 1
            if broken >= BROKEN_PACKETS:
                raise SourceError(f"{shown(address)}: {broken} broken packets in a row: {_reason(error)}") from error
            continue
        for picture in pictures:
            broken = 0
            if isinstance(picture, av.VideoFrame) and not picture.is_corrupt:
                yield picture


def is_network(address: str) -> bool:
    """Whether `address` is a stream's.

    >>> is_network("rtsp://camera/1"), is_network("clip.mp4")
    (True, False)
    """
    return re.match(r"[a-z][a-z0-9+.-]*://", address) is not None and not address.startswith("file:")


def shown(address: str) -> str:
    """`address` without the password in it.

    >>> shown("rtsp://viewer:secret@10.0.0.7/live")
    'rtsp://viewer:***@10.0.0.7/live'
    """
    return re.sub(r"(://[^/:@]*):[^/@]*@", r"\1:***@", address)


def _reason(error: Exception) -> str:
    """What FFmpeg says, in a few words."""
    if isinstance(error, av.error.ExitError):  # what PyAV gives when its time limit strikes
        return f"no answer in {OPEN_SECONDS:g} s, or no picture in {READ_SECONDS:g} s"
    return (getattr(error, "strerror", None) or str(error)).strip() or type(error).__name__
