#!/usr/bin/env python3
"""natlab adapter for aioice: agent protocol 1 on stdin and stdout (docs/agent-protocol.md).

Half trickle: aioice has no callback per candidate, so every candidate is in the description; the peer may trickle.
"""

import asyncio
import json
import logging
import os
import re
import secrets
import sys
import time
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

import aioice

Message = dict[str, Any]
LONGEST_LINE = 1 << 20
CONFIGURE = {"cmd", "id", "role", "ice_servers", "policy", "trickle", "ice_role", "timers", "network"}


def emit(ev: str, **fields: Any) -> None:
    """Writes one event; fields without a value are left out."""
    event = {"ev": ev, "t": round(time.time(), 6)} | {k: v for k, v in fields.items() if v is not None}
    sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")
    sys.stdout.flush()


class Refused(Exception):
    """A command that gets `ok: false`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse_url(url: str) -> tuple[str, str, int, str]:
    """`turn:host:port?transport=tcp` to scheme, host, port, transport (RFC 7064, 7065)."""
    match = re.fullmatch(r"(stun|turns?):(\[[0-9a-fA-F:.]+\]|[^?:/]+)(?::(\d+))?(?:\?transport=(udp|tcp))?", url)
    if not match:
        raise Refused("bad_url", url)
    scheme, host, port, transport = match.groups()
    tls = scheme == "turns"
    return scheme, host.strip("[]"), int(port or (5349 if tls else 3478)), transport or ("tcp" if tls else "udp")


def write_sdp(sdp_type: str, connection: aioice.Connection) -> str:
    """The dummy data-channel SDP of raw ICE agents: the fingerprint belongs to no certificate."""
    lines = [
        "v=0",
        f"o=- {secrets.randbits(50)} 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        f"a=ice-ufrag:{connection.local_username}",
        f"a=ice-pwd:{connection.local_password}",
        "a=ice-options:trickle",
        "a=fingerprint:sha-256 " + ":".join(f"{byte:02X}" for byte in secrets.token_bytes(32)),
        "a=setup:" + ("actpass" if sdp_type == "offer" else "active"),
        "a=sctp-port:5000",
        "a=max-message-size:262144",
        *(f"a=candidate:{candidate.to_sdp()}" for candidate in connection.local_candidates),
        "a=end-of-candidates",
    ]
    return "\r\n".join(lines) + "\r\n"


def end(candidate: aioice.Candidate) -> Message:
    """One end of a pair."""
    return {
        "type": candidate.type,
        "address": candidate.host,
        "port": candidate.port,
        "protocol": candidate.transport.lower(),
    }


class Agent:
    """One run. Each `cmd_NAME` obeys a command and gives the extra fields of its reply."""

    def __init__(self) -> None:
        self.connection: aioice.Connection | None = None
        self.role = ""
        self.described = False
        self.early: list[str] | None = []  # candidates that came before the remote description
        self.remote_ended = False
        self.checks: asyncio.Task[None] | None = None

    @property
    def ice(self) -> aioice.Connection:
        if self.connection is None:
            raise Refused("order", "configure comes first")
        return self.connection

    async def cmd_configure(self, m: Message) -> Message:
        if self.connection is not None:
            raise Refused("order", "configure comes once")
        network: Message = m.get("network") or {}
        ignored = sorted(m.keys() - CONFIGURE) + sorted(f"network.{k}" for k in network.keys() - {"families"})
        if (m.get("timers") or {}).get("profile") == "lab":
            ignored.append("timers")  # the pace of aioice's checks is fixed
        options: Message = {}
        for server in m["ice_servers"]:
            for url in server["urls"]:
                scheme, host, port, transport = parse_url(url)
                if scheme == "stun" and "stun_server" not in options:
                    options["stun_server"] = (host, port)
                elif scheme != "stun" and "turn_server" not in options:
                    options["turn_server"] = (host, port)
                    options["turn_username"] = server.get("username")
                    options["turn_password"] = server.get("credential")
                    options["turn_ssl"] = scheme == "turns"
                    options["turn_transport"] = transport
                else:
                    ignored.append(f"ice_servers:{url}")  # one of each kind
        if m["policy"] == "relay":
            options["transport_policy"] = aioice.TransportPolicy.RELAY
        elif m["policy"] != "all":
            ignored.append("policy")
        families = network.get("families") or ["ipv4", "ipv6"]
        self.role = m["role"]
        self.connection = aioice.Connection(
            ice_controlling=(m.get("ice_role") or ("controlling" if self.role == "offerer" else "")) == "controlling",
            use_ipv4="ipv4" in families,
            use_ipv6="ipv6" in families,
            **options,
        )
        return {"ignored": ignored}

    async def cmd_offer(self, m: Message) -> None:
        if m.get("restart"):
            raise Refused("unsupported", "aioice has no ICE restart")
        if self.role != "offerer":
            raise Refused("order", "the answerer does not offer")
        await self.describe("offer")

    async def describe(self, sdp_type: str) -> None:
        if self.described:
            raise Refused("order", "there is a local description already")
        self.described = True
        emit("gathering", state="gathering")
        await self.ice.gather_candidates()  # 5 s for each server that does not answer, at the same time
        emit("gathering", state="complete")
        emit("description", sdp_type=sdp_type, sdp=write_sdp(sdp_type, self.ice), complete=True)

    async def cmd_description(self, m: Message) -> None:
        if m["sdp_type"] != ("answer" if self.role == "offerer" else "offer"):
            raise Refused("order", f"{m['sdp_type']} for the {self.role}")
        if self.role == "offerer" and not self.described:
            raise Refused("order", "an answer before the offer")
        if self.early is None:
            raise Refused("unsupported", "a second description, and aioice has no ICE restart")
        lines = [line.strip() for line in m["sdp"].splitlines()]

        def first(name: str) -> str | None:
            return next((line.removeprefix(name) for line in lines if line.startswith(name)), None)

        self.ice.remote_username, self.ice.remote_password = first("a=ice-ufrag:"), first("a=ice-pwd:")
        if not (self.ice.remote_username and self.ice.remote_password):
            raise Refused("failed", "the description has no ice-ufrag and ice-pwd")
        self.ice.remote_is_lite = "a=ice-lite" in lines
        candidates = [line.removeprefix("a=") for line in lines if line.startswith("a=candidate:")]
        candidates += [""] if "a=end-of-candidates" in lines else []
        early, self.early = self.early, None
        for candidate in candidates + early:
            try:
                await self.add(candidate)
            except Refused as e:
                emit("log", level="warn", message=str(e))
        if m["sdp_type"] == "offer":
            await self.describe("answer")
        self.checks = asyncio.create_task(self.connect())

    async def cmd_candidate(self, m: Message) -> None:
        if self.early is None:
            await self.add(m["candidate"])
        else:
            self.ice  # noqa: B018 - refuses before configure
            self.early.append(m["candidate"])

    async def add(self, line: str) -> None:
        if self.remote_ended:  # aioice would raise; browsers do send another one
            if line:
                raise Refused("order", "a candidate after the end of candidates")
            return
        if not line:
            self.remote_ended = True
            await self.ice.add_remote_candidate(None)
            return
        try:
            candidate = aioice.Candidate.from_sdp(line.removeprefix("candidate:"))
        except ValueError as e:
            raise Refused("bad_candidate", f"{e}: {line}") from e
        await self.ice.add_remote_candidate(candidate)

    async def connect(self) -> None:
        emit("state", ice="checking")
        try:
            await self.ice.connect()
        except ConnectionError as e:
            emit("log", level="info", message=str(e))
            emit("state", ice="failed")
            return
        emit("state", ice="connected")
        emit("pair", **(self.pair("private") or {}))
        try:
            while True:
                data = await self.ice.recv()  # of a full WebRTC stack: DTLS
                emit("data", data=data.decode(errors="replace"))
        except ConnectionError as e:  # aioice closes the connection when consent expires (RFC 7675)
            emit("log", level="info", message=str(e))
            emit("state", ice="closed")

    def pair(self, source: str) -> Message | None:
        selected = self.ice._nominated.get(1)  # there is no public way to ask
        return selected and {
            "local": end(selected.local_candidate),
            "remote": end(selected.remote_candidate),
            "ice_role": "controlling" if self.ice.ice_controlling else "controlled",
            "source": source,
        }

    async def cmd_send(self, m: Message) -> None:
        try:
            await self.ice.send(m["data"].encode())
        except ConnectionError as e:
            raise Refused("order", str(e)) from e

    async def cmd_stats(self, m: Message) -> Message:
        selected = self.pair("private")
        return {"stats": {"selected": selected} if selected else {}}

    async def close(self) -> None:
        if self.checks:
            self.checks.cancel()  # nothing may follow `closed`
        if self.connection:
            await self.connection.close()
            emit("state", ice="closed")


async def commands() -> AsyncIterator[Message]:
    """The commands on stdin; what is none is told and skipped."""
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while True:
        try:
            line = await reader.readline()  # ValueError: longer than the limit
            if not line:
                return
            if not line.strip():
                continue
            m = json.loads(line)
            if not (isinstance(m, dict) and isinstance(m.get("id"), int)):
                raise ValueError("not a command with an id")
        except ValueError as e:
            emit("error", code="bad_json", message=str(e), fatal=False)
            continue
        yield m


async def serve(agent: Agent) -> None:
    """Obeys in order, except that `send`, `stats` and `close` never wait; each command gets one reply."""
    queue: asyncio.Queue[Message] = asyncio.Queue()

    async def obey(m: Message) -> None:
        name, extra, error = str(m.get("cmd", "")), None, None
        try:
            command = getattr(agent, f"cmd_{name}", None)
            if command is None:
                raise Refused("unsupported", f"there is no command {name!r}")
            extra = await command(m)
        except asyncio.CancelledError:
            error = {"code": "closed", "message": "close came first"}
        except Refused as e:
            error = {"code": e.code, "message": str(e)}
        except (KeyError, TypeError) as e:  # a field that is missing or of another kind
            error = {"code": "bad_json", "message": repr(e)}
        except Exception as e:  # noqa: BLE001 - an adapter must not die of a command
            error = {"code": "failed", "message": repr(e)}
        emit("reply", id=m["id"], cmd=name, ok=error is None, error=error, **(extra or {}))

    async def in_order() -> None:
        while not asyncio.current_task().cancelling():  # `obey` answers a cancellation instead of passing it on
            await obey(await queue.get())

    running = {asyncio.create_task(in_order())}
    close: Message | None = None
    async for m in commands():
        if m.get("cmd") == "close":
            close = m
            break
        if m.get("cmd") in ("send", "stats"):
            task = asyncio.create_task(obey(m))
            running.add(task)
            task.add_done_callback(running.discard)
        else:
            queue.put_nowait(m)
    tasks = list(running)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    while not queue.empty():
        m = queue.get_nowait()
        error = {"code": "closed", "message": "close came first"}
        emit("reply", id=m["id"], cmd=str(m.get("cmd", "")), ok=False, error=error)
    await agent.close()
    if close:
        emit("reply", id=close["id"], cmd="close", ok=True)
    emit("closed")


if __name__ == "__main__":
    if os.environ.get("NATLAB_AGENT_LOG") == "1":
        logging.basicConfig(level=logging.DEBUG, format="%(relativeCreated)d %(name)s %(message)s")  # to stderr
    emit(
        "hello",
        protocol=1,
        agent="aioice",
        version=version("aioice"),
        level="ice",
        trickle="half",
        caps=["ice_role", "policy", "families", "turn-udp", "turn-tcp", "turn-tls", "pairs"],
    )
    asyncio.run(serve(Agent()))
