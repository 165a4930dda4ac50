"""process_cases.py FILE GATE READY: talks over loopback in ways that are hard to attribute; writes who had which end into FILE.

Lines: PROTOCOL PORT PID, a local end each; PID 0: nobody may be named. Opens one connection, makes the file READY, and goes on once GATE is there.
"""
import os
import socket
import sys
import time

out, gate, ready = sys.argv[1:4]
log = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def told(protocol, port, pid=None):
    os.write(log, f"{protocol}\t{port}\t{os.getpid() if pid is None else pid}\n".encode())


def child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return pid


# A connection older than the capture, between two processes.
listener = socket.create_server(("127.0.0.1", 0))
read_end, write_end = os.pipe()


def old_server():
    connection, _ = listener.accept()
    told("tcp", connection.getsockname()[1])
    os.write(write_end, b"x")
    while data := connection.recv(100):
        connection.sendall(data)


server = child(old_server)
old = socket.create_connection(listener.getsockname())
told("tcp", old.getsockname()[1])
os.read(read_end, 1)
listener.close()
open(ready, "w").close()
while not os.path.exists(gate):
    time.sleep(0.02)
for _ in range(5):
    old.sendall(b"hello")
    old.recv(100)
old.close()
os.waitpid(server, 0)

# UDP without connect, to a port where another process waits.
waiting = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
waiting.bind(("127.0.0.1", 0))


def udp_server():
    for _ in range(3):
        data, other = waiting.recvfrom(100)
        waiting.sendto(data, other)
    told("udp", waiting.getsockname()[1])


server = child(udp_server)
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(3):
    sender.sendto(b"hello", waiting.getsockname())
    sender.recvfrom(100)
told("udp", sender.getsockname()[1])
told("udp", waiting.getsockname()[1])  # it has the socket open too: it is named while the other has not used it yet
os.waitpid(server, 0)

# Two processes that share a port by SO_REUSEPORT: each connection is its own who accepted it.
first = socket.create_server(("127.0.0.1", 0), reuse_port=True)
port = first.getsockname()[1]
done_read, done_write = os.pipe()


def second_server():
    first.close()
    own = socket.create_server(("127.0.0.1", port), reuse_port=True)
    own.settimeout(20)
    os.write(done_write, b"r")
    served = []
    own.setblocking(False)
    while not os.path.exists(gate + ".done"):
        try:
            connection, other = own.accept()
            served.append(other[1])
            connection.recv(10)
        except BlockingIOError:
            time.sleep(0.002)
    for other in served:
        os.write(log, f"shared\t{other}\t{os.getpid()}\n".encode())


second = child(second_server)
os.read(done_read, 1)
first.setblocking(False)
clients, mine = [], []
for _ in range(20):
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"x")
    told("tcp", client.getsockname()[1])
    clients.append(client)
    try:
        connection, other = first.accept()
        mine.append(other[1])
        clients.append(connection)
    except BlockingIOError:
        pass
time.sleep(0.2)
while True:
    try:
        connection, other = first.accept()
        mine.append(other[1])
        clients.append(connection)
    except BlockingIOError:
        break
for client in clients:
    client.close()
open(gate + ".done", "w").close()
for other in mine:
    os.write(log, f"shared\t{other}\t{os.getpid()}\n".encode())
os.waitpid(second, 0)


# A process that ends at once: its FIN comes when it is gone.
tail = socket.create_server(("127.0.0.1", 0))


def short():
    connection = socket.create_connection(tail.getsockname())
    told("tcp", connection.getsockname()[1])
    connection.sendall(b"bye")


ending = child(short)
connection, _ = tail.accept()
told("tcp", tail.getsockname()[1])
os.waitpid(ending, 0)
while connection.recv(100):
    pass
connection.close()

# Nobody: a port where nothing listens.
nobody = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
nobody.bind(("127.0.0.1", 0))
closed = nobody.getsockname()[1]
nobody.close()
time.sleep(0.05)
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.sendto(b"anybody?", ("127.0.0.1", closed))
told("udp", asker.getsockname()[1])
told("udp", closed, 0)
