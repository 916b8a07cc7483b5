//! For tests: objects of a made-up directory.
//!
//! Objects are built from attributes and read by the same code as those of a real directory.

use crate::account::Account;
use crate::entry::Entry;
use crate::sid::Sid;

/// The SID of the made-up domain `corp.example`.
pub const DOMAIN_SID: &str = "S-1-5-21-1004336348-1177238915-682003330";

/// An object of the domain `corp.example`, first an ordinary account that may be used.
#[derive(Clone, Debug)]
pub struct Person {
    pub(crate) dn: String,
    pub(crate) attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Person {
    /// The account `name`, with the relative identifier 1103, the UPN `name@corp.example`, made at the turn of
    /// 2024, and member of Domain Users.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::empty(&format!("CN={name},CN=Users,DC=corp,DC=example"))
            .with("objectGUID", &[&b"\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"[..]])
            .with("sAMAccountName", &[name])
            .with("userPrincipalName", &[format!("{name}@corp.example")])
            .with("userAccountControl", &["512"])
            .with("msDS-User-Account-Control-Computed", &["0"])
            .with("accountExpires", &["9223372036854775807"])
            .with("lockoutTime", &["0"])
            .with("whenCreated", &["20240101000000.0Z"])
            .with("primaryGroupID", &["513"])
            .with("sAMAccountType", &["805306368"])
            .with("objectClass", &["top", "person", "organizationalPerson", "user"])
            .sid(&format!("{DOMAIN_SID}-1103"))
            .member_of(&[&format!("{DOMAIN_SID}-513")])
    }

    /// An object without attributes.
    #[must_use]
    pub fn empty(dn: &str) -> Self {
        Self { dn: dn.to_owned(), attributes: Vec::new() }
    }

    /// Sets the values of an attribute, in place of the former ones.
    #[must_use]
    pub fn with<Value: AsRef<[u8]>>(mut self, attribute: &str, values: &[Value]) -> Self {
        self = self.without(attribute);
        let values = values.iter().map(|value| value.as_ref().to_vec()).collect();
        self.attributes.push((attribute.to_owned(), values));
        self
    }

    /// Removes an attribute.
    #[must_use]
    pub fn without(mut self, attribute: &str) -> Self {
        self.attributes.retain(|(name, _)| name != attribute);
        self
    }

    /// Moves the object.
    #[must_use]
    pub fn at(mut self, dn: &str) -> Self {
        dn.clone_into(&mut self.dn);
        self
    }

    /// Sets `objectSid` from its text.
    ///
    /// # Panics
    /// When the text is not a SID.
    #[must_use]
    pub fn sid(self, sid: &str) -> Self {
        let sid: Sid = sid.parse().expect("a SID in a test is well-formed");
        self.with("objectSid", &[sid.as_bytes()])
    }

    /// Sets `tokenGroups` from the texts of SIDs.
    ///
    /// # Panics
    /// When a text is not a SID.
    #[must_use]
    pub fn member_of(self, sids: &[&str]) -> Self {
        let sids: Vec<Sid> =
            sids.iter().map(|sid| sid.parse().expect("a SID in a test is well-formed")).collect();
        let octets: Vec<&[u8]> = sids.iter().map(Sid::as_bytes).collect();
        self.with("tokenGroups", &octets)
    }

    /// The object as the directory would send it.
    ///
    /// # Panics
    /// Never: attributes are set once.
    #[must_use]
    pub fn entry(&self) -> Entry {
        let mut entry = Entry::new(&self.dn);
        for (name, values) in &self.attributes {
            assert!(entry.add(name, values.clone()), "attributes are set once");
        }
        entry
    }

    /// The object as an account.
    ///
    /// # Panics
    /// When the attributes do not make an account.
    #[must_use]
    pub fn account(&self) -> Account {
        Account::from_entry(&self.entry()).expect("the attributes make an account")
    }
}
