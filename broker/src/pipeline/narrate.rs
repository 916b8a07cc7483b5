//! What a step established, in a clause for the log and the demonstration. Names and times, no secrets.

use std::fmt::Display;
use std::time::SystemTime;

use jiff::Timestamp;

use crate::directory::DirectoryAccount;
use crate::handoff::Handoff;
use crate::identity::{RevocationEvidence, ValidatedIdentity};
use crate::policy::{Grant, Policies, ServiceName};
use crate::tickets::DelegatedTicket;

pub(super) fn identity(identity: &ValidatedIdentity) -> String {
    joined(identity.checks(), "; ")
}

/// Tells the log what the login relies on about revocation and how old it is, and whoever watches it where that is less than
/// what was wanted.
pub(super) fn revocation(evidence: &RevocationEvidence, now: SystemTime) {
    let now = Timestamp::try_from(now).unwrap_or(Timestamp::MAX);
    let age = evidence.oldest_age(now).map(|age| age.as_secs());
    if !evidence.is_checked() {
        return;
    }
    let told = tracing::field::display(evidence);
    if evidence.is_something_unknown() {
        tracing::warn!(
            evidence = told,
            age,
            "a certificate is accepted though nothing is known of its revocation"
        );
    } else if evidence.is_degraded() {
        tracing::warn!(evidence = told, age, "revocation is known from a further source only");
    } else {
        tracing::info!(evidence = told, age, "no certificate is revoked");
    }
}

pub(super) fn account(account: &DirectoryAccount) -> String {
    let (strength, grounds) = (account.strength().as_str(), joined(account.grounds(), ", "));
    let account = account.account();
    let (name, sid) = (&account.sam_account_name, &account.object_sid);
    let restrictions = account.restrictions();
    let restrictions =
        if restrictions.is_empty() { String::new() } else { format!("; it {}", joined(&restrictions, ", ")) };
    format!("{name} with objectSid {sid}, mapping {strength} by {grounds}{restrictions}")
}

pub(super) fn grant(grant: &Grant) -> String {
    let services = grant.services().iter().map(ServiceName::to_string).collect::<Vec<_>>();
    let seconds = grant.maximum_session().as_secs();
    format!("{} permit {} for {seconds} s", Policies(grant.policies().to_vec()), joined(&services, ", "))
}

pub(super) fn ticket(ticket: &DelegatedTicket) -> String {
    let first = ticket.first();
    let end = first.times().endtime;
    let (client, server) = (first.client(), first.server());
    format!("{client} to {server} until {end}, PAC of {}, {}", ticket.sid(), ticket.membership())
}

pub(super) fn handoff(handoff: &Handoff) -> String {
    format!("a code for gateway {}, good for {} s", handoff.gateway(), handoff.expires_in().as_secs())
}

fn joined<T: Display>(parts: &[T], separator: &str) -> String {
    parts.iter().map(T::to_string).collect::<Vec<_>>().join(separator)
}
