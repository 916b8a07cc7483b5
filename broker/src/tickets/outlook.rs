//! Whether a ticket could be had, by what the directory says alone: nobody is asked for one.

use std::time::Instant;

use ldap_map::delegation::Question;

use super::Issuer;
use super::advice::command::Names;
use super::advice::judge::{Known, missing};
use super::diagnosis::{Finding, learn};
use crate::directory::{DirectoryAccount, Home, Testimony};

/// What the directory says of a ticket that nobody has asked for yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outlook {
    /// Nothing stands against it.
    SetUp,
    /// What is missing. Where there are two ways to delegate, what is missing for each.
    Missing(Vec<Finding>),
    /// It cannot be told, and why.
    Untold(String),
}

impl Issuer {
    /// Reads what a ticket for the account at the service `spn` rests on: our own account, the service's, and the delegation
    /// between them. Whoever asks waits until `answer_by`.
    pub async fn outlook(&self, account: &DirectoryAccount, spn: &str, answer_by: Instant) -> Outlook {
        if *account.home() != Home::Own {
            return Outlook::Untold(
                "the account is of another domain, of which our directory says nothing".to_owned(),
            );
        }
        let (own, own_spn) = (self.settings.account.joined(), self.settings.spn.joined());
        let user = &account.account().dn;
        let question = Question { account: &own, own_spn: &own_spn, user: Some(user), target_spn: Some(spn) };
        let facts = match self.witness.ask(&question, answer_by).await {
            Testimony::Heard(facts) => facts,
            Testimony::Unreadable(error) => return Outlook::Untold(error.to_string()),
            Testimony::TooLate => return Outlook::Untold("the directory was not read in time".to_owned()),
            Testimony::Elsewhere => return Outlook::Untold("the account is of another domain".to_owned()),
        };
        let versions = self.client.key_versions();
        let known = Known { facts: &facts, own_spn: &own_spn, key_versions: versions.as_deref() };
        let mut names = Names {
            account: Some(own),
            own_spn: Some(own_spn.clone()),
            realm: Some(self.settings.realm.to_string()),
            user: Some(account.account().sam_account_name.clone()),
            spn: Some(spn.to_owned()),
            ..Names::default()
        };
        learn(&mut names, &known);
        let findings: Vec<Finding> =
            missing(&known).into_iter().map(|cause| Finding::of_cause(cause, &known, &names)).collect();
        if findings.is_empty() { Outlook::SetUp } else { Outlook::Missing(findings) }
    }
}
