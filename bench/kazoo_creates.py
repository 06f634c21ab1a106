"""The counterpart of zookeeper-client.ts with kazoo. Usage: kazoo_creates.py HOST:PORT [COUNT] [WINDOW]."""
import collections
import json
import resource
import sys
import time
import uuid

from kazoo.client import KazooClient

hosts = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:2181"
count = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
window = int(sys.argv[3]) if len(sys.argv) > 3 else 1000


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


client = KazooClient(hosts=hosts, timeout=30)
client.start()
root = "/bench-" + uuid.uuid4().hex[:8]
client.create(root)
data = b"x" * 100
before, started = cpu(), time.monotonic()
pending = collections.deque()
for number in range(count):
    if len(pending) >= window:
        pending.popleft().get()
    pending.append(client.create_async("%s/%d" % (root, number), data))
while pending:
    pending.popleft().get()
seconds = time.monotonic() - started
print(json.dumps({
    "client": "kazoo",
    "count": count,
    "perSecond": round(count / seconds),
    "cpuMicrosecondsEach": round((cpu() - before) / count * 1e6),
}))
client.stop()
