"""A nats-py client that the lab drives: connects, says READY PORT, then obeys lines on stdin.

Lines in: pub SUBJECT SIZE | start SUBJECT RATE SIZE | stop | flush | drain | close | abort | reset | exit
Lines out: READY PORT | DISCONNECTED | RECONNECTED PORT | CLOSED | ERROR text | FAILED text
"""
import argparse
import asyncio
import os
import socket
import ssl
import struct
import sys

import nats


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--url", required=True)
    p.add_argument("--name", default="")
    p.add_argument("--sub", action="append", default=[])
    p.add_argument("--ping", type=float, default=120)
    p.add_argument("--max-pings", type=int, default=2)
    p.add_argument("--reconnect", action="store_true")
    p.add_argument("--tries", type=int, default=60)
    p.add_argument("--wait", type=float, default=0.5)
    p.add_argument("--timeout", type=float, default=2)
    p.add_argument("--user")
    p.add_argument("--password")
    p.add_argument("--ca")
    p.add_argument("--tls-first", action="store_true")
    return p.parse_args()


def say(*words):
    print(*words, flush=True)


def sock(nc):
    return nc._transport._io_writer.get_extra_info("socket")


def port(nc):
    try:
        return nc._transport._io_writer.get_extra_info("sockname")[1]
    except Exception:
        return 0


async def publish(nc, subject, rate, size):
    while True:
        try:
            await nc.publish(subject, b"x" * size)
        except Exception as e:
            say("ERROR", e)
        await asyncio.sleep(1 / rate)


async def main():
    a = arguments()
    nc = nats.NATS()
    closed = asyncio.Event()

    async def on_closed():
        say("CLOSED")
        closed.set()

    async def on_disconnected():
        say("DISCONNECTED")

    async def on_reconnected():
        say("RECONNECTED", port(nc))

    async def on_error(e):
        say("ERROR", type(e).__name__, e)

    options = dict(
        servers=[a.url], name=a.name, ping_interval=a.ping, max_outstanding_pings=a.max_pings,
        allow_reconnect=a.reconnect, max_reconnect_attempts=a.tries, reconnect_time_wait=a.wait,
        connect_timeout=a.timeout, closed_cb=on_closed, disconnected_cb=on_disconnected,
        reconnected_cb=on_reconnected, error_cb=on_error)
    if a.user:
        options.update(user=a.user, password=a.password)
    if a.ca:
        options["tls"] = ssl.create_default_context(cafile=None if a.ca == "system" else a.ca)
    if a.tls_first:
        options["tls_handshake_first"] = True
    try:
        await nc.connect(**options)
    except Exception as e:
        say("FAILED", type(e).__name__, e)
        return

    async def on_message(_):
        pass

    for subject in a.sub:
        await nc.subscribe(subject, cb=on_message)
    await nc.flush()
    say("READY", port(nc))

    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    stream = None
    while True:
        words = (await lines.readline()).decode().split()
        if not words:
            await asyncio.sleep(3600)
        verb = words[0]
        if verb == "pub":
            await nc.publish(words[1], b"x" * int(words[2]))
        elif verb == "start":
            stream = asyncio.ensure_future(publish(nc, words[1], float(words[2]), int(words[3])))
        elif verb == "stop" and stream:
            stream.cancel()
        elif verb == "flush":
            await nc.flush()
            say("FLUSHED")
        elif verb == "drain":
            await nc.drain()
            return
        elif verb == "close":
            await nc.close()
            return
        elif verb == "abort":
            sock(nc).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os._exit(0)
        elif verb == "reset":
            # The process lives on.
            sock(nc).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            nc._transport._io_writer.transport.abort()
        elif verb == "exit":
            os._exit(0)


asyncio.run(main())
