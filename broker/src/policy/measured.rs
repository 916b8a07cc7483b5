//! What `broker/benches` measures of decisions and is not public otherwise.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ldap_map::dn::Dn;
use ldap_map::mapping::Strength;

use super::facts::{Certificate, Circumstances, DistinguishedName, Person, Revocation, Tags, TargetFacts};
use super::rule::{Held, Membership, fold};
use super::{Channel, Decision, Policy, PolicyFile, Request, Settings, Target};

/// Policies, and a request that one of them permits.
pub struct Measured {
    policy: Arc<Policy>,
    request: Request,
}

impl Measured {
    /// `count` policies, each for a target and a group of its own but for two that are about all targets. The person is in twenty
    /// groups. `None` where the policies do not compile, which they do.
    #[must_use]
    pub fn new(count: usize) -> Option<Self> {
        let files = vec![PolicyFile { name: "measured.cedar".to_owned(), text: text(count) }];
        let services = vec!["TERMSRV".parse().ok()?, "HTTP".parse().ok()?];
        let settings = Settings { files, services, gateways: vec!["gw1".to_owned()], ..Settings::default() };
        let request = Request {
            person: person()?,
            target: TargetFacts::unknown(Target::new("desk1.corp.example").ok()?),
            circumstances: Circumstances {
                gateway: "gw1".to_owned(),
                client_address: Some([10, 1, 2, 3].into()),
                time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
                channel: Channel::CardListener,
                revocation: Revocation::default(),
            },
            services: Vec::new(),
            no_others: false,
            is_controller: false,
        };
        Some(Self { policy: Arc::new(Policy::compile(&settings).ok()?), request })
    }

    /// Decides: a login, and two services. True where it is permitted.
    #[must_use]
    pub fn decide(&self) -> bool {
        matches!(self.policy.decide(self.request.clone()), Decision::Permit(_))
    }
}

fn text(count: usize) -> String {
    let mut text = String::from(
        "@id(\"cards\") forbid(principal, action == Kerbridge::Action::\"login\", resource)\n\
         when { principal.mapping.strength != \"strong\" };\n\
         @id(\"gateways\") forbid(principal, action == Kerbridge::Action::\"login\", resource)\n\
         unless { context.gateway == Kerbridge::Gateway::\"gw1\" };\n",
    );
    for place in 1..=count.saturating_sub(2) {
        let policy = writeln!(
            text,
            "@id(\"desk{place}\") @maximum_session(\"8h\")\n\
             permit(principal in Kerbridge::Group::\"Users of desk{place}\",\n\
             action in [Kerbridge::Action::\"login\", Kerbridge::Action::\"delegate\"],\n\
             resource == Kerbridge::Target::\"desk{place}.corp.example\")\n\
             when {{ principal.account like \"a*\" && principal.authentication_level >= 0 }};"
        );
        policy.expect("a String takes every write");
    }
    text
}

fn person() -> Option<Person> {
    let name = |text: &str| Some(DistinguishedName::Written(Dn::parse(text).ok()?));
    let held = |place: u32| {
        Some(Held {
            sid: format!("S-1-5-21-1-2-3-{}", place.saturating_add(2000)).parse().ok()?,
            name: Some(fold(&format!("Users of desk{place}"))),
        })
    };
    Some(Person {
        sid: "S-1-5-21-1-2-3-1104".parse().ok()?,
        account: "alice".to_owned(),
        upn: Some("alice@corp.example".to_owned()),
        realm: "CORP.EXAMPLE".to_owned(),
        distinguished_name: name("CN=alice,OU=Staff,DC=corp,DC=example")?,
        strength: Strength::Strong,
        form: "sid".to_owned(),
        certificate: Certificate {
            subject: name("CN=Alice,O=Corp")?,
            issuer: name("CN=Issuing CA,O=Corp")?,
            serial: "0110".to_owned(),
            thumbprint: "00".repeat(32),
            policies: ["2.16.840.1.101.3.2.1.3.13".to_owned()].into(),
        },
        authentication_level: 4,
        tags: Tags::new(),
        membership: Membership { held: (1..=20).map(held).collect::<Option<_>>()?, foreign: None },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Action;

    #[test]
    fn a_decision_evaluates_the_policies_about_its_target_and_no_others() {
        for count in [10, 1_000] {
            let measured = Measured::new(count).expect("good policies");
            assert!(measured.decide());
            let slice = measured.policy.about_target(Action::Login, &measured.request.target);
            let ids: Vec<&str> = slice.policies.iter().map(|policy| policy.id.as_str()).collect();
            assert_eq!(ids, ["cards", "gateways", "desk1"]);
        }
    }
}
