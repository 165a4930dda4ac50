#!/usr/bin/env python3
"""Holds so many idle TCP connections over loopback, both ends, until it is killed: top_idle.py CONNECTIONS READY. As many processes as the limit of open files asks for."""
import os
import resource
import socket
import sys
import time

count, ready = int(sys.argv[1]), sys.argv[2]
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
each = max(1, (hard - 50) // 2)
children = []
number = 0
while count > 0:
    mine = min(each, count)
    count -= mine
    number += 1
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        server = socket.socket()
        server.bind(("127.0.0.1", 9000 + number))
        server.listen(4096)
        held = []
        for _ in range(mine):
            client = socket.socket()
            client.connect(("127.0.0.1", 9000 + number))
            held += [client, server.accept()[0]]
        os.write(writer, b"x")
        time.sleep(3600)
    os.read(reader, 1)
    children.append(pid)
with open(ready, "w") as file:
    file.write("ready")
try:
    time.sleep(3600)
finally:
    for pid in children:
        os.kill(pid, 15)
