"""A client of Kubernetes' Container Runtime Interface, as far as the tests go: what the kubelet asks containerd and CRI-O.

The messages are written by hand, by their numbers. Source: k8s.io/cri-api, pkg/apis/runtime/v1/api.proto.
"""

from __future__ import annotations

from typing import Any

Fields = dict[int, Any]


def encode(fields: Fields) -> bytes:
    """A message: numbers are varints, text and bytes as they are, dicts messages, lists repeated fields."""
    made = b""
    for number, value in fields.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, int):
                made += _varint(number << 3) + _varint(item)
            else:
                data = item.encode() if isinstance(item, str) else encode(item) if isinstance(item, dict) else item
                made += _varint(number << 3 | 2) + _varint(len(data)) + data
    return made


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def decode(data: bytes) -> dict[int, list[Any]]:
    """Each field's values: numbers, or bytes."""
    found: dict[int, list[Any]] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if data[at - 1] < 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            found.setdefault(key >> 3, []).append(varint())
        elif key & 7 == 2:
            size = varint()
            found.setdefault(key >> 3, []).append(data[at : at + size])
            at += size
        else:
            raise ValueError(f"wire type {key & 7}")
    return found


NODE, CONTAINER = 2, 1
EXITED = 2
#: NamespaceOption: the node's network, a process and IPC namespace of the pod's or container's own
NAMESPACES = {1: NODE, 2: CONTAINER}


class Client:
    """Speaks to a socket. Needs grpcio."""

    def __init__(self, socket: str) -> None:
        import grpc

        self.errors = grpc.RpcError
        self._channel = grpc.insecure_channel(f"unix:{socket}")

    def close(self) -> None:
        self._channel.close()

    def ask(
        self, method: str, fields: Fields, service: str = "RuntimeService", timeout: float = 60
    ) -> dict[int, list[Any]]:
        """Call a method. Raises self.errors."""
        call = self._channel.unary_unary(
            f"/runtime.v1.{service}/{method}", request_serializer=encode, response_deserializer=decode
        )
        return call(fields, timeout=timeout)

    def run_pod(self, name: str, handler: str, logs: str) -> tuple[str, Fields]:
        """A pod sandbox on the node's network: its id and its configuration."""
        config = {1: {1: name, 2: name + "-uid", 3: "default"}, 3: logs, 8: {2: {1: NAMESPACES}}}
        return self.ask("RunPodSandbox", {1: config, 2: handler})[1][0].decode(), config

    def create(self, pod: str, pod_config: Fields, name: str, image: str, command: list[str]) -> str:
        """A container in a pod: its id."""
        config = {1: {1: name}, 2: {1: image}, 3: command, 11: f"{name}.log", 15: {2: {3: NAMESPACES}}}
        return self.ask("CreateContainer", {1: pod, 2: config, 3: pod_config})[1][0].decode()

    def status(self, container: str) -> tuple[int, int]:
        """State and exit code."""
        status = decode(self.ask("ContainerStatus", {1: container})[1][0])
        return status.get(3, [0])[0], status.get(7, [0])[0]

    def run(self, container: str, *command: str) -> tuple[int, str, str]:
        """Another process in a container: exit code, output, error output."""
        done = self.ask("ExecSync", {1: container, 2: list(command), 3: 30})
        return done.get(3, [0])[0], done.get(1, [b""])[0].decode(), done.get(2, [b""])[0].decode()
