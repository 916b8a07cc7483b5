//! What will be asked of the domain controllers for one login.

use std::net::SocketAddr;
use std::time::Duration;

use kdc_proxy::net::locate::Preference;
use kdc_proxy::principal::{Principal, PrincipalName, Realm};
use ldap_map::dn::Dn;

use super::subject::{self, SubjectError};
use crate::directory::DirectoryAccount;
use crate::policy::{Grant, ServiceName};

/// Whom to prove, for which services, for how long.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) subject: Principal,
    /// Where the person's account lies.
    pub(super) user: Dn,
    /// In the order of the grant; the first is asked for at login.
    pub(super) services: Vec<PrincipalName>,
    pub(super) lifetime: Duration,
    /// The domain controller that named the account.
    pub(super) near: Preference,
}

impl Plan {
    pub(super) fn new(
        account: &DirectoryAccount,
        grant: &Grant,
        own: &Realm,
        trusted: &[Realm],
    ) -> Result<Self, SubjectError> {
        let server = account.server();
        let addresses = server.fixed_addresses().iter().map(SocketAddr::ip).collect();
        let near = Preference::new(server.name(), addresses);
        let subject = subject::principal(account, own, trusted)?;
        let user = account.account().dn.clone();
        let lifetime = grant.maximum_ticket();
        Ok(Self { subject, user, services: services(grant)?, lifetime, near })
    }
}

impl Plan {
    /// The same, for what a grant still permits.
    pub(super) fn within(self, grant: &Grant) -> Result<Self, SubjectError> {
        Ok(Self { services: services(grant)?, lifetime: grant.maximum_ticket(), ..self })
    }
}

fn services(grant: &Grant) -> Result<Vec<PrincipalName>, SubjectError> {
    let name =
        |service: &ServiceName| PrincipalName::service(service.class().as_str(), service.host().as_str());
    grant.services().iter().map(name).collect::<Result<_, _>>().map_err(SubjectError::Service)
}

#[cfg(test)]
mod tests {
    use ldap_map::testing::Person;

    use super::*;
    use crate::directory::testing::account;
    use crate::policy::testing::grant;

    #[test]
    fn a_plan_asks_for_the_granted_services_in_their_order_and_no_others() {
        let realm = Realm::new("CORP.EXAMPLE").expect("a realm");
        let grant = grant("desk1.corp.example", &["TERMSRV", "HTTP", "host"]);
        let plan =
            Plan::new(&account(&Person::new("alice")), &grant, &realm, &[]).expect("an ordinary account");
        let services: Vec<_> = plan.services.iter().map(PrincipalName::joined).collect();
        assert_eq!(
            services,
            ["TERMSRV/desk1.corp.example", "HTTP/desk1.corp.example", "host/desk1.corp.example"]
        );
        assert_eq!(plan.subject.to_string(), "alice@CORP.EXAMPLE");
        assert_eq!(plan.lifetime, grant.maximum_ticket());
    }
}
