//! `kerbridge certificate show`.

use std::{fmt::Write as _, io::Write as _, path::PathBuf, process::ExitCode};

use clap::Args;
use serde::Serialize;

use super::{CertificateFault, REFUSED, certificates};
use crate::identity::Description;

/// Which certificate is shown.
#[derive(Args, Debug)]
pub struct ShowArguments {
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    /// The certificate, PEM or DER; of several in one file, the first.
    #[arg(value_name = "LEAF")]
    leaf: PathBuf,
}

/// Prints what a certificate says.
pub(super) fn show(arguments: &ShowArguments) -> Result<ExitCode, CertificateFault> {
    let certificates = certificates(&arguments.leaf)?;
    let first =
        certificates.first().ok_or_else(|| CertificateFault::NoCertificate(arguments.leaf.clone()))?;
    let facts = match Description::read(first) {
        Ok(description) => Facts::of(&description),
        Err(error) => {
            // The exit code says it too.
            drop(writeln!(std::io::stderr(), "{}: {error}", arguments.leaf.display()));
            return Ok(REFUSED.into());
        }
    };
    Ok(crate::command::say(&if arguments.json { facts.json() } else { facts.text() }))
}

/// What is printed, in its order.
#[derive(Serialize)]
struct Facts {
    subject: String,
    issuer: String,
    serial: String,
    not_before: String,
    not_after: String,
    key: String,
    signature_algorithm: String,
    ca: bool,
    key_usage: Vec<String>,
    extended_key_usage: Vec<String>,
    policies: Vec<String>,
    upns: Vec<String>,
    sids: Vec<String>,
    extensions: Vec<String>,
    sha256: String,
}

impl Facts {
    fn of(description: &Description) -> Self {
        let facts = description.facts();
        let (not_before, not_after) = description.validity();
        let extensions = description.extensions().iter();
        let digest = description.fingerprint_sha256().iter();
        Self {
            subject: facts.subject().to_owned(),
            issuer: facts.issuer().to_owned(),
            serial: facts.serial().to_owned(),
            not_before: not_before.to_string(),
            not_after: not_after.to_string(),
            key: description.key().to_string(),
            signature_algorithm: description.signature_algorithm().to_owned(),
            ca: description.is_ca(),
            key_usage: description.key_usage().iter().map(|&name| name.to_owned()).collect(),
            extended_key_usage: facts.extended_key_usage().to_vec(),
            policies: facts.policies().to_vec(),
            upns: facts.upns().iter().map(|upn| upn.as_str().to_owned()).collect(),
            sids: facts.sids().iter().map(ToString::to_string).collect(),
            extensions: extensions
                .map(|(oid, critical)| if *critical { format!("{oid} (critical)") } else { oid.clone() })
                .collect(),
            sha256: digest.fold(String::new(), |mut text, octet| {
                // Writing to a String does not fail.
                let _ = write!(text, "{octet:02x}");
                text
            }),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let single = [
            ("subject", &self.subject),
            ("issuer", &self.issuer),
            ("serial", &self.serial),
            ("not before", &self.not_before),
            ("not after", &self.not_after),
            ("key", &self.key),
            ("signature algorithm", &self.signature_algorithm),
        ];
        // Writing to a String does not fail.
        for (name, value) in single {
            let _ = writeln!(text, "{name}: {value}");
        }
        let _ = writeln!(text, "authority: {}", if self.ca { "yes" } else { "no" });
        let several = [
            ("key usage", &self.key_usage),
            ("extended key usage", &self.extended_key_usage),
            ("policies", &self.policies),
            ("upn", &self.upns),
            ("sid", &self.sids),
            ("extensions", &self.extensions),
        ];
        for (name, values) in several {
            let values = if values.is_empty() { "none".to_owned() } else { values.join(", ") };
            let _ = writeln!(text, "{name}: {values}");
        }
        let _ = writeln!(text, "sha256: {}", self.sha256);
        text
    }

    fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings and truth values only");
        text.push('\n');
        text
    }
}
