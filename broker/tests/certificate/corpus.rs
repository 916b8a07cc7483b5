//! More than 300 chains, judged by this program and by `openssl verify` in the same run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256};
use serde_json::Value;

use super::chains::{self, AT, AT_SECONDS, FLAWS, Flaw};
use super::{certificate, words};

/// Where the verdicts differ, and why. The first is ours, the second that of OpenSSL.
const DIFFERENCES: &[(&str, bool, bool, &str)] = &[
    ("4.1.4", false, true, "DSA is refused here: no card has such a key"),
    (
        "4.6.4",
        true,
        false,
        "with -x509_strict OpenSSL wants basicConstraints to be critical, which RFC 5280 asks of issuers only",
    ),
    (
        "4.14.30",
        true,
        false,
        "OpenSSL does not follow a list's signer whose own status is on a list it signed itself",
    ),
];

/// One chain, as both are asked about it.
#[derive(Default)]
struct Case {
    id: String,
    trust: PathBuf,
    untrusted: Vec<PathBuf>,
    crls: Vec<PathBuf>,
    policies: Vec<String>,
    flags: Vec<&'static str>,
    at: (&'static str, &'static str),
    leaf: PathBuf,
    expected: Option<bool>,
}

impl Case {
    /// This program's verdict, with what it said.
    fn ours(&self) -> (bool, String) {
        let mut arguments =
            vec!["verify".into(), "--eku".into(), "any".into(), "--at".into(), self.at.0.into()];
        let mut pair = |name: &str, value: &Path| arguments.extend([PathBuf::from(name), value.to_owned()]);
        pair("--trust", &self.trust);
        self.untrusted.iter().for_each(|file| pair("--intermediate", file));
        self.crls.iter().for_each(|file| pair("--crl", file));
        self.policies.iter().for_each(|policy| pair("--policy", Path::new(policy)));
        arguments
            .extend(self.flags.iter().map(|flag| PathBuf::from(format!("--{}", flag.replace('_', "-")))));
        arguments.push(self.leaf.clone());
        let output = certificate(arguments);
        match output.status.code() {
            Some(0) => (true, words(&output)),
            Some(1) => (false, words(&output)),
            other => panic!("{}: ended with {other:?}: {}", self.id, words(&output)),
        }
    }

    /// OpenSSL's verdict. It wants PEM, all helping certificates in one file, and all lists.
    fn openssl(&self, folder: &Path) -> (bool, String) {
        let all = |name: &str, label: &str, files: &[PathBuf]| {
            let path = folder.join(name);
            let text: Vec<String> = files.iter().map(|file| pem(label, file)).collect();
            write(&path, &text.concat());
            path
        };
        let trust = all("trust.pem", "CERTIFICATE", std::slice::from_ref(&self.trust));
        let untrusted = all("untrusted.pem", "CERTIFICATE", &self.untrusted);
        let crls = all("crls.pem", "X509 CRL", &self.crls);
        let leaf = all("leaf.pem", "CERTIFICATE", std::slice::from_ref(&self.leaf));
        let mut command = Command::new("openssl");
        command.args([
            "verify",
            "-x509_strict",
            "-auth_level",
            "0",
            "-crl_check_all",
            "-extended_crl",
            "-use_deltas",
        ]);
        command.args(["-policy_check", "-no-CApath", "-attime", self.at.1]);
        self.flags.iter().for_each(|flag| {
            command.arg(match *flag {
                "explicit_policy" => "-explicit_policy",
                "inhibit_any_policy" => "-inhibit_any",
                _ => "-inhibit_map",
            });
        });
        self.policies.iter().for_each(|policy| {
            command.args(["-policy", policy]);
        });
        if self.policies.is_empty() {
            // Without one, OpenSSL takes none for acceptable.
            command.args(["-policy", "2.5.29.32.0"]);
        }
        command.arg("-CAfile").arg(trust).arg("-CRLfile").arg(crls);
        if !self.untrusted.is_empty() {
            command.arg("-untrusted").arg(untrusted);
        }
        let output = command.arg(leaf).output().expect("openssl starts");
        (output.status.success(), words(&output))
    }
}

#[expect(clippy::disallowed_methods, reason = "a test may block")]
fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
}

fn pem(label: &str, path: &Path) -> String {
    let octets = read(path);
    if octets.first() != Some(&0x30) {
        return String::from_utf8(octets).expect("PEM is text");
    }
    chains::pem(label, &octets)
}

/// The entries of NIST PKITS; `integration/setup` fetches the files.
fn pkits() -> Vec<Case> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/pkits");
    let places = [cache.unwrap_or_default().join("kerbridge/pkits"), beside];
    let found = places.into_iter().find(|place| place.join("certs").is_dir());
    let folder = found.expect("the certificates of PKITS; integration/setup fetches them");
    let table = include_str!("../../src/identity/tests/pkits/expected.json");
    let entries: Vec<Value> = serde_json::from_str(table).expect("the table");
    let strings = |entry: &Value, key: &str| -> Vec<String> {
        let list = entry[key].as_array().cloned().unwrap_or_default();
        list.iter().map(|value| value.as_str().expect("a string").to_owned()).collect()
    };
    let case = |entry: &Value| {
        let certificate = |name: &String| folder.join("certs").join(format!("{name}.crt"));
        let crl = |name: &String| folder.join("crls").join(format!("{name}.crl"));
        let untrusted = [strings(entry, "chain"), strings(entry, "crl_signers")].concat();
        let flags = ["explicit_policy", "inhibit_policy_mapping", "inhibit_any_policy"];
        Case {
            id: entry["id"].as_str().expect("an id").to_owned(),
            trust: certificate(&"TrustAnchorRootCertificate".to_owned()),
            untrusted: untrusted.iter().map(certificate).collect(),
            crls: strings(entry, "crls").iter().map(crl).collect(),
            policies: strings(entry, "policies"),
            flags: flags.into_iter().filter(|flag| entry[flag] == true).collect(),
            at: ("2011-04-15T00:00:00Z", "1302825600"),
            leaf: certificate(&entry["leaf"].as_str().expect("a leaf").to_owned()),
            expected: None,
        }
    };
    entries.iter().map(case).collect()
}

/// A chain for each flaw, kind of key and length.
fn made(folder: &Path) -> Vec<Case> {
    let rsa: Vec<KeyPair> = (0..4).map(|_| KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key")).collect();
    let kinds = [
        ("p256", &PKCS_ECDSA_P256_SHA256, &[][..]),
        ("p384", &PKCS_ECDSA_P384_SHA384, &[]),
        ("rsa", &PKCS_RSA_SHA256, &rsa),
    ];
    let mut cases = Vec::new();
    for (kind_name, kind, keys) in kinds {
        for length in 1..=2 {
            for flaw in FLAWS {
                let id = format!("{kind_name}-{length}-{flaw:?}");
                let chain = chains::write(&folder.join(&id), kind, keys, length, flaw);
                let good = [
                    Flaw::None,
                    Flaw::NamesInsideConstraints,
                    Flaw::UnknownExtension,
                    Flaw::AnotherLeafRevoked,
                ];
                cases.push(Case {
                    id,
                    trust: chain.root,
                    untrusted: chain.intermediates,
                    crls: chain.crls,
                    at: (AT, AT_SECONDS),
                    leaf: chain.leaf,
                    expected: Some(good.contains(&flaw)),
                    ..Case::default()
                });
            }
        }
    }
    cases
}

#[test]
fn our_verdicts_are_those_of_openssl_or_the_difference_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cases = pkits();
    cases.extend(made(folder.path()));
    assert!(cases.len() >= 300, "{}", cases.len());
    let explained: BTreeMap<&str, (bool, bool)> =
        DIFFERENCES.iter().map(|(id, ours, theirs, _)| (*id, (*ours, *theirs))).collect();
    let mut wrong = Vec::new();
    let mut differing = Vec::new();
    for case in &cases {
        let (ours, our_words) = case.ours();
        let (theirs, their_words) = case.openssl(folder.path());
        let expected = case.expected.is_none_or(|expected| expected == ours);
        let known = explained.get(case.id.as_str());
        if ours != theirs {
            differing.push(case.id.as_str());
        }
        if !expected || (ours != theirs) != known.is_some() || known.is_some_and(|row| *row != (ours, theirs))
        {
            wrong.push(format!("{}: ours {ours}: {our_words}OpenSSL's {theirs}: {their_words}", case.id));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    println!("{} chains, {} explained differences: {}", cases.len(), differing.len(), differing.join(", "));
}
