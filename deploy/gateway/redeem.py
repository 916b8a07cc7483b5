#!/usr/bin/env python3
"""A gateway's side of a Kerbridge login, complete.

The person's client logs in at the broker with the card and gets a one-time code, which it passes to the gateway. The gateway
then does what this program does:

  1. redeems the code for a session: who the person is, and which services were granted;
  2. asks for a credential for each service it will open, in the form that its client understands;
  3. ends the session when it needs no more credentials. With --wait that is at the end of standard input, so that what belongs to
     the session while it lives, such as the person's way through the KDC proxy, can be used meanwhile.

    echo "$CODE" | redeem.py --broker broker.corp.example:9443 --ca ca.pem --certificate gw1.pem --key gw1.key --out /dev/shm/s1

Prints one JSON object: the session, with the URL of the KDC proxy where the session has one, and the files written; or the refusal.
That URL is a secret of the person's client: treat the output as one. Exit code 0 when all went well, 2 when the broker
refused, 3 when it could not be reached.

Needs grpcio, protobuf and googleapis-common-protos (in Debian: python3-grpcio, python3-protobuf and
python3-googleapis-common-protos) and the modules that generate-stubs, beside this file, makes from the interface's definition.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time

import grpc
from google.rpc import error_details_pb2, status_pb2
from kerbridge.v1 import gateway_pb2, gateway_pb2_grpc

# How long one call may take. The broker may have to ask a domain controller, so this is longer than a lookup needs.
DEADLINE_SECONDS = 20

# What a file of each form is called. FREERDP_CCACHE is a CCACHE with the entry that FreeRDP looks for.
SUFFIX = {"SPNEGO_TOKEN": "spnego", "CCACHE": "ccache", "FREERDP_CCACHE": "ccache", "KRB_CRED": "kirbi"}


class Refused(Exception):
    """The broker said no. `reason` is stable: decide on it, never on the message, which is made for a person.

    `causes` is for the log of the gateway: what an administrator of the domain can mend, the most probable cause first. `ended` says,
    with SESSION_ENDED, why the session was ended before its time, "certificate_revoked" for example: close the person's connections.
    """

    def __init__(self, reason, step, message, causes=(), ended=""):
        super().__init__(message)
        self.reason = reason
        self.step = step
        self.message = message
        self.causes = list(causes)
        self.ended = ended


class Unreachable(Exception):
    """No answer came: the network, a certificate, or the broker itself. Nothing is known about the person's rights."""


def refusal_of(error):
    """Turns an error of gRPC into Refused or Unreachable.

    A refusal of Kerbridge carries a google.rpc.ErrorInfo with the domain "kerbridge". What carries none comes from somewhere
    else, for example from TLS, and must not be taken for a decision about the person.
    """
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        info, causes = None, []
        for detail in status_pb2.Status.FromString(value).details:
            found, failure = error_details_pb2.ErrorInfo(), error_details_pb2.PreconditionFailure()
            if detail.Unpack(found) and found.domain == "kerbridge":
                info = found
            elif detail.Unpack(failure):
                causes = [
                    {"cause": each.type, "account": each.subject, "advice": each.description}
                    for each in failure.violations
                ]
        if info is not None:
            step, ended = info.metadata.get("step", ""), info.metadata.get("ended", "")
            return Refused(info.reason, step, error.details(), causes, ended)
    return Unreachable(f"{error.code().name}: {error.details()}")


class Gateway:
    """A connection to the broker as one named gateway: the broker knows which by the certificate."""

    def __init__(self, broker, ca, certificate, key):
        credentials = grpc.ssl_channel_credentials(
            root_certificates=ca, private_key=key, certificate_chain=certificate
        )
        self._channel = grpc.secure_channel(broker, credentials)
        self._stub = gateway_pb2_grpc.GatewayStub(self._channel)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._channel.close()

    def redeem(self, code):
        """Exchanges the code for the session. Once only: a second try is refused with CODE_UNKNOWN, so it is never repeated."""
        return self._call(self._stub.Redeem, gateway_pb2.RedeemRequest(code=code))

    def issue_ticket(self, session, spn, form, channel_bindings=b"", freerdp_placeholder=False, krb_cred_key=b""):
        """Asks for a credential for one granted service.

        `form` is "SPNEGO_TOKEN" (a token for one login, which conveys no key; `channel_bindings` ties it to a TLS connection),
        "CCACHE" (a credential cache for clients that read KRB5CCNAME; `freerdp_placeholder` for FreeRDP) or "KRB_CRED" (in clear,
        or under `krb_cred_key`, the octets of an AES key that its reader has). See server_end_point for channel_bindings.
        """
        request = gateway_pb2.IssueTicketRequest(
            session_id=session.session_id,
            spn=spn,
            form=gateway_pb2.Form.Value(f"FORM_{form}"),
            channel_bindings=channel_bindings,
            freerdp_placeholder=freerdp_placeholder,
            krb_cred_key=krb_cred_key,
        )
        return self._call(self._stub.IssueTicket, request)

    def init_security_context(self, requests):
        """Begins a stream of requests and responses; security_context.py, beside this file, has what to do with it."""
        return self._stub.InitSecurityContext(requests)

    def end_session(self, session):
        """Ends the session. What was issued before stays valid at its service until it expires."""
        self._call(self._stub.EndSession, gateway_pb2.EndSessionRequest(session_id=session.session_id))

    @staticmethod
    def _call(method, request):
        try:
            return method(request, timeout=DEADLINE_SECONDS)
        except grpc.RpcError as error:
            raise refusal_of(error) from error


def server_end_point(certificate_der, hash_name="sha256"):
    """What binds a token to a TLS connection with the service that has this certificate (RFC 5929 section 4).

    The hash is that of the certificate's signature, and SHA-256 where the signature uses MD5 or SHA-1.
    """
    return b"tls-server-end-point:" + hashlib.new(hash_name, certificate_der).digest()


def write_secret(path, octets):
    """Writes a file that only this account can read. It is a credential: keep it in memory (/dev/shm, /run), not on a disk.

    A file that is there, say of the person's last session, is replaced as a whole.
    """
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
    os.replace(temporary, path)


def usual_form(spn):
    """A cache; FreeRDP will not use one without an entry for a ticket-granting ticket, though it never sends it."""
    return "FREERDP_CCACHE" if spn.upper().startswith("TERMSRV/") else "CCACHE"


def fetch(gateway, session, spn, form, options):
    """Gets one credential, writes it to a file of the directory, and says what it did."""
    directory, more = options.out, {}
    if form == "FREERDP_CCACHE":
        more["freerdp_placeholder"] = True
    if form == "KRB_CRED" and options.krb_cred_key:
        with open(options.krb_cred_key, "rb") as file:
            more["krb_cred_key"] = file.read()
    started = time.monotonic()
    ticket = gateway.issue_ticket(session, spn, form.removeprefix("FREERDP_"), **more)
    elapsed = time.monotonic() - started
    path = os.path.join(directory, f"{ticket.spn.replace('/', '_')}.{SUFFIX[form]}")
    write_secret(path, ticket.ticket)
    return {
        "spn": ticket.spn,
        "form": form,
        "file": path,
        "expires_at": ticket.expires_at.ToJsonString(),
        "milliseconds": round(elapsed * 1000, 1),
    }


def kdc_proxy(session):
    """Where the person's own client reaches the domain controllers while the session lives (MS-KKDCP); None where it does not.

    The URL is what MIT's krb5.conf takes as kdc, and what FreeRDP and Windows take as the KDC proxy. It has a token in it that
    lets this person log in, and nobody else: hand it to the person's client only, and keep it out of logs.
    """
    if not session.HasField("kdc_proxy"):
        return None
    access = session.kdc_proxy
    return {"url": access.url, "realm": access.realm, "expires_at": access.expires_at.ToJsonString()}


def revocation(session):
    """What the login relied on to say that the card is not revoked: worth a line in the gateway's own log."""
    evidence = session.revocation
    return {
        "checked": evidence.checked,
        "degraded": evidence.degraded,
        "something_unknown": evidence.something_unknown,
        "oldest": evidence.oldest.ToJsonString() if evidence.HasField("oldest") else None,
        "certificates": [
            {
                "serial": one.serial,
                "issuer": one.issuer,
                "sources": [f"{source.kind} of {source.signer} {source.url}".strip() for source in one.sources],
                "passed_over": list(one.passed_over),
            }
            for one in evidence.certificates
        ],
    }


def description(session):
    """The session for the JSON output, without its identifier, which is the gateway's own secret."""
    subject = session.subject
    return {
        "subject": {
            "upn": subject.upn,
            "sam_account_name": subject.sam_account_name,
            "realm": subject.realm,
            "sid": subject.sid,
            "certificate_sha256": subject.certificate_sha256,
        },
        "target": session.target,
        "granted_spns": list(session.granted_spns),
        "expires_at": session.expires_at.ToJsonString(),
        "rule": session.rule,
        "login_id": session.login_id,
        "kdc_proxy": kdc_proxy(session),
        "revocation": revocation(session),
    }


def run(options, code):
    """The three steps; returns what is printed."""
    files = {}
    for name in ("ca", "certificate", "key"):
        with open(getattr(options, name), "rb") as file:
            files[name] = file.read()
        # grpc ends the process on an empty key instead of raising an error.
        if not files[name].strip():
            sys.exit(f"{getattr(options, name)} is empty")
    os.makedirs(options.out, mode=0o700, exist_ok=True)

    with Gateway(options.broker, **files) as gateway:
        session = gateway.redeem(code)
        try:
            # Without a choice: a cache for each granted service.
            wanted = options.ticket or [(spn, usual_form(spn)) for spn in session.granted_spns]
            tickets = [fetch(gateway, session, spn, form, options) for spn, form in wanted]
            answer = {"session": description(session), "tickets": tickets}
            if options.wait:
                show(answer)
                sys.stdin.read()
        finally:
            # Also when a ticket was refused: a session that nobody uses should not stay open.
            gateway.end_session(session)
    return None if options.wait else answer


def show(answer):
    """Prints a JSON object at once."""
    json.dump(answer, sys.stdout, indent=2)
    print(flush=True)


def wanted_ticket(text):
    """Parses SPN=FORM."""
    spn, separator, form = text.rpartition("=")
    if not separator or form not in SUFFIX:
        raise argparse.ArgumentTypeError(f"{text!r} is not SPN=FORM with a form of {', '.join(SUFFIX)}")
    return spn, form


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Redeems the one-time code read from standard input and fetches the tickets of its session."
    )
    parser.add_argument("--broker", required=True, metavar="HOST:PORT", help="the broker's gateway interface")
    parser.add_argument("--ca", required=True, metavar="FILE", help="the CA of the broker's certificate, PEM")
    parser.add_argument("--certificate", required=True, metavar="FILE", help="this gateway's certificate chain, PEM")
    parser.add_argument("--key", required=True, metavar="FILE", help="this gateway's private key, PEM")
    parser.add_argument("--out", required=True, metavar="DIRECTORY", help="where the tickets are written")
    parser.add_argument(
        "--ticket", action="append", type=wanted_ticket, metavar="SPN=FORM",
        help="a service and the form of its ticket: SPNEGO_TOKEN, CCACHE, FREERDP_CCACHE or KRB_CRED; may be repeated",
    )
    parser.add_argument("--wait", action="store_true", help="end the session only when standard input ends")
    parser.add_argument("--krb-cred-key", metavar="FILE", help="the AES key that KRB_CRED messages are encrypted with")
    return parser.parse_args()


def main():
    options = arguments()
    # The code is a secret until it is used: it comes by standard input, not on the command line.
    code = sys.stdin.readline().strip()
    try:
        answer, exit_code = run(options, code), 0
    except Refused as refused:
        answer = {"refused": {"reason": refused.reason, "step": refused.step, "message": refused.message}}
        answer["refused"]["causes"] = refused.causes
        exit_code = 2
    except Unreachable as unreachable:
        answer, exit_code = {"unreachable": str(unreachable)}, 3
    if answer is not None:
        show(answer)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
