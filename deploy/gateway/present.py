#!/usr/bin/env python3
"""A gateway that presents a card's certificate to Kerbridge by itself: the card made its TLS handshake with the gateway.

A certificate is public, so the broker wants the card itself to prove that it is there: it gives a challenge, the person's client
has the card sign it, and the gateway brings the signature.

    present.py challenge ... --certificates card.pem --target desk1.corp.example --client 192.0.2.7     prints the challenge
    present.py answer ... --challenge ID --scheme RSA_PSS_SHA256 < signature                           prints the session
    present.py authenticate ... --certificates card.pem --target ... --client ...                     without any proof

What the card signs is documented at ChallengeResponse.message in gateway.proto. The client that asks the card should look into it:
`read_message` has its fields, the gateway and the target among them. With a token and OpenSC:

    pkcs11-tool --module ... --login --sign --id 01 --mechanism SHA256-RSA-PKCS-PSS --input-file message --output-file signature
    openssl dgst -sha256 -binary -out digest message
    pkcs11-tool --module ... --login --sign --id 01 --mechanism ECDSA --signature-format openssl --input-file digest ...

Prints one JSON object; exit codes and what it needs are those of redeem.py, which must lie beside it. The session is ended at once:
a real gateway keeps it, and goes on as redeem.py does.
"""

import argparse
import ssl
import struct
import sys

from kerbridge.v1 import gateway_pb2
from redeem import Gateway, Refused, Unreachable, description, show

CONTEXT = b" " * 64 + b"Kerbridge v1, card proof of possession\0"


class PresentingGateway(Gateway):
    """A gateway that may present certificates (may_present in the broker's configuration)."""

    def challenge(self, presentation):
        """Asks for a challenge for the card whose chain is presented."""
        return self._call(self._stub.Challenge, gateway_pb2.ChallengeRequest(presentation=presentation))

    def answer(self, challenge_id, scheme, signature):
        """Exchanges the card's signature for the session. Once only, whatever comes of it."""
        scheme = gateway_pb2.SignatureScheme.Value(f"SIGNATURE_SCHEME_{scheme}")
        request = gateway_pb2.AnswerRequest(challenge_id=challenge_id, scheme=scheme, signature=signature)
        return self._call(self._stub.Answer, request)

    def authenticate(self, presentation):
        """Exchanges a chain for a session on this gateway's word alone; only where the broker's configuration trusts it so far."""
        return self._call(self._stub.Authenticate, gateway_pb2.AuthenticateRequest(presentation=presentation))


def presentation(certificates, target, client_address, user="", ocsp_responses=()):
    """The chain, PEM with the card's own certificate first, for a login of somebody at `client_address`: as `user`, where the card
    is one of several accounts; with OCSP responses about it (DER), where the gateway has any."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    blocks = [begin + part.split(end)[0] + end for part in certificates.split(begin)[1:]]
    chain = [ssl.PEM_cert_to_DER_cert(block) for block in blocks]
    return gateway_pb2.Presentation(
        certificates=chain, target=target, client_address=client_address, user=user, ocsp_responses=ocsp_responses)


def read_message(message):
    """What a challenge says it is for. A client refuses to sign one that names another gateway, target or user than it means."""
    if not message.startswith(CONTEXT):
        raise ValueError("not a challenge of Kerbridge")
    rest, fields = message[len(CONTEXT):], []
    while rest:
        (length,) = struct.unpack_from(">H", rest)
        fields.append(rest[2:2 + length])
        rest = rest[2 + length:]
    nonce, gateway, target, certificate_sha256, expires_at, *user = fields
    return {
        "nonce": nonce.hex(),
        "gateway": gateway.decode(),
        "target": target.decode(),
        "user": user[0].decode() if user else "",
        "certificate_sha256": certificate_sha256.hex(),
        "expires_at": struct.unpack(">Q", expires_at)[0],
    }


def run(options):
    """One call; returns what is printed."""
    files = {}
    for name in ("ca", "certificate", "key"):
        with open(getattr(options, name), "rb") as file:
            files[name] = file.read()
    presented = None
    if options.call != "answer":
        responses = []
        for name in options.ocsp:
            with open(name, "rb") as file:
                responses.append(file.read())
        with open(options.certificates, encoding="ascii") as file:
            presented = presentation(file.read(), options.target, options.client, options.user, responses)
    with PresentingGateway(options.broker, **files) as gateway:
        if options.call == "challenge":
            challenge = gateway.challenge(presented)
            return {
                "challenge_id": challenge.challenge_id,
                "message": challenge.message.hex(),
                "says": read_message(challenge.message),
                "expires_at": challenge.expires_at.ToJsonString(),
            }
        if options.call == "answer":
            session = gateway.answer(options.challenge, options.scheme, sys.stdin.buffer.read())
        else:
            session = gateway.authenticate(presented)
        gateway.end_session(session)
        return {"session": description(session)}


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description="Presents the certificate of a card to the broker.")
    calls = parser.add_subparsers(dest="call", required=True)
    for call in ("challenge", "answer", "authenticate"):
        of_call = calls.add_parser(call)
        of_call.add_argument("--broker", required=True, metavar="HOST:PORT", help="the broker's gateway interface")
        of_call.add_argument("--ca", required=True, metavar="FILE", help="the CA of the broker's certificate, PEM")
        of_call.add_argument("--certificate", required=True, metavar="FILE", help="this gateway's certificate chain, PEM")
        of_call.add_argument("--key", required=True, metavar="FILE", help="this gateway's private key, PEM")
        if call == "answer":
            of_call.add_argument("--challenge", required=True, metavar="ID", help="the challenge that is answered")
            of_call.add_argument("--scheme", required=True, help="RSA_PSS_SHA256, RSA_PKCS1_SHA256, ECDSA_P256_SHA256, ...")
        else:
            of_call.add_argument("--certificates", required=True, metavar="FILE", help="the card's chain, PEM")
            of_call.add_argument("--target", required=True, metavar="HOST", help="the desktop")
            of_call.add_argument("--client", required=True, metavar="ADDRESS", help="the address of the person's client")
            of_call.add_argument("--user", default="", metavar="NAME", help="the account, for a card of several")
            of_call.add_argument("--ocsp", action="append", default=[], metavar="FILE", help="an OCSP response, DER")
    return parser.parse_args()


def main():
    try:
        answer, exit_code = run(arguments()), 0
    except Refused as refused:
        answer = {"refused": {"reason": refused.reason, "step": refused.step, "message": refused.message}}
        answer["refused"]["causes"] = refused.causes
        exit_code = 2
    except Unreachable as unreachable:
        answer, exit_code = {"unreachable": str(unreachable)}, 3
    show(answer)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
