"""Gives the controllers of a frozen domain other addresses: in this one's DNS records, before it starts. argv: OLD NEW, each as
"dc1=10.1.2.10 dc2=10.1.2.11"."""

import os
import sys

import ldb
from samba.auth import system_session
from samba.dcerpc import dnsp
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB


def addresses(text):
    return dict(pair.split("=") for pair in text.split())


def moved(octets, new):
    record = ndr_unpack(dnsp.DnssrvRpcRecord, octets)
    if record.wType == dnsp.DNS_TYPE_A and record.data in new:
        record.data = new[record.data]
        return ndr_pack(record)
    return octets


def main():
    old, new = map(addresses, sys.argv[1:3])
    new = {address: new[name] for name, address in old.items()}
    lp = LoadParm()
    lp.load_default()
    db = SamDB(url="/var/lib/samba/private/sam.ldb", session_info=system_session(), lp=lp)
    for zones in ("DomainDnsZones", "ForestDnsZones"):
        base = f"DC={zones},{db.domain_dn()}"
        for node in db.search(base, ldb.SCOPE_SUBTREE, "(&(objectClass=dnsNode)(dnsRecord=*))", attrs=["dnsRecord"]):
            before = [bytes(value) for value in node["dnsRecord"]]
            after = [moved(value, new) for value in before]
            if after != before:
                message = ldb.Message(node.dn)
                message["dnsRecord"] = ldb.MessageElement(after, ldb.FLAG_MOD_REPLACE, "dnsRecord")
                db.modify(message)
    cache = "/var/lib/samba/private/dns_update_cache"
    if os.path.exists(cache):
        os.unlink(cache)


main()
