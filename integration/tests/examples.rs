//! The configurations we show: `kerbridge validate` takes each of them, with the files it names made for it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use integration::broker_process::program;
use integration::pki::{Credential, Pki};
use integration::process::{self, Finished};
use integration::wait;
use kdc_proxy::key::{Etype, Key};
use kdc_proxy::keytab::Keytab;
use kdc_proxy::principal::{Principal, PrincipalName, Realm};

/// What the examples name, in a folder of its own.
struct Files {
    folder: tempfile::TempDir,
    pki: Pki,
    server: Credential,
}

impl Files {
    fn new() -> Self {
        let pki = Pki::new(wait::now()).unwrap();
        let server = pki.server(&["broker.corp.example"]).unwrap();
        let files = Self { folder: tempfile::tempdir().unwrap(), pki, server };
        fs::create_dir(files.folder.path().join("credentials")).unwrap();
        for name in ["server-key", "gateway-api-key"] {
            files.credential(name, files.server.key_pem().as_bytes());
        }
        files.credential("ldap-password", b"correct horse battery staple");
        files.credential("keytab", &keytab());
        files
    }

    fn credential(&self, name: &str, octets: &[u8]) {
        let path = self.folder.path().join("credentials").join(name);
        fs::write(&path, octets).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    /// Makes the file that an example names, by what its name says it is; returns where it is here.
    fn made(&self, path: &str) -> PathBuf {
        let name = path.rsplit('/').next().unwrap();
        let [root_crl, issuing_crl] = self.pki.crls(&[]).unwrap();
        let content = match name {
            "server.pem" | "gateway-api.pem" => self.server.chain_pem().to_owned(),
            "gateway-ca.pem" | "dc-ca.pem" => self.pki.machine_root_pem(),
            "roots.pem" => self.pki.card_root_pem(),
            "intermediates.pem" => self.pki.card_issuer_pem(),
            "root.crl" => root_crl,
            "issuing.crl" => issuing_crl,
            // Secrets that are no credentials.
            "keytab" | "ldap-password" => return self.folder.path().join("credentials").join(name),
            _ => panic!("no file called {name} is known to the examples"),
        };
        let here = self.folder.path().join(name);
        fs::write(&here, content).unwrap();
        here
    }

    /// Runs `kerbridge validate` on an example whose files are looked for here.
    fn validate(&self, example: &str) -> Finished {
        let mut text = example.to_owned();
        for line in example.lines().filter(|line| !line.trim_start().starts_with('#')) {
            for path in line.split('"').filter(is_ours) {
                text = text.replace(path, self.made(path).to_str().unwrap());
            }
        }
        let configuration = self.folder.path().join("kerbridge.toml");
        fs::write(&configuration, text).unwrap();
        let mut command = Command::new(program().unwrap());
        command.args([Path::new("validate"), Path::new("--config"), &configuration]);
        command.env("CREDENTIALS_DIRECTORY", self.folder.path().join("credentials"));
        process::run(command, b"", Duration::from_secs(20)).unwrap()
    }
}

/// Whether an example names a file that an administrator puts there.
fn is_ours(quoted: &&str) -> bool {
    ["/etc/kerbridge", "/var/lib/kerbridge"].iter().any(|folder| quoted.starts_with(folder))
}

fn keytab() -> Vec<u8> {
    let mut keytab = Keytab::default();
    let realm = Realm::new("CORP.EXAMPLE").unwrap();
    let key = Key::new(Etype::Aes256, &[7; 32]).unwrap();
    keytab.push(Principal::new(PrincipalName::principal("svc-broker").unwrap(), realm), 1, 0, key);
    keytab.to_bytes().to_vec()
}

/// Validates an example that must be valid; returns the warnings.
fn warnings(example: &str) -> Vec<String> {
    let finished = Files::new().validate(example);
    assert!(finished.succeeded(), "{}{}", finished.text(), finished.error_text());
    finished.text().lines().filter_map(|line| line.strip_prefix("warning: ")).map(str::to_owned).collect()
}

#[test]
fn the_complete_configuration_is_valid() {
    assert_eq!(warnings(include_str!("../../deploy/kerbridge.toml")), [""; 0]);
}

#[test]
fn the_search_for_domain_controllers_in_place_of_their_lists_is_valid_as_it_is_shown() {
    let example = include_str!("../../deploy/kerbridge.toml");
    let is_list = |line: &&str| !["servers = ", "kdcs = "].iter().any(|key| line.starts_with(key));
    let kept: Vec<&str> = example.lines().filter(is_list).collect();
    let (before, table) =
        kept.split_at(kept.iter().position(|line| *line == "# [directory.discovery]").unwrap());
    let (table, after) = table.split_at(table.iter().position(|line| line.is_empty()).unwrap());
    // What is no sentence is a key or the table's name.
    let is_toml = |line: &&&str| line.contains(" = ") || line.starts_with("# [");
    let table: Vec<&str> = table.iter().filter(is_toml).map(|line| line.trim_start_matches("# ")).collect();
    assert_eq!(table.len(), 8, "{table:?}");
    assert_eq!(warnings(&[before, &table, after].concat().join("\n")), [""; 0]);
}

#[test]
fn the_names_of_accounts_in_certificates_are_valid_as_they_are_shown() {
    let example = include_str!("../../deploy/kerbridge.toml");
    let table = example.lines().skip_while(|line| *line != "# [[directory.mapping]]");
    let is_toml = |line: &&str| line.contains(" = ") || line.starts_with("# [[");
    let table: Vec<&str> = table.take_while(|line| !line.is_empty()).filter(is_toml).collect();
    let table: Vec<&str> = table.iter().map(|line| line.trim_start_matches("# ")).collect();
    assert_eq!(table.len(), 6, "{table:?}");
    assert_eq!(warnings(&format!("{example}\n{}\n", table.join("\n"))), [""; 0]);
}

#[test]
fn the_configuration_of_the_kubernetes_deployment_is_valid() {
    // The node's probes come from outside the pod.
    let expected = "the status page answers the whole network (health.loopback_only)";
    assert_eq!(warnings(include_str!("../../deploy/kubernetes/kerbridge.toml")), [expected]);
}

#[test]
fn the_configuration_in_the_readme_is_valid() {
    let readme = include_str!("../../README.md");
    let (_, after) = readme.split_once("```toml\n").unwrap();
    let (example, _) = after.split_once("```").unwrap();
    assert_eq!(warnings(example), [""; 0]);
}

#[test]
fn an_example_with_an_unknown_key_would_be_noticed() {
    let example = include_str!("../../deploy/kubernetes/kerbridge.toml").replace("realm =", "relam =");
    let finished = Files::new().validate(&example);
    assert_eq!(finished.code, Some(78), "{}", finished.text());
    assert!(finished.error_text().contains("relam"), "{}", finished.error_text());
}
