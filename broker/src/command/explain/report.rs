//! What `kerbridge explain` prints.

use std::{fmt::Write as _, time::SystemTime};

use jiff::Timestamp;
use ldap_map::{
    alt_security_identities::{AltSecurityIdentity, Form, Sha1Reading},
    certificate::CertificateFacts,
    mapping::source::misleads,
};
use serde::Serialize;

use crate::{
    directory::{Explained, Settings},
    error::Refusal,
    identity::Check,
    policy::Grant,
    tickets::{Finding, Outlook},
};

/// Everything that was found out, in the order of the line.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    verdict: &'static str,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Certificate>,
    checks: Vec<Held>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Account>,
    #[serde(skip_serializing_if = "Option::is_none")]
    windows: Option<Windows>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Policy>,
    delegation: Vec<Service>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused>,
}

/// The names in a certificate.
#[derive(Debug, Serialize)]
struct Certificate {
    subject: String,
    issuer: String,
    upns: Vec<String>,
    sids: Vec<String>,
    /// Whether what it says of SIDs counts.
    enterprise_issuer: bool,
    mapping_values: Vec<Value>,
}

/// A value of `altSecurityIdentities` that an administrator could write.
#[derive(Debug, Serialize)]
struct Value {
    value: String,
    strength: &'static str,
    /// The reading of `<SHA1-PUKEY>`, and whether it is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Debug, Serialize)]
struct Held {
    check: &'static str,
    evidence: String,
}

/// The account that was found.
#[derive(Debug, Serialize)]
struct Account {
    dn: String,
    sam_account_name: String,
    object_sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    strength: Option<&'static str>,
    mapped_by: Vec<String>,
    ignored_values: Vec<String>,
    restrictions: Vec<String>,
}

/// What a Windows domain controller would do.
#[derive(Debug, Serialize)]
struct Windows {
    accepts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<u16>,
    words: String,
}

#[derive(Debug, Serialize)]
struct Policy {
    rule: String,
    gateway: String,
    target: String,
}

/// A service at the target.
#[derive(Debug, Serialize)]
pub(super) struct Service {
    spn: String,
    delegation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    missing: Vec<Missing>,
}

/// What mends something.
#[derive(Debug, Serialize)]
struct Missing {
    cause: String,
    words: String,
    windows: String,
    samba: String,
}

#[derive(Debug, Serialize)]
struct Refused {
    step: &'static str,
    code: &'static str,
    reason: String,
    remedies: Vec<Missing>,
}

impl Service {
    pub(super) fn new(spn: String, outlook: &Outlook) -> Self {
        let (delegation, reason, missing) = match outlook {
            Outlook::SetUp => ("set up", None, Vec::new()),
            Outlook::Missing(findings) => ("missing", None, findings.iter().map(Missing::of).collect()),
            Outlook::Untold(reason) => ("not known", Some(reason.clone()), Vec::new()),
        };
        Self { spn, delegation, reason, missing }
    }
}

impl Missing {
    fn of(finding: &Finding) -> Self {
        let Finding { cause, failed, windows, samba, .. } = finding;
        let (cause, words) = (cause.id().to_owned(), failed.clone());
        Self { cause, words, windows: windows.clone(), samba: samba.clone() }
    }
}

impl Report {
    pub(super) fn new(now: SystemTime) -> Self {
        Self {
            verdict: "accepted",
            at: Timestamp::try_from(now).unwrap_or(Timestamp::MAX).to_string(),
            certificate: None,
            checks: Vec::new(),
            account: None,
            windows: None,
            policy: None,
            delegation: Vec::new(),
            refused: None,
        }
    }

    pub(super) fn certificate(&mut self, facts: &CertificateFacts, settings: &Settings) {
        let texts = |values: Vec<AltSecurityIdentity>, note: Option<String>| {
            values.into_iter().map(move |value| Value {
                strength: value.form().strength().as_str(),
                value: value.to_string(),
                note: note.clone(),
            })
        };
        let digests = Sha1Reading::ALL.into_iter().flat_map(|reading| {
            let mut values = AltSecurityIdentity::all_of(facts, &[reading]);
            values.retain(|value| value.form() == Form::Sha1PublicKey);
            let counts = settings.mapping.sha1_readings.contains(&reading);
            let counts = if counts { "counts" } else { "does not count, by the configuration" };
            texts(values, Some(format!("the digest of the {} {counts}", reading.as_str())))
        });
        self.certificate = Some(Certificate {
            subject: facts.subject().to_owned(),
            issuer: facts.issuer().to_owned(),
            upns: facts.upns().iter().map(ToString::to_string).collect(),
            sids: facts.sids().iter().map(ToString::to_string).collect(),
            enterprise_issuer: settings.mapping.enterprise_issuers.include(facts),
            mapping_values: texts(AltSecurityIdentity::all_of(facts, &[]), None).chain(digests).collect(),
        });
    }

    pub(super) fn checks(&mut self, checks: &[Check]) {
        let held =
            |check: &Check| Held { check: check.name().as_str(), evidence: check.evidence().to_owned() };
        self.checks = checks.iter().map(held).collect();
    }

    pub(super) fn account(&mut self, explained: &Explained) {
        let Some(account) = &explained.account else { return };
        let mapped = explained.verdict.as_ref().ok();
        let grounds = mapped.map(|mapped| mapped.grounds().iter().map(ToString::to_string).collect());
        self.account = Some(Account {
            dn: account.dn.to_string(),
            sam_account_name: account.sam_account_name.clone(),
            object_sid: account.object_sid.to_string(),
            strength: mapped.map(|mapped| mapped.strength().as_str()),
            mapped_by: grounds.unwrap_or_default(),
            ignored_values: explained.ignored.iter().map(ToString::to_string).collect(),
            restrictions: account.restrictions().iter().map(ToString::to_string).collect(),
        });
        self.windows = explained.windows.map(|verdict| Windows {
            accepts: verdict == ldap_map::mapping::WindowsVerdict::Accepts,
            event: verdict.event().map(ldap_map::mapping::Event::id),
            words: verdict.to_string(),
        });
    }

    pub(super) fn grant(&mut self, grant: &Grant, gateway: &str) {
        let (rule, target) = (grant.decided_by(), grant.target().to_string());
        self.policy = Some(Policy { rule, gateway: gateway.to_owned(), target });
    }

    /// A login asks for the first service's ticket; what is missing for another one is told and refuses nothing.
    pub(super) fn service(&mut self, service: Service) {
        if self.delegation.is_empty() && service.delegation == "missing" {
            self.verdict = "refused";
            self.refused = Some(Refused {
                step: crate::error::Step::Issue.as_str(),
                code: crate::error::Code::DelegationRefused.as_str(),
                reason: format!("the directory does not let this service act at {}", service.spn),
                remedies: Vec::new(),
            });
        }
        self.delegation.push(service);
    }

    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        self.verdict = "refused";
        self.refused = Some(Refused {
            step: refusal.step().as_str(),
            code: refusal.logged_code().as_str(),
            reason: refusal.detail(),
            remedies: refusal.findings().iter().map(Missing::of).collect(),
        });
    }

    pub(super) const fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    pub(super) fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("texts, numbers and truth values only");
        text.push('\n');
        visible(&text)
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.write_certificate(&mut text);
        // Writing to a String does not fail.
        for Held { check, evidence } in &self.checks {
            let _ = writeln!(text, "{check}: ok: {evidence}");
        }
        if let Some(account) = &self.account {
            let Account { dn, sam_account_name, object_sid, strength, .. } = account;
            let _ = writeln!(text, "account: {sam_account_name} ({dn}), objectSid {object_sid}");
            if let Some(strength) = strength {
                let _ = writeln!(text, "mapping: {strength}, by {}", account.mapped_by.join(", "));
            }
            for ignored in &account.ignored_values {
                let _ = writeln!(text, "altSecurityIdentities: {ignored}");
            }
            for restriction in &account.restrictions {
                let _ = writeln!(text, "restriction: the account {restriction}");
            }
        }
        if let Some(windows) = &self.windows {
            let _ = writeln!(text, "a Windows domain controller {}", windows.words);
        }
        if let Some(Policy { rule, gateway, target }) = &self.policy {
            let _ = writeln!(text, "policy: rule {rule} permits {target} through {gateway}");
        }
        for service in &self.delegation {
            service.write(&mut text);
        }
        if let Some(Refused { step, code, reason, remedies }) = &self.refused {
            let _ = writeln!(text, "{step}: refused with {code}: {reason}");
            remedies.iter().for_each(|remedy| remedy.write(&mut text));
        }
        let _ = writeln!(text, "verdict at {}: {}", self.at, self.verdict);
        visible(&text)
    }

    fn write_certificate(&self, text: &mut String) {
        let Some(certificate) = &self.certificate else { return };
        let listed = |values: &[String]| {
            if values.is_empty() { "none".to_owned() } else { values.join(", ") }
        };
        let _ = writeln!(text, "subject: {}", certificate.subject);
        let _ = writeln!(text, "issuer: {}", certificate.issuer);
        let _ = writeln!(text, "upn: {}", listed(&certificate.upns));
        let counts =
            if certificate.enterprise_issuer { "" } else { " (its issuer is no enterprise authority)" };
        let _ = writeln!(text, "sid: {}{counts}", listed(&certificate.sids));
        for Value { value, strength, note } in &certificate.mapping_values {
            let note = note.as_ref().map_or_else(String::new, |note| format!("; {note}"));
            let _ = writeln!(text, "altSecurityIdentities value ({strength}{note}): {value}");
        }
    }
}

/// The lines of a text with every character that nobody sees, or that changes how others are seen, as its UTF-16 units `\uXXXX`: a
/// card can have such in its names. In JSON, where they stand within texts alone, that is their escape (RFC 8259 section 7).
fn visible(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' || !misleads(character) {
            written.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String does not fail.
            let _ = write!(written, "\\u{unit:04x}");
        }
    }
    written
}

impl Service {
    fn write(&self, text: &mut String) {
        let Self { spn, delegation, reason, missing } = self;
        let reason = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        let _ = writeln!(text, "delegation to {spn}: {delegation}{reason}");
        missing.iter().for_each(|missing| missing.write(text));
    }
}

impl Missing {
    fn write(&self, text: &mut String) {
        let Self { cause, words, windows, samba } = self;
        let _ = writeln!(text, "  {cause}: {words}\n    Windows: {windows}\n    Samba: {samba}");
    }
}
