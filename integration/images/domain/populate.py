"""Fills the freshly provisioned local directory from domain.json, and writes what the tests need to know of it:
/lab/facts.json (security identifiers by account) and /lab/keytabs/ACCOUNT.keytab. argv: domain.json, and "forced-names" for a
directory that was replicated from such a one and lacks only what replication cannot know of."""

import json
import os
import sys
import time

import ldb
import samba.dckeytab  # noqa: F401  adds Net.export_keytab
from samba.auth import system_session
from samba.credentials import Credentials
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
from samba.net import Net
from samba.param import LoadParm
from samba.samdb import SamDB

AES_ONLY = 0x18
DISABLED = 0x2
NORMAL_ACCOUNT = 0x200
WORKSTATION_TRUST_ACCOUNT = 0x1000
DONT_EXPIRE_PASSWORD = 0x10000
NOT_DELEGATED = 0x100000
TRUSTED_TO_AUTH_FOR_DELEGATION = 0x1000000
FLAGS = {
    "disabled": DISABLED,
    "not_delegated": NOT_DELEGATED,
    "protocol_transition": TRUSTED_TO_AUTH_FOR_DELEGATION,
}
NEVER = "-9223372036854775808"


def windows_time(seconds):
    return str((int(seconds) + 11644473600) * 10_000_000)


class Domain:
    def __init__(self, spec):
        self.spec = spec
        self.lp = LoadParm()
        self.lp.load_default()
        self.db = SamDB(url="/var/lib/samba/private/sam.ldb", session_info=system_session(), lp=self.lp)
        self.base = str(self.db.domain_dn())
        self.dns = spec["realm"].lower()

    def sam_name(self, account):
        return account["name"] + ("$" if account["kind"] == "computer" else "")

    def dn(self, account):
        container = "Computers" if account["kind"] == "computer" else "Users"
        return f"CN={account['name']},CN={container},{self.base}"

    def sid(self, dn):
        found = self.db.search(dn, ldb.SCOPE_BASE, attrs=["objectSid"])[0]
        return ndr_unpack(security.dom_sid, bytes(found["objectSid"][0]))

    def change(self, dn, **attributes):
        message = ldb.Message(ldb.Dn(self.db, dn))
        for name, value in attributes.items():
            name = name.replace("_", "-")
            message[name] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, name)
        self.db.modify(message, ["relax:0", "local_oid:1.3.6.1.4.1.7165.4.3.16:0"])

    def add_account(self, account):
        dn, computer = self.dn(account), account["kind"] == "computer"
        entry = {
            "dn": dn,
            "objectClass": "computer" if computer else "user",
            "sAMAccountName": self.sam_name(account),
            "userAccountControl": str((WORKSTATION_TRUST_ACCOUNT if computer else NORMAL_ACCOUNT) | DISABLED),
        }
        if computer:
            entry["dNSHostName"] = f"{account['name']}.{self.dns}"
        elif account["upn"]:
            entry["userPrincipalName"] = account["upn"]
        if account["spns"]:
            entry["servicePrincipalName"] = account["spns"]
        if account["kind"] != "user":
            entry["msDS-SupportedEncryptionTypes"] = str(AES_ONLY)
        self.db.add(entry)
        quoted = f"(distinguishedName={ldb.binary_encode(dn)})"
        self.db.setpassword(quoted, account["password"], force_change_at_next_login=False)
        flags = WORKSTATION_TRUST_ACCOUNT if computer else NORMAL_ACCOUNT | DONT_EXPIRE_PASSWORD
        for flag in account["flags"]:
            flags |= FLAGS.get(flag, 0)
        self.change(dn, userAccountControl=str(flags))
        if "expired" in account["flags"]:
            self.change(dn, accountExpires=windows_time(time.time() - 86400))
        if "locked" in account["flags"]:
            self.change(dn, lockoutTime=windows_time(time.time()))

    def join_groups(self, account):
        for group in account["groups"]:
            self.db.add_remove_group_members(group, [self.sam_name(account)], add_members_operation=True)

    def delegate(self, account):
        if account["delegates_to"]:
            self.change(self.dn(account), msDS_AllowedToDelegateTo=account["delegates_to"])
        if account["accepts_delegation_from"]:
            source = next(a for a in self.spec["accounts"] if a["name"] == account["accepts_delegation_from"])
            sddl = f"O:BAD:(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;{self.sid(self.dn(source))})"
            descriptor = security.descriptor.from_sddl(sddl, security.dom_sid(self.db.get_domain_sid()))
            self.change(self.dn(account), msDS_AllowedToActOnBehalfOfOtherIdentity=ndr_pack(descriptor))

    def export_keytab(self, account):
        credentials = Credentials()
        credentials.guess(self.lp)
        net = Net(credentials, self.lp)
        path = f"/lab/keytabs/{account['name']}.keytab"
        for principal in [self.sam_name(account), *account["spns"]]:
            net.export_keytab(keytab=path, principal=principal)

    def fill(self):
        # A locked account stays locked, however old the image is.
        self.change(self.base, lockoutDuration=NEVER)
        for group in self.spec["groups"]:
            self.db.newgroup(group)
        for account in self.spec["accounts"]:
            self.add_account(account)
        for account in self.spec["accounts"]:
            self.join_groups(account)
            self.delegate(account)
        os.makedirs("/lab/keytabs", exist_ok=True)
        for account in self.spec["accounts"]:
            if account["kind"] != "user":
                self.export_keytab(account)

    def force_names(self):
        """Gives accounts names that others have. The directory's own modules refuse that, as a fault of replication or
        an old import would not, so it is written below them."""
        raw = ldb.Ldb(f"tdb:///var/lib/samba/private/sam.ldb.d/{self.base.upper()}.ldb")
        for account in self.spec["accounts"]:
            if account["forced_upn"]:
                message = ldb.Message(ldb.Dn(raw, self.dn(account)))
                message["userPrincipalName"] = ldb.MessageElement(
                    account["forced_upn"], ldb.FLAG_MOD_REPLACE, "userPrincipalName"
                )
                raw.modify(message)

    def facts(self):
        return {account["name"]: str(self.sid(self.dn(account))) for account in self.spec["accounts"]}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        domain = Domain(json.load(file))
    if sys.argv[2:] == ["forced-names"]:
        domain.force_names()
        return
    domain.fill()
    with open("/lab/facts.json", "w", encoding="utf-8") as file:
        json.dump(domain.facts(), file)
    domain.force_names()


main()
