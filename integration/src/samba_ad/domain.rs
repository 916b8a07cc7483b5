//! The description of a domain, read from top to bottom: an account, then what is said of it.

use serde_json::{Value, json};

/// A domain and what is in it.
///
/// ```
/// use integration::samba_ad::Domain;
///
/// let domain = Domain::corp()
///     .group("Desktop Users")
///     .user("alice").member_of("Desktop Users")
///     .service_account("svc-broker")
///         .spn("HTTP/broker.corp.example")
///         .protocol_transition()
///         .delegates_to("TERMSRV/desk1.corp.example")
///     .computer("desk1").spn("TERMSRV/desk1.corp.example")
///     .computer("desk2").spn("TERMSRV/desk2.corp.example").accepts_delegation_from("svc-broker");
/// assert_eq!(domain.password("alice").as_deref(), Some("alice-Passw0rd"));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Domain {
    realm: &'static str,
    netbios: &'static str,
    groups: Vec<String>,
    accounts: Vec<Account>,
}

#[derive(Clone, Debug)]
struct Account {
    name: String,
    kind: Kind,
    password: String,
    upn: Option<String>,
    forced_upn: Option<String>,
    spns: Vec<String>,
    flags: Vec<&'static str>,
    groups: Vec<String>,
    delegates_to: Vec<String>,
    accepts_delegation_from: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    User,
    Service,
    Computer,
}

impl Domain {
    /// The empty domain `CORP.EXAMPLE`.
    pub fn corp() -> Self {
        Self { realm: "CORP.EXAMPLE", netbios: "CORP", groups: Vec::new(), accounts: Vec::new() }
    }

    /// The empty domain `BETA.EXAMPLE`, a forest of its own.
    pub fn beta() -> Self {
        Self { realm: "BETA.EXAMPLE", netbios: "BETA", groups: Vec::new(), accounts: Vec::new() }
    }

    /// What the tests have in the other forest: people whose cards are good at the broker of `corp.example` too, one of them with a
    /// name that is not of the domain; two desktops; an account that may read the directory, and one that logs in as the broker.
    pub fn of_the_other_forest() -> Self {
        let people = Self::beta()
            .group("Desktop Users")
            .user("carol")
            .member_of("Desktop Users")
            .user("dora")
            .upn("dora@people.example")
            .member_of("Desktop Users")
            .user("svc-reader");
        let broker = people
            .service_account("svc-broker")
            .spn("HTTP/broker.beta.example")
            .protocol_transition()
            .delegates_to("TERMSRV/bdesk1.beta.example");
        broker.desktop("bdesk1").desktop("bdesk2").accepts_delegation_from("svc-broker")
    }

    /// The domain of the end-to-end tests: `svc-broker` may delegate to `desk1` and the directory by its own list, to `desk2`
    /// because `desk2` says so, and not to `desk3`; the people each have one thing about them.
    pub fn of_the_tests() -> Self {
        let people = Self::corp()
            .group("Desktop Users")
            .group("Night Shift")
            .user("alice")
            .member_of("Desktop Users")
            .user("carol")
            .upn("carol.jones@corp.example")
            .member_of("Desktop Users")
            .user("bob")
            .user("dave")
            .member_of("Desktop Users")
            .disabled()
            .user("eve")
            .member_of("Desktop Users")
            .expired()
            .user("lou")
            .member_of("Desktop Users")
            .locked()
            .user("paula")
            .member_of("Desktop Users")
            .member_of("Protected Users")
            .user("sam")
            .member_of("Desktop Users")
            .sensitive()
            .user("grace")
            .member_of("Desktop Users")
            .user("gregory")
            .forced_upn("grace@corp.example");
        let broker = people
            .service_account("svc-broker")
            .spn("HTTP/broker.corp.example")
            .protocol_transition()
            .delegates_to("TERMSRV/desk1.corp.example")
            .delegates_to("HTTP/desk1.corp.example")
            .delegates_to("host/desk1.corp.example")
            .delegates_to("vnc/desk1.corp.example")
            .delegates_to("ldap/dc1.corp.example");
        broker.desktop("desk1").desktop("desk2").accepts_delegation_from("svc-broker").desktop("desk3")
    }

    /// Adds a group.
    pub fn group(mut self, name: &str) -> Self {
        self.groups.push(name.to_owned());
        self
    }

    /// Begins a person's account; its user principal name is `NAME@` the domain's name, its password `NAME-Passw0rd`.
    pub fn user(self, name: &str) -> Self {
        self.account(name, Kind::User)
    }

    /// Begins a service's account, with AES keys only.
    pub fn service_account(self, name: &str) -> Self {
        self.account(name, Kind::Service)
    }

    /// Begins a computer's account, with AES keys only.
    pub fn computer(self, name: &str) -> Self {
        self.account(name, Kind::Computer)
    }

    /// Begins a computer's account with the services a desktop host offers.
    pub fn desktop(self, name: &str) -> Self {
        let host = format!("{name}.{}", self.dns_name());
        let services = ["TERMSRV", "HTTP", "host", "vnc"];
        services.iter().fold(self.computer(name), |domain, class| domain.spn(&format!("{class}/{host}")))
    }

    /// Adds people `p00`, `p01` and so on who may open desktops.
    pub fn crowd(self, size: usize) -> Self {
        Self::crowd_names(size).iter().fold(self, |domain, name| domain.user(name).member_of("Desktop Users"))
    }

    /// The names of the people that [`Domain::crowd`] adds.
    #[must_use]
    pub fn crowd_names(size: usize) -> Vec<String> {
        (0..size).map(|number| format!("p{number:02}")).collect()
    }

    /// Another user principal name than the usual one.
    pub fn upn(self, upn: &str) -> Self {
        self.last(|account| account.upn = Some(upn.to_owned()))
    }

    /// A user principal name that another account has, written past the directory's own check.
    pub fn forced_upn(self, upn: &str) -> Self {
        self.last(|account| account.forced_upn = Some(upn.to_owned()))
    }

    /// A member of a group.
    pub fn member_of(self, group: &str) -> Self {
        self.last(|account| account.groups.push(group.to_owned()))
    }

    /// Disabled (`userAccountControl` 0x2).
    pub fn disabled(self) -> Self {
        self.last(|account| account.flags.push("disabled"))
    }

    /// Ended yesterday (`accountExpires`).
    pub fn expired(self) -> Self {
        self.last(|account| account.flags.push("expired"))
    }

    /// Locked out for ever (`lockoutTime`).
    pub fn locked(self) -> Self {
        self.last(|account| account.flags.push("locked"))
    }

    /// "Sensitive and cannot be delegated" (`userAccountControl` 0x100000).
    pub fn sensitive(self) -> Self {
        self.last(|account| account.flags.push("not_delegated"))
    }

    /// A service principal name.
    pub fn spn(self, spn: &str) -> Self {
        self.last(|account| account.spns.push(spn.to_owned()))
    }

    /// May ask for tickets of people who did not log in with Kerberos (`userAccountControl` 0x1000000).
    pub fn protocol_transition(self) -> Self {
        self.last(|account| account.flags.push("protocol_transition"))
    }

    /// May act for people at this service (`msDS-AllowedToDelegateTo`).
    pub fn delegates_to(self, spn: &str) -> Self {
        self.last(|account| account.delegates_to.push(spn.to_owned()))
    }

    /// Lets another account act for people here (`msDS-AllowedToActOnBehalfOfOtherIdentity`).
    pub fn accepts_delegation_from(self, account: &str) -> Self {
        self.last(|last| last.accepts_delegation_from = Some(account.to_owned()))
    }

    /// The Kerberos realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        self.realm
    }

    /// The DNS name of the domain.
    #[must_use]
    pub fn dns_name(&self) -> String {
        self.realm.to_ascii_lowercase()
    }

    /// The distinguished name of the domain.
    #[must_use]
    pub fn base_dn(&self) -> String {
        let labels: Vec<String> = self.dns_name().split('.').map(|label| format!("DC={label}")).collect();
        labels.join(",")
    }

    /// The DNS name of its first domain controller.
    #[must_use]
    pub fn controller_name(&self) -> String {
        self.controller_name_of(1)
    }

    /// The DNS name of the controller `dc1`, `dc2` and so on.
    pub(super) fn controller_name_of(&self, number: u8) -> String {
        format!("dc{number}.{}", self.dns_name())
    }

    /// The password of an account; none where there is no such account.
    #[must_use]
    pub fn password(&self, name: &str) -> Option<String> {
        self.accounts.iter().find(|account| account.name == name).map(|account| account.password.clone())
    }

    /// The description as the image's scripts read it.
    pub(super) fn to_json(&self) -> String {
        let accounts: Vec<Value> = self.accounts.iter().map(Account::to_json).collect();
        json!({
            "realm": self.realm,
            "dns_name": self.dns_name(),
            "base_dn": self.base_dn(),
            "netbios": self.netbios,
            "administrator_password": "administrator-Passw0rd",
            "groups": self.groups,
            "accounts": accounts,
        })
        .to_string()
    }

    fn account(mut self, name: &str, kind: Kind) -> Self {
        let upn = format!("{name}@{}", self.dns_name());
        self.accounts.push(Account {
            name: name.to_owned(),
            kind,
            password: format!("{name}-Passw0rd"),
            upn: (kind != Kind::Computer).then_some(upn),
            forced_upn: None,
            spns: Vec::new(),
            flags: Vec::new(),
            groups: Vec::new(),
            delegates_to: Vec::new(),
            accepts_delegation_from: None,
        });
        self
    }

    fn last(mut self, change: impl FnOnce(&mut Account)) -> Self {
        change(self.accounts.last_mut().expect("what is said of an account stands after it"));
        self
    }
}

impl Account {
    fn to_json(&self) -> Value {
        let kind = match self.kind {
            Kind::User => "user",
            Kind::Service => "service",
            Kind::Computer => "computer",
        };
        json!({
            "name": self.name,
            "kind": kind,
            "password": self.password,
            "upn": self.upn,
            "forced_upn": self.forced_upn,
            "spns": self.spns,
            "flags": self.flags,
            "groups": self.groups,
            "delegates_to": self.delegates_to,
            "accepts_delegation_from": self.accepts_delegation_from,
        })
    }
}
