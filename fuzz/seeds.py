#!/usr/bin/env python3
"""Makes seeds for the fuzzers from what real clients send.

    seeds.py record SESSION.pcap COMMAND...     run a client, and record what it says over loopback (Linux, root)
    seeds.py extract NAME CAPTURE.pcap...       write each different datagram to corpus/parser and corpus/options
    seeds.py replay NAME SESSION.pcap...        write what the client said as scripts to corpus/endpoint and corpus/reference

NAME is what the new files are called, with a number behind it. Of datagrams that differ in a name or a number only, keep one.
"""

import pathlib
import socket
import struct
import subprocess
import sys
import time

CORPUS = pathlib.Path(__file__).parent / "corpus"
ETHERNET = 1
HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, ETHERNET)


def record(path, command):
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    listener.bind(("lo", 0))
    listener.setblocking(False)
    seen = []

    def take():
        try:
            while True:
                frame, address = listener.recvfrom(65535)
                # Loopback shows every frame twice: on its way out and on its way in.
                if address[2] != socket.PACKET_OUTGOING:
                    seen.append(frame)
        except BlockingIOError:
            pass

    client = subprocess.Popen(command)
    while client.poll() is None:
        take()
        time.sleep(0.001)
    take()
    with open(path, "wb") as file:
        file.write(HEADER)
        for frame in seen:
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def datagrams(path):
    """Source port, destination port and payload of every UDP datagram over IPv4."""
    data = pathlib.Path(path).read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    place = 24
    while place + 16 <= len(data):
        (length,) = struct.unpack_from(order + "I", data, place + 8)
        frame = data[place + 16 : place + 16 + length]
        place += 16 + length
        if frame[12:14] != b"\x08\x00" or frame[23:24] != b"\x11":
            continue
        udp = 14 + 4 * (frame[14] & 15)
        source, target, size = struct.unpack_from(">HHH", frame, udp)
        yield source, target, frame[udp + 8 : udp + size]


def write(target, name, content):
    directory = CORPUS / target
    directory.mkdir(exist_ok=True)
    if any(known.read_bytes() == content for known in directory.iterdir()):
        return
    # What is there stays.
    number = 0
    while (path := directory / f"{name}-{number:02}").exists():
        number += 1
    path.write_bytes(content)


def extract(name, paths):
    payloads = dict.fromkeys(payload for path in paths for _, _, payload in datagrams(path))
    for payload in payloads:
        write("parser", name, payload)
        fields = payload[2:].split(b"\0", 2)
        if payload[:2] in (b"\0\1", b"\0\2") and len(fields) == 3:
            write("options", name, fields[2])
        elif payload[:2] == b"\0\6":
            write("options", name, payload[2:])


def replay(name, paths):
    for path in paths:
        sent = list(datagrams(path))
        client = next(source for source, _, payload in sent if payload[:2] in (b"\0\1", b"\0\2"))
        said = [payload[:255] for source, _, payload in sent if source == client][:60]
        # A single port, and every datagram from the first peer to it.
        script = b"".join(bytes([0, len(payload)]) + payload + b"\0\0" for payload in said)
        write("endpoint", name, b"\0" + script)
        # A request goes to the listener, anything else to the transfer.
        script = b"".join(bytes([10, len(payload)]) + payload + bytes([payload[1] < 3]) for payload in said)
        write("reference", name, script)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["record", path, *command] if command:
            record(path, command)
        case ["extract", name, *paths] if paths:
            extract(name, paths)
        case ["replay", name, *paths] if paths:
            replay(name, paths)
        case _:
            sys.exit(__doc__)
