#!/usr/bin/env python3
"""What a screen needs to look at: a process with a hostile name that holds connections, and speaks HTTP and DNS over loopback, until it is killed.

    top_traffic.py CONNECTIONS READY     READY is written when everything is there
"""
import socket
import sys
import threading
import time

connections, ready = int(sys.argv[1]), sys.argv[2]
with open("/proc/self/comm", "wb") as comm:
    comm.write(b"ev\x1b[31mil")

server = socket.socket()
server.bind(("127.0.0.1", 8080))
server.listen(1024)
held = []


def serve():
    while True:
        held.append(server.accept()[0])


threading.Thread(target=serve, daemon=True).start()
resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
resolver.bind(("127.0.0.1", 53))
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
clients = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(connections)]
query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"
with open(ready, "w") as file:
    file.write("ready")
while True:
    clients[0].sendall(b"GET /weir HTTP/1.1\r\nHost: example.org\r\n\r\n")
    asker.sendto(query, ("127.0.0.1", 53))
    resolver.recv(1000)
    time.sleep(0.05)
