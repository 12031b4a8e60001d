"""One clock for all streams of a file: it starts at 0 and goes on where timestamps begin anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

# As the ffmpeg command has it: a packet this many seconds before the end of the last one begins
# anew; so does one this far ahead, in the formats that are recorded from broadcasts.
_BACK = Fraction(1, 10)
_AHEAD = 10
# `AVFMT_TS_DISCONT`: timestamps may jump.
_MAY_JUMP = 0x0200
# Packets of the sound that wait until the video begins anew as well; without one that does, the
# sound goes on by itself.
_MAX_HELD = 500


def start_of(source: Any, stream: Any) -> Fraction:
    """Returns the time in seconds at which a file begins.

    Sound that begins before 0 is cut off by players (encoder delay), unless the video does too.
    """
    start = Fraction(source.start_time or 0, 1_000_000)
    return start if start >= 0 or (stream.start_time or 0) < 0 else Fraction(0)


class Timeline:
    """Moves the timestamps of packets to one clock.

    The start of the file is subtracted from all streams alike. If timestamps begin anew, as in
    recordings that were joined, the video goes on by one frame step, and the other streams move by
    the same amount.

    Args:
        source: The opened file.
        stream: Its video stream.
        step: Seconds from frame to frame, for frames that do not say how long they last.

    Attributes:
        start: The start of the file, in seconds.
        jumps: How often timestamps began anew.
    """

    def __init__(self, source: Any, stream: Any, step: Fraction) -> None:
        self.start = start_of(source, stream)
        self.jumps = 0
        self._video = stream.index
        self._step = step
        self._may_jump = bool(source.format.flags & _MAY_JUMP)
        # What is added, in seconds, for each part of the file; the part of each stream.
        self._offsets = [-self.start]
        self._parts: dict[int, int] = {}
        # End of the last packet of each stream: as stored, and on the clock.
        self._stored: dict[int, tuple[Fraction, Fraction]] = {}
        self._ends: dict[int, Fraction] = {}
        self._held: list[tuple[int, Any]] = []

    def __call__(self, packets: Iterable[Any]) -> Iterator[Any]:
        """Yields the packets with their new times; those of a stream stay in order."""
        for packet in packets:
            index = packet.stream.index
            if packet.dts is None and packet.pts is None:
                if not packet.size:  # The end of the file.
                    yield from self._release(alone=True)
                yield packet
            elif index == self._video:
                if self._begins_anew(packet):
                    self._parts[index] = len(self._offsets)
                    self._offsets.append(self._ends[index] - _time(packet))
                    self.jumps += 1
                yield self._placed(packet)
                yield from self._release()
            elif packet.stream.type != "audio":  # Sparse, so that a jump looks the same as a gap.
                self._parts[index] = self._parts.get(self._video, 0)
                yield self._placed(packet)
            else:
                if self._begins_anew(packet):
                    part = self._parts.get(index, 0) + 1
                    self._parts[index] = max(part, self._parts.get(self._video, 0))
                self._held.append((self._parts.get(index, 0), packet))
                yield from self._release(alone=len(self._held) > _MAX_HELD)

    @property
    def end(self) -> Fraction:
        """End of the last packet so far, in seconds."""
        return max(self._ends.values(), default=Fraction(0))

    def _begins_anew(self, packet: Any) -> bool:
        """Returns whether a packet does not follow the last one of its stream."""
        if packet.dts is None:
            return False
        index = packet.stream.index
        time = packet.dts * packet.time_base
        before = self._stored.get(index)
        self._stored[index] = (time, time + (packet.duration or 0) * packet.time_base)
        if before is None:
            return False
        begin, end = before
        ahead = self._may_jump and time > end + _AHEAD
        return bool(ahead or (time <= begin and time + _BACK < end))

    def _release(self, *, alone: bool = False) -> Iterator[Any]:
        """Yields the packets of sound whose part is known; with `alone`, all of them."""
        held, self._held = self._held, []
        for part, packet in held:
            index = packet.stream.index
            if part < len(self._offsets):
                yield self._placed(packet, part)
            elif not alone:
                self._held.append((part, packet))
            else:  # Only the sound: begun anew, or with a gap, which stays.
                before = self._offsets[-1]
                self._offsets.append(max(before, self._ends[index] - _time(packet)))
                self.jumps += self._offsets[-1] != before
                yield self._placed(packet, part)

    def _placed(self, packet: Any, part: int | None = None) -> Any:
        index, base = packet.stream.index, packet.time_base
        ticks = round(self._offsets[self._parts.get(index, 0) if part is None else part] / base)
        if packet.pts is not None:
            packet.pts += ticks
        if packet.dts is not None:
            packet.dts += ticks
        step = self._step if index == self._video else Fraction(0)
        end = _time(packet) + ((packet.duration or 0) * base or step)
        self._ends[index] = max(self._ends.get(index, end), end)
        return packet


def _time(packet: Any) -> Fraction:
    """Returns the time at which a packet is shown, in seconds."""
    ticks = packet.dts if packet.pts is None else packet.pts
    return ticks * packet.time_base  # type: ignore[no-any-return]
