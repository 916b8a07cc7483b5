#!/usr/bin/env python3
"""A gateway that opens a person's connection and holds no key of it: the broker plays the initiator.

The gateway carries tokens between the service and the broker until the context stands. From then on the broker wraps what the
gateway sends and opens what the service answers (RFC 4121); session key and subkeys never leave it. SecurityContext, below, is
all there is to it. What the program does with one is an example: it binds at a directory as the person (LDAP, SASL GSSAPI, RFC
4752), searches it with every message encrypted and signed, and prints what it found.

    echo "$CODE" | security_context.py --broker broker.corp.example:9443 --ca ca.pem --certificate gw1.pem --key gw1.key \
        --directory dc1.corp.example --base DC=corp,DC=example --filter-value alice

Exit code 0 when all went well, 2 when the broker refused, 3 when it could not be reached, 4 when the directory refused. Needs what
redeem.py, beside this file, needs.
"""

import argparse
import json
import queue
import socket
import struct
import sys

import grpc
from kerbridge.v1 import gateway_pb2
from redeem import Gateway, Refused, Unreachable, refusal_of

# Longest message that the broker wraps.
MAX_MESSAGE = 128 * 1024


class SecurityContext:
    """One security context (RFC 2743) with a granted service.

    `mechanism` is "SPNEGO" or "KERBEROS"; `flags` are of "MUTUAL", "SEQUENCE", "CONFIDENTIALITY" and "INTEGRITY". A refusal ends the
    context: a message that does not verify was changed, repeated or left out, so close the connection it came on.

        with SecurityContext(gateway, session, "HTTP/desk1.corp.example", "SPNEGO", ["MUTUAL"]) as context:
            while not context.established:
                context.step(exchange(context.token))
            send(context.token)                  # nothing, in most cases
    """

    def __init__(self, gateway, session, spn, mechanism, flags, channel_bindings=b""):
        self._requests = queue.SimpleQueue()
        self._responses = gateway.init_security_context(iter(self._requests.get, None))
        self.token = b""
        self.established = False
        self.expires_at = None
        try:
            self._making(
                start=gateway_pb2.StartContext(
                    session_id=session.session_id,
                    spn=spn,
                    mechanism=gateway_pb2.Mechanism.Value(f"MECHANISM_{mechanism}"),
                    flags=[gateway_pb2.ContextFlag.Value(f"CONTEXT_FLAG_{flag}") for flag in flags],
                    channel_bindings=channel_bindings,
                )
            )
        except Exception:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the context; the broker wipes its keys."""
        self._requests.put(None)
        self._responses.cancel()

    def step(self, token):
        """Takes the service's answer. Afterwards either `established`, or `token` is to be sent and answered again."""
        self._making(token=gateway_pb2.ContextToken(token=token))

    def wrap(self, message, confidential=True):
        """The token to send in the place of the message."""
        protection = gateway_pb2.PROTECTION_CONFIDENTIALITY if confidential else gateway_pb2.PROTECTION_INTEGRITY
        return self._ask(wrap=gateway_pb2.WrapRequest(message=message, protection=protection)).token

    def unwrap(self, token, confidential=True):
        """The message inside a token of the service. By default one that was not encrypted is refused."""
        answer = self._ask(unwrap=gateway_pb2.UnwrapRequest(token=token))
        if confidential and answer.protection != gateway_pb2.PROTECTION_CONFIDENTIALITY:
            raise ValueError("the service sent a message that is not encrypted")
        return answer.message

    def get_mic(self, message):
        """The token that travels beside the message."""
        return self._ask(get_mic=gateway_pb2.GetMicRequest(message=message)).token

    def verify_mic(self, message, token):
        """Returns if the service's token fits its message."""
        self._ask(verify_mic=gateway_pb2.VerifyMicRequest(message=message, token=token))

    def _making(self, **step):
        answer = self._ask(**step)
        self.token = answer.token
        if isinstance(answer, gateway_pb2.ContextEstablished):
            self.established = True
            self.expires_at = answer.expires_at.ToJsonString()

    def _ask(self, **step):
        """Each request has one response, in the order of the requests."""
        self._requests.put(gateway_pb2.InitSecurityContextRequest(**step))
        try:
            response = next(self._responses)
        except grpc.RpcError as error:
            raise refusal_of(error) from error
        except StopIteration:
            raise Unreachable("the broker closed the stream") from None
        return getattr(response, response.WhichOneof("step"))


class DirectoryRefused(Exception):
    """The directory answered something else than success."""


def ber(tag, *contents):
    """One element of BER."""
    octets = b"".join(contents)
    if len(octets) < 0x80:
        return bytes([tag, len(octets)]) + octets
    return bytes([tag, 0x84]) + struct.pack(">I", len(octets)) + octets


def elements(octets):
    """The elements that follow each other in these octets, as pairs of tag and contents."""
    while octets:
        tag, length, start = octets[0], octets[1], 2
        if length >= 0x80:
            start += length - 0x80
            length = int.from_bytes(octets[2:start], "big")
        yield tag, octets[start : start + length]
        octets = octets[start + length :]


def integer(value):
    return ber(0x02, bytes([value]))


class Directory:
    """An LDAP connection in clear, whose messages are wrapped as soon as the context stands."""

    BIND_RESPONSE, SEARCH_ENTRY, SEARCH_DONE, SEARCH_REFERENCE = 0x61, 0x64, 0x65, 0x73
    SUCCESS, BIND_IN_PROGRESS = 0, 14

    def __init__(self, host):
        self._socket = socket.create_connection((host, 389), timeout=20)
        self._received = self._socket.makefile("rb")
        self._messages = 0
        self._layer = None
        self._pending = b""

    def bind(self, context):
        """SASL GSSAPI (RFC 4752): the context's tokens, then the choice of encryption for all that follows."""
        code, credentials = self._sasl(context.token)
        while not context.established:
            self._expect(code, self.BIND_IN_PROGRESS)
            context.step(credentials)
            code, credentials = self._sasl(context.token)
        self._expect(code, self.BIND_IN_PROGRESS)
        layers, *size = context.unwrap(credentials, confidential=False)
        if not layers & 0x04:
            raise DirectoryRefused("it offers no encryption")
        self._limit = min(int.from_bytes(bytes(size), "big"), MAX_MESSAGE)
        # Encryption, and the longest token we take.
        code, _ = self._sasl(context.wrap(bytes([0x04]) + (MAX_MESSAGE - 1).to_bytes(3, "big"), confidential=False))
        self._expect(code, self.SUCCESS)
        self._layer = context

    def search(self, base, scope, filter_element, attributes):
        """The entries found, as pairs of name and attributes."""
        names = ber(0x30, *(ber(0x04, name.encode()) for name in attributes))
        request = [ber(0x04, base.encode()), ber(0x0A, bytes([scope])), ber(0x0A, b"\0"), integer(0), integer(20)]
        self._send(ber(0x63, *request, ber(0x01, b"\0"), filter_element, names))
        found = []
        while True:
            tag, contents = self._receive()
            parts = list(elements(contents))
            if tag == self.SEARCH_ENTRY:
                values = {}
                for _, attribute in elements(parts[1][1]):
                    (_, name), (_, all_values) = elements(attribute)
                    values[name.decode()] = [value for _, value in elements(all_values)]
                found.append((parts[0][1].decode(), values))
            elif tag == self.SEARCH_DONE:
                self._expect(parts[0][1][0], self.SUCCESS)
                return found
            elif tag != self.SEARCH_REFERENCE:
                raise DirectoryRefused(f"it answered a search with {tag:#x}")

    def _sasl(self, token):
        credentials = ber(0xA3, ber(0x04, b"GSSAPI"), ber(0x04, token))
        self._send(ber(0x60, integer(3), ber(0x04, b""), credentials))
        tag, contents = self._receive()
        if tag != self.BIND_RESPONSE:
            raise DirectoryRefused(f"it answered a bind with {tag:#x}")
        parts = list(elements(contents))
        return parts[0][1][0], dict(parts).get(0x87, b"")

    def _send(self, operation):
        self._messages += 1
        message = ber(0x30, integer(self._messages), operation)
        if self._layer is not None:
            token = self._layer.wrap(message)
            message = struct.pack(">I", len(token)) + token
        self._socket.sendall(message)

    def _receive(self):
        """The next message's operation: from the socket, or from the tokens it sends."""
        if self._layer is None:
            head = self._received.read(2)
            rest = self._received.read(head[1] - 0x80) if head[1] >= 0x80 else b""
            message = self._received.read(int.from_bytes(rest, "big") if rest else head[1])
        else:
            # Messages and tokens need not end together.
            while not self._complete():
                length = struct.unpack(">I", self._received.read(4))[0]
                if length > MAX_MESSAGE:
                    raise DirectoryRefused("it sends a longer token than it was told to")
                self._pending += self._layer.unwrap(self._received.read(length))
            _, message = next(elements(self._pending))
            self._pending = self._pending[self._complete() :]
        _, operation = elements(message)
        return operation

    def _complete(self):
        """How many octets the first pending message has; 0 where it is not there as a whole."""
        head = self._pending
        if len(head) < 2 or len(head) < 2 + (head[1] & 0x7F if head[1] >= 0x80 else 0):
            return 0
        start = 2 + (head[1] - 0x80 if head[1] >= 0x80 else 0)
        length = int.from_bytes(head[2:start], "big") if start > 2 else head[1]
        return start + length if len(head) >= start + length else 0

    @staticmethod
    def _expect(code, expected):
        if code != expected:
            raise DirectoryRefused(f"result code {code}")


def run(options, code):
    """Redeems the code, searches as the person, and ends the session."""
    files = {}
    for name in ("ca", "certificate", "key"):
        with open(getattr(options, name), "rb") as file:
            files[name] = file.read()
    with Gateway(options.broker, **files) as gateway:
        session = gateway.redeem(code)
        try:
            flags = ["MUTUAL", "SEQUENCE", "CONFIDENTIALITY", "INTEGRITY"]
            with SecurityContext(gateway, session, f"ldap/{options.directory}", "KERBEROS", flags) as context:
                directory = Directory(options.directory)
                directory.bind(context)
                person = ber(0xA3, ber(0x04, b"sAMAccountName"), ber(0x04, options.filter_value.encode()))
                found = directory.search(options.base, 2, person, ["sAMAccountName", "objectSid"])
                # Whom the directory takes us for.
                everything = ber(0x87, b"objectClass")
                [(_, own)] = directory.search("", 0, everything, ["tokenGroups"])
        finally:
            gateway.end_session(session)
    readable = [(name, {key: [value.hex() for value in values] for key, values in entry.items()}) for name, entry in found]
    return {"login_id": session.login_id, "found": readable, "token_groups": [sid.hex() for sid in own["tokenGroups"]]}


def main():
    parser = argparse.ArgumentParser(description="Searches a directory as the person whose one-time code is on standard input.")
    parser.add_argument("--broker", required=True, metavar="HOST:PORT", help="the broker's gateway interface")
    parser.add_argument("--ca", required=True, metavar="FILE", help="the CA of the broker's certificate, PEM")
    parser.add_argument("--certificate", required=True, metavar="FILE", help="this gateway's certificate chain, PEM")
    parser.add_argument("--key", required=True, metavar="FILE", help="this gateway's private key, PEM")
    parser.add_argument("--directory", required=True, metavar="HOST", help="the directory server; ldap/HOST must be granted")
    parser.add_argument("--base", required=True, metavar="DN", help="where to search")
    parser.add_argument("--filter-value", required=True, metavar="NAME", help="the sAMAccountName to find")
    options = parser.parse_args()
    try:
        answer, exit_code = run(options, sys.stdin.readline().strip()), 0
    except Refused as refused:
        answer = {"refused": {"reason": refused.reason, "step": refused.step, "message": refused.message}}
        exit_code = 2
    except Unreachable as unreachable:
        answer, exit_code = {"unreachable": str(unreachable)}, 3
    except (DirectoryRefused, OSError) as refused:
        answer, exit_code = {"directory": str(refused)}, 4
    json.dump(answer, sys.stdout, indent=2)
    print()
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
