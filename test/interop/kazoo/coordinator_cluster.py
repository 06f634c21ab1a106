"""pytest plugin: kazoo's own tests run against the embedded coordinator.

Takes the place of kazoo.testing.common, whose cluster starts Apache ZooKeeper: the object below starts and stops ours.
Tests of features that are not promised are skipped; not-promised.txt lists them with their reasons.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import types

import pytest

HERE = pathlib.Path(__file__).parent
REPOSITORY = HERE.parent.parent.parent
NODE = ["node", "--import", str(REPOSITORY / "test/run-typescript.mjs")]
SERVE = str(REPOSITORY / "packages/zookeeper/src/server/testing/serve.ts")


class Server:
    host = "127.0.0.1"

    def __init__(self, directory, port, certificates):
        self.directory = directory
        self.port = port
        self.certificates = certificates
        self.process = None

    @property
    def address(self):
        return "%s:%d" % (self.host, self.port)

    @property
    def secure_address(self):
        return "%s:%d" % (self.host, self.port + 4)

    @property
    def client_port(self):
        return self.port

    @property
    def running(self):
        return self.process is not None

    def run(self):
        if self.running:
            return
        options = {
            "dataDir": os.path.join(self.directory, "data"),
            "port": self.port,
            "tlsPort": self.port + 4,
            "tls": {
                "cert": self.certificates + "/server.pem",
                "key": self.certificates + "/server.key",
                "ca": self.certificates + "/ca.pem",
            },
        }
        log = open(os.path.join(self.directory, "log"), "a")
        self.process = subprocess.Popen(
            NODE + [SERVE, json.dumps(options)], stdout=subprocess.PIPE, stderr=log
        )
        if not self.process.stdout.readline():
            raise RuntimeError("the coordinator does not start: %s" % self.get_logs())

    def stop(self):
        if self.running:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def reset(self):
        self.stop()
        shutil.rmtree(os.path.join(self.directory, "data"), True)

    def destroy(self):
        self.reset()

    def get_logs(self, num_lines=100):
        with open(os.path.join(self.directory, "log")) as log:
            return log.readlines()[-num_lines:]


class Cluster:
    def __init__(self, port_offset=20000, size=1, **_kwargs):
        self.directory = tempfile.mkdtemp(prefix="kazoo-")
        self.certificates = os.path.join(self.directory, "certificates")
        make = "import('%s').then((m) => m.makeCertificates(process.argv[1]))"
        module = REPOSITORY / "packages/zookeeper/src/server/certificates.ts"
        subprocess.run(NODE + ["-e", make % module, self.certificates], check=True)
        self.servers = [Server(self.directory, port_offset, self.certificates)]

    def __getitem__(self, k):
        return self.servers[k]

    def __iter__(self):
        return iter(self.servers)

    def start(self):
        for server in self:
            server.run()

    def stop(self):
        for server in self:
            server.stop()

    def terminate(self):
        for server in self:
            server.destroy()

    def reset(self):
        for server in self:
            server.reset()

    def get_logs(self):
        return [line for server in self for line in server.get_logs()]

    def get_ssl_client_configuration(self):
        names = {"client_key": "client.key", "client_cert": "client.pem", "ca_cert": "ca.pem"}
        return {key: pathlib.Path(self.certificates, name).read_bytes() for key, name in names.items()}


common = types.ModuleType("kazoo.testing.common")
common.ZookeeperCluster = Cluster
sys.modules["kazoo.testing.common"] = common


def not_promised():
    """Test -> reason."""
    reasons = {}
    for line in (HERE / "not-promised.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, reason = line.partition(" ")
            reasons[name] = reason.strip()
    return reasons


def pytest_collection_modifyitems(items):
    reasons = not_promised()
    for item in items:
        parts = item.nodeid.split("/")[-1].split("::")
        for key in (parts[0], "::".join(parts[:2]), "::" + parts[-1]):
            if key in reasons:
                item.add_marker(pytest.mark.skip(reason=reasons[key]))
