//! A failure of the domain with what it rests on: what was seen, what the directory says, and what mends it.

use std::fmt;

use kdc_proxy::net::client::{ClientError, Stage};
use ldap_map::account::NotUsable;
use ldap_map::delegation::ServiceAccount;
use ldap_map::dn::Dn;
use thiserror::Error;

use super::advice::cause::{Account, Cause};
use super::advice::command::{For, Names, readable};
use super::advice::judge::{Certainty, Known, difference, judge};
use super::advice::symptom::Symptom;
use crate::directory::Testimony;

/// One cause, with the names of this case filled in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Which.
    pub cause: Cause,
    /// Whether the directory says so.
    pub certainty: Certainty,
    /// What fails, and why.
    pub failed: String,
    /// Whose account has to be changed, by its `sAMAccountName`; empty where it is none.
    pub account: String,
    /// Which attribute of it; empty where it is none.
    pub attribute: &'static str,
    /// The command that mends it, for PowerShell.
    pub windows: String,
    /// The command that mends it, for a shell on a Samba domain controller.
    pub samba: String,
}

/// There is no ticket, because of how the domain is set up or what state an account is in.
#[derive(Debug, Error)]
pub struct Diagnosed {
    symptom: Symptom,
    error: Option<ClientError>,
    names: Names,
    heard: Heard,
    findings: Vec<Finding>,
}

/// Whether the directory was heard.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Heard {
    Yes,
    Unreadable(String),
    TooLate,
    Elsewhere,
}

impl Finding {
    fn new(cause: Cause, certainty: Certainty, names: &Names) -> Self {
        let row = cause.row();
        let account = match row.account {
            Account::Own => &names.account,
            Account::Target => &names.target,
            Account::User => &names.user,
            Account::Domain => &None,
        };
        Self {
            cause,
            certainty,
            failed: names.fill(row.failed, For::Text),
            account: account.as_deref().map(readable).unwrap_or_default(),
            attribute: row.attribute,
            windows: names.fill(row.windows, For::PowerShell),
            samba: names.fill(row.samba, For::Shell),
        }
    }

    /// A finding that also names the account which has a name it should not have.
    fn with_other(cause: Cause, certainty: Certainty, names: &Names, other: Option<&ServiceAccount>) -> Self {
        let other = other.map(|account| account.sam_account_name.clone());
        Self::new(cause, certainty, &Names { other, ..names.clone() })
    }

    /// What the directory says is missing.
    pub(super) fn of_cause(cause: Cause, known: &Known<'_>, names: &Names) -> Self {
        Self::with_other(cause, Certainty::Confirmed, names, known.other(cause))
    }

    /// What is to be mended so that an account which the directory's answer excludes may be used; `None` where no command
    /// would make it one.
    #[must_use]
    pub fn of_account(sam_account_name: &str, dn: &Dn, reason: &NotUsable) -> Option<Self> {
        let cause = match reason {
            NotUsable::Disabled { .. } => Cause::UserDisabled,
            NotUsable::Expired { .. } => Cause::UserExpired,
            NotUsable::Locked { .. } | NotUsable::PerhapsLocked { .. } => Cause::UserLocked,
            NotUsable::OutsideLogonHours { .. } => Cause::UserOutsideHours,
            NotUsable::ProtectedUser { .. } => Cause::UserProtected,
            NotUsable::NotDelegated { .. } => Cause::UserSensitive,
            _ => return None,
        };
        let user = Some(sam_account_name.to_owned());
        let names = Names { user, user_dn: Some(dn.as_str().to_owned()), ..Names::default() };
        Some(Self::new(cause, Certainty::Confirmed, &names))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cause, failed, attribute, windows, samba, .. } = self;
        write!(f, "{cause}: {failed}")?;
        if !attribute.is_empty() && !failed.contains(attribute) {
            write!(f, " ({attribute})")?;
        }
        write!(f, "; Windows: `{windows}`; Samba: `{samba}`")
    }
}

impl Diagnosed {
    /// Judges by what the directory said. `names` holds what is known without it.
    pub(super) fn new(
        symptom: Symptom,
        error: Option<ClientError>,
        mut names: Names,
        key_versions: Option<&[u32]>,
        testimony: &Testimony,
    ) -> Self {
        let own_spn = names.own_spn.clone().unwrap_or_default();
        let known = match testimony {
            Testimony::Heard(facts) => Some(Known { facts, own_spn: &own_spn, key_versions }),
            Testimony::Unreadable(_) | Testimony::TooLate | Testimony::Elsewhere => None,
        };
        if let Some(known) = &known {
            learn(&mut names, known);
        }
        let find = |(cause, certainty)| {
            let other = known.as_ref().and_then(|known| known.other(cause));
            Finding::with_other(cause, certainty, &names, other)
        };
        let findings = judge(&symptom, known.as_ref()).into_iter().map(find).collect();
        let heard = match testimony {
            Testimony::Heard(_) => Heard::Yes,
            Testimony::Unreadable(error) => Heard::Unreadable(error.to_string()),
            Testimony::TooLate => Heard::TooLate,
            Testimony::Elsewhere => Heard::Elsewhere,
        };
        Self { symptom, error, names, heard, findings }
    }

    /// The causes, the most probable first; never empty.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What was seen.
    #[must_use]
    pub const fn symptom(&self) -> &Symptom {
        &self.symptom
    }

    /// The client's error, where there was one.
    #[must_use]
    pub const fn error(&self) -> Option<&ClientError> {
        self.error.as_ref()
    }
}

/// Adds the names that the directory knows.
pub(super) fn learn(names: &mut Names, known: &Known<'_>) {
    let facts = known.facts;
    if let Some(own) = &facts.own {
        names.account_dn = Some(own.dn.as_str().to_owned());
        names.key_version = own.key_version_number.map(|version| version.to_string());
    }
    if let Some(user) = &facts.user {
        names.user_dn = Some(user.dn.as_str().to_owned());
    }
    if let Some(target) = known.target() {
        names.target = Some(target.sam_account_name.clone());
        names.target_dn = Some(target.dn.as_str().to_owned());
    }
    names.server = Some(facts.server.name.clone());
    names.difference = difference(&facts.server).map(|(apart, is_ahead)| {
        format!("{} s {}", apart.as_secs(), if is_ahead { "ahead" } else { "behind" })
    });
}

impl fmt::Display for Diagnosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_symptom(f)?;
        let server = self.names.fill("{server}", For::Text);
        let sure = self.findings.iter().any(|finding| finding.certainty == Certainty::Confirmed);
        match &self.heard {
            Heard::Yes if sure => write!(f, "; by the directory ({server}) it is ")?,
            Heard::Yes => write!(f, "; the directory ({server}) cannot tell, it may be ")?,
            Heard::Unreadable(error) => write!(f, "; the directory cannot be read ({error}), it may be ")?,
            Heard::TooLate => write!(f, "; the directory was not read in time, it may be ")?,
            Heard::Elsewhere => {
                write!(f, "; of an account of another domain our directory says nothing, it may be ")?
            }
        }
        for (place, finding) in self.findings.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; or " };
            write!(f, "{separator}{finding}")?;
        }
        Ok(())
    }
}

impl Diagnosed {
    fn write_symptom(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let say = |template| self.names.fill(template, For::Text);
        match &self.symptom {
            Symptom::Refused { stage, code, status, text } => {
                let whom = match stage {
                    Stage::S4u2Proxy => {
                        "the domain controller refused {account} a ticket to {spn} for {user}"
                    }
                    Stage::S4u2Self => "the domain controller refused {account} evidence about {user}",
                    Stage::As | Stage::Tgs => "the domain controller refused {account} a ticket of its own",
                };
                write!(f, "{} with {code}", say(whom))?;
                if let Some(status) = status {
                    write!(f, " and {status}")?;
                }
                text.as_ref().map_or(Ok(()), |text| write!(f, " ({text:?})"))
            }
            Symptom::NotForwardable => f.write_str(&say(
                "the domain controller proved {user} to {account} but gave evidence that is not forwardable",
            )),
            Symptom::WeakTicket { .. }
            | Symptom::UnknownKey
            | Symptom::ClocksDiffer
            | Symptom::EvidenceFromAbroad
            | Symptom::NoTrust
            | Symptom::Referral { .. } => match &self.error {
                Some(error) => write!(f, "{} ({error})", say("no ticket for {account}")),
                None => f.write_str(&say("no ticket for {account}")),
            },
        }
    }
}

#[cfg(test)]
mod tests;
