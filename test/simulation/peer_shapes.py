"""Holds documents that a simulated run has written against the record classes of the Python Nodepool (promise P10).

Usage: python peer_shapes.py SHAPES, where SHAPES was written by `run.ts --shapes SHAPES`.

Each document must be readable by the class that the Python launcher reads it with, say the same there as here, and lose
nothing but keys that are ours alone when that class writes it again.
"""
import json
import sys

from nodepool.zk import zookeeper
from nodepool.zk.components import LauncherComponent, PoolComponent

OURS_ALONE = {'node': {'nodepool_machine'}}
# A component without a client only holds its content.
COMPONENTS = {'launcher': LauncherComponent, 'pool': PoolComponent}


def written_again(kind, document):
    if kind == 'node':
        return zookeeper.Node.fromDict(document, '0000000000').toDict()
    if kind == 'request':
        request = zookeeper.NodeRequest.fromDict(document, '100-0000000000')
        # Used for the order in which requests are served.
        request.priority
        return request.toDict()
    component = COMPONENTS[kind].__new__(COMPONENTS[kind])
    component.__dict__['content'] = {}
    component.updateFromDict(document)
    return dict(component.content)


def problems(kind, document):
    again = written_again(kind, document)
    for key in sorted(set(document) | set(again)):
        if key in OURS_ALONE.get(kind, ()):
            continue
        if key not in document:
            yield '%s is missing' % key
        elif key not in again:
            yield '%s is unknown to the peer' % key
        elif document[key] != again[key]:
            yield '%s is %r, to the peer %r' % (key, document[key], again[key])
    if kind == 'pool' and not isinstance(document['supported_labels'], list):
        yield 'supported_labels is no list'


def main(path):
    with open(path) as file:
        shapes = json.load(file)
    failed = 0
    for shape in shapes:
        kind, document = shape['kind'], shape['document']
        try:
            found = list(problems(kind, document))
        except Exception as error:
            found = ['%s: %s' % (type(error).__name__, error)]
        for problem in found:
            failed += 1
            print('%s %s: %s' % (kind, document.get('state'), problem))
    kinds = sorted(set(shape['kind'] for shape in shapes))
    print('%d shapes of documents (%s) held against the peer, %d problems' % (len(shapes), ', '.join(kinds), failed))
    return 1 if failed or len(kinds) < 4 else 0


sys.exit(main(sys.argv[1]))
