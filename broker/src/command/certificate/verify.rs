//! `kerbridge certificate verify`.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::{CertificateFault, MAX_LISTS_SIZE, REFUSED, all_certificates, certificates, octets};
use crate::{
    clock,
    command::Arguments,
    identity::{
        Check, CheckName, IdentityError, PeerCertificates, Policies, Revocation, Settings, SettingsError,
        SettingsProblem, Usage, Validator,
    },
};

/// What a certificate is held against. Files are PEM, several in one if need be, or DER.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct VerifyArguments {
    /// The roots to trust.
    #[arg(long, value_name = "FILE", required = true)]
    trust: Vec<PathBuf>,
    /// Certificates of authorities, and of signers of revocation lists, that help to build a path.
    #[arg(long, value_name = "FILE")]
    intermediate: Vec<PathBuf>,
    /// Revocation lists. Where one is given, every certificate of the path but the root needs one.
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// OCSP responses, asked before the lists. Without lists, issuers that no response speaks of are passed over.
    #[arg(long, value_name = "FILE")]
    ocsp: Vec<PathBuf>,
    /// A policy that counts; without one, any does.
    #[arg(long, value_name = "OID")]
    policy: Vec<String>,
    /// The path must be valid for such a policy.
    #[arg(long)]
    explicit_policy: bool,
    /// anyPolicy counts as no policy.
    #[arg(long)]
    inhibit_any_policy: bool,
    /// No policy is taken for another one.
    #[arg(long)]
    inhibit_policy_mapping: bool,
    /// A purpose it must have, in place of those of a card; `any` asks for none, nor for any other rule of a card.
    #[arg(long, value_name = "OID|any")]
    eku: Vec<String>,
    /// Takes the rules for cards from this configuration, in place of the defaults; none of its certificates or lists.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The time of the check; now where it is not given.
    #[arg(long, value_name = "RFC3339")]
    at: Option<String>,
    /// Refuses where revocation cannot be checked.
    #[arg(long)]
    require_revocation: bool,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    /// The certificate in question. What stands behind it in its file helps to build a path.
    #[arg(value_name = "LEAF")]
    leaf: PathBuf,
}

impl VerifyArguments {
    fn time(&self) -> Result<SystemTime, CertificateFault> {
        let Some(text) = &self.at else { return Ok(clock::now()) };
        let time: Timestamp = text.parse().map_err(|_| CertificateFault::Time(text.clone()))?;
        Ok(time.into())
    }

    fn revocation(&self) -> Result<Revocation, CertificateFault> {
        if self.crl.is_empty() && self.ocsp.is_empty() {
            let required = self.require_revocation;
            return Ok(if required { Revocation::NotConfigured } else { Revocation::Off });
        }
        let read = |paths: &[PathBuf]| {
            paths.iter().map(|path| octets(path, MAX_LISTS_SIZE)).collect::<Result<Vec<_>, _>>()
        };
        let partial = self.crl.is_empty() && !self.require_revocation;
        Ok(Revocation::Files { crls: read(&self.crl)?, ocsp: read(&self.ocsp)?, partial })
    }

    fn settings(&self) -> Result<Settings, CertificateFault> {
        let roots = all_certificates(&self.trust)?;
        let mut settings = match &self.config {
            Some(path) => Settings { roots, ..configured(path)? },
            None => Settings::new(roots),
        };
        settings.hints = all_certificates(&self.intermediate)?;
        settings.revocation = self.revocation()?;
        if !self.policy.is_empty() {
            settings.policies = Policies { accepted: self.policy.clone(), ..Policies::default() };
        }
        let policies = &mut settings.policies;
        policies.explicit |= self.explicit_policy;
        policies.inhibit_any |= self.inhibit_any_policy;
        policies.inhibit_mapping |= self.inhibit_policy_mapping;
        match self.eku.as_slice() {
            [] => {}
            [any] if any == "any" => settings.usage = Usage::Anything,
            purposes if purposes.iter().any(|purpose| purpose == "any") => {
                return Err(CertificateFault::Purposes);
            }
            purposes => settings.extended_key_usage = purposes.to_vec(),
        }
        Ok(settings)
    }

    fn name_of(&self, problem: &SettingsProblem) -> String {
        let file = |files: &[PathBuf], index: usize| {
            files.get(index).map_or_else(String::new, |path| format!("{}: ", path.display()))
        };
        match problem {
            SettingsProblem::Crl { index, error } => format!("{}{error}", file(&self.crl, *index)),
            SettingsProblem::Ocsp { index, error } => format!("{}{error}", file(&self.ocsp, *index)),
            other => other.to_string(),
        }
    }
}

/// The rules for cards of a configuration.
fn configured(path: &Path) -> Result<Settings, CertificateFault> {
    let source = Arguments { config: path.to_owned() }.source();
    let config =
        crate::command::read(&source).map_err(|_| CertificateFault::Configuration(path.to_owned()))?;
    Ok(config.validator.rules().clone())
}

/// Validates as a login would.
pub(super) fn verify(arguments: &VerifyArguments) -> Result<ExitCode, CertificateFault> {
    let now = arguments.time()?;
    let chain = certificates(&arguments.leaf)?;
    let beside = chain.len().saturating_sub(1);
    let peer = PeerCertificates::new(chain).map_err(|error| CertificateFault::Leaf(beside, error))?;
    let mut checks = Vec::new();
    let validator = Validator::new(arguments.settings()?, now);
    let refusal = match validator {
        Ok(validator) => match validator.explain(&peer, now, &mut checks) {
            Ok(identity) => {
                checks = identity.checks().to_vec();
                None
            }
            Err(error) => Some(Refusal::of(&error)),
        },
        Err(error) if only_of_time(&error) => {
            Some(Refusal { check: CheckName::Validity.as_str(), reason: error.to_string() })
        }
        Err(error) => {
            let words = error.problems().iter().map(|problem| arguments.name_of(problem));
            return Err(CertificateFault::Settings(words.collect()));
        }
    };
    let without_sources = arguments.crl.is_empty() && arguments.ocsp.is_empty();
    let report = Report::new(now, &checks, refusal, without_sources);
    let words = if arguments.json { report.json() } else { report.text() };
    let written = crate::command::say(&words);
    Ok(if report.refused.is_some() && written == ExitCode::SUCCESS { REFUSED.into() } else { written })
}

/// All roots have ended, or not begun: a verdict about the path, not a wrong use.
fn only_of_time(error: &SettingsError) -> bool {
    error.problems().iter().all(|problem| *problem == SettingsProblem::NoRootIsValid)
}

/// The verdict with all that led to it.
#[derive(Serialize)]
struct Report {
    verdict: &'static str,
    at: String,
    checks: Vec<Held>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refusal>,
}

/// A check that held, or was not made.
#[derive(Serialize)]
struct Held {
    check: &'static str,
    result: &'static str,
    evidence: String,
}

/// The check that did not hold.
#[derive(Serialize)]
struct Refusal {
    check: &'static str,
    reason: String,
}

impl Refusal {
    fn of(error: &IdentityError) -> Self {
        let check = match error {
            IdentityError::Malformed { .. } => "certificate",
            IdentityError::NotYetValid { .. } | IdentityError::Expired { .. } => CheckName::Validity.as_str(),
            IdentityError::Usage(_) => "usage",
            IdentityError::Revoked { .. }
            | IdentityError::RevocationUnknown { .. }
            | IdentityError::RevocationNotConfigured => CheckName::Revocation.as_str(),
            IdentityError::ClockUnusable => "time",
            IdentityError::Untrusted(_) => CheckName::Path.as_str(),
        };
        let reason = match error {
            IdentityError::RevocationNotConfigured => {
                "revocation was not checked: neither --crl nor --ocsp is given".to_owned()
            }
            other => other.to_string(),
        };
        Self { check, reason }
    }
}

impl Report {
    fn new(now: SystemTime, checks: &[Check], refused: Option<Refusal>, without_sources: bool) -> Self {
        let held = checks.iter().map(|check| {
            let not_made = check.name() == CheckName::Revocation && without_sources;
            let evidence = if not_made {
                "neither --crl nor --ocsp is given".to_owned()
            } else {
                check.evidence().to_owned()
            };
            Held {
                check: check.name().as_str(),
                result: if not_made { "not checked" } else { "ok" },
                evidence,
            }
        });
        let verdict = if refused.is_some() { "refused" } else { "accepted" };
        let at = Timestamp::try_from(now).unwrap_or(Timestamp::MAX).to_string();
        Self { verdict, at, checks: held.collect(), refused }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        for Held { check, result, evidence } in &self.checks {
            let _ = writeln!(text, "{check}: {result}: {evidence}");
        }
        if let Some(Refusal { check, reason }) = &self.refused {
            let _ = writeln!(text, "{check}: failed: {reason}");
        }
        let _ = writeln!(text, "verdict at {}: {}", self.at, self.verdict);
        text
    }

    fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings only");
        text.push('\n');
        text
    }
}
