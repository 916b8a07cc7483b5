#!/usr/bin/python3
"""A session that is held open, with a security context that stands: hold_session.py BROKER HOST NAME.

Redeems the code in /dev/shm/NAME.code, establishes a context with gss-acceptor of the desktop host HOST, and writes what it has to
/dev/shm/NAME.open. Should the broker close the stream, it writes why to /dev/shm/NAME.stream. As soon as there is /dev/shm/NAME.ask it
asks for a ticket, ends the session, and writes what came of each to /dev/shm/NAME.result.
"""

import importlib.machinery
import importlib.util
import json
import os
import sys
import threading
import time

import grpc

sys.path.insert(0, "/opt/kerbridge")
from redeem import Gateway, Refused, kdc_proxy, refusal_of  # noqa: E402
from security_context import SecurityContext  # noqa: E402

FOLDER = "/opt/kerbridge"


def speak():
    """The program of that name, for its way to speak to gss-acceptor."""
    loader = importlib.machinery.SourceFileLoader("speak", "/usr/local/bin/speak")
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("speak", loader))
    loader.exec_module(module)
    return module


def write(path, value):
    """Writes a JSON file as a whole."""
    with open(f"{path}.new", "w", encoding="ascii") as file:
        json.dump(value, file)
    os.rename(f"{path}.new", path)


def told(refused):
    return {"reason": refused.reason, "ended": refused.ended}


def outcome(work):
    """What a refused call is told; None where it is not refused."""
    try:
        work()
        return None
    except Refused as refused:
        return told(refused)


def main():
    broker, host, name = sys.argv[1:]
    path = f"/dev/shm/{name}"
    files = {}
    for key, file in (("ca", "ca.pem"), ("certificate", "gateway.pem"), ("key", "gateway.key")):
        with open(f"{FOLDER}/{file}", "rb") as opened:
            files[key] = opened.read()
    with open(f"{path}.code", encoding="ascii") as file:
        code = file.read().strip()
    speaking = speak()
    with Gateway(broker, **files) as gateway:
        session = gateway.redeem(code)
        context = SecurityContext(gateway, session, f"host/{host}", "SPNEGO", speaking.ALL)
        service = speaking.Service(host)
        service.establish(context)
        stream = {}

        def watch():
            try:
                next(context._responses)
            except grpc.RpcError as error:
                stream["end"] = told(refusal_of(error))
                write(f"{path}.stream", stream["end"])

        threading.Thread(target=watch, daemon=True).start()
        write(f"{path}.open", {"login_id": session.login_id, "kdc_proxy": kdc_proxy(session)})
        while not os.path.exists(f"{path}.ask"):
            time.sleep(0.05)
        results = {"stream": stream.get("end")}
        results["ticket"] = outcome(lambda: gateway.issue_ticket(session, f"HTTP/{host}", "CCACHE"))
        results["end"] = outcome(lambda: gateway.end_session(session))
        write(f"{path}.result", results)


if __name__ == "__main__":
    main()
