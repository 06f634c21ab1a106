"""Takes one lock again and again and prints when it held it: `<name> <from> <to>`, nanoseconds of the machine's clock.

Usage: kazoo-contender.py HOST:PORT LOCK_PATH NAME SECONDS. Needs kazoo 2.9 or later.
"""
import sys
import time

from kazoo.client import KazooClient

hosts, path, name, seconds = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
client = KazooClient(hosts=hosts, timeout=4)
client.start()
end = time.monotonic() + seconds
while time.monotonic() < end:
    lock = client.Lock(path, name)
    if not lock.acquire(timeout=5):
        continue
    start = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    time.sleep(0.002)
    stop = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    lock.release()
    print(name, start, stop, flush=True)
client.stop()
