//! A complete configuration on disk, for tests to break.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use kdc_proxy::{
    key::{Etype, Key},
    keytab::Keytab,
    principal::{Principal, PrincipalName, Realm},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, date_time_ymd,
};

use super::{Config, Problem};

/// A directory with a configuration, certificates, keys, a keytab and a password.
pub(crate) struct Written {
    directory: tempfile::TempDir,
}

impl Written {
    pub(crate) fn new() -> Self {
        let written = Self { directory: tempfile::tempdir().unwrap() };
        let root = Authority::new("root");
        written.public("root.pem", &root.certificate);
        for (name, dns_name) in [("server", "portal.corp.example"), ("api", "broker.corp.example")] {
            let (certificate, key) = root.leaf(dns_name);
            written.public(&format!("{name}.pem"), &certificate);
            written.secret(&format!("{name}.key"), key.as_bytes());
        }
        written.secret("ldap-password", b"correct horse battery staple\n");
        written.keytab(Etype::Aes256, &[7; 32]);
        written.configuration(COMPLETE);
        written
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn public(&self, name: &str, contents: &str) {
        self.write(name, contents.as_bytes(), 0o644);
    }

    pub(crate) fn secret(&self, name: &str, contents: &[u8]) {
        self.write(name, contents, 0o600);
    }

    pub(crate) fn configuration(&self, text: &str) {
        self.public("kerbridge.toml", text);
    }

    /// The complete configuration with one text of it replaced.
    pub(crate) fn with(&self, old: &str, new: &str) -> &Self {
        assert!(COMPLETE.contains(old), "{old}");
        self.configuration(&COMPLETE.replace(old, new));
        self
    }

    pub(crate) fn keytab(&self, etype: Etype, octets: &[u8]) {
        let name = PrincipalName::principal("svc-broker").unwrap();
        let mut keytab = Keytab::default();
        let key = Key::new(etype, octets).unwrap();
        keytab.push(Principal::new(name, Realm::new("CORP.EXAMPLE").unwrap()), 1, 0, key);
        self.secret("keytab", &keytab.to_bytes());
    }

    pub(crate) fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn loaded(&self) -> Result<Config, Vec<Problem>> {
        Config::load(&self.path("kerbridge.toml"), Some(self.directory.path().to_owned()), now())
    }

    /// The problems as `line key: fault`.
    pub(crate) fn problems(&self) -> Vec<String> {
        let problems = self.loaded().expect_err("the configuration is accepted");
        problems.iter().map(|problem| format!("{}: {}", problem.place(), problem.fault())).collect()
    }

    fn write(&self, name: &str, contents: &[u8], mode: u32) {
        let path = self.path(name);
        if path.exists() {
            fs::remove_file(&path).unwrap();
        }
        fs::write(&path, contents).unwrap();
        self.mode(name, mode);
    }
}

/// 2027-01-15, when all tests take place.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// A certification authority that lasts as long as the tests.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2060, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A certificate and its key, PEM.
    pub(crate) fn leaf(&self, dns_name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![dns_name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2050, 1, 1);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// A revocation list that revokes nobody and ends at that day of January 2027, PEM.
    pub(crate) fn crl(&self, day: u8) -> String {
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2027, 1, day),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// Relative paths start beside the file; credentials are in the same directory.
pub(crate) const COMPLETE: &str = r#"
[frontend]
listen = ["127.0.0.1:0"]
certificate = "server.pem"
key = "credential:server.key"

[gateway_api]
listen = ["127.0.0.1:0"]
certificate = "api.pem"
key = "./api.key"
client_ca = "root.pem"

[[gateway]]
name = "gw1"
dns_name = "gw1.corp.example"

[identity]
roots = "root.pem"
revocation = { mode = "off" }

[directory]
servers = ["dc1.corp.example=127.0.0.1:636"]
base_dn = "DC=corp,DC=example"
ca = "root.pem"
bind_name = "svc-broker@corp.example"
bind_password = "credential:ldap-password"
strong_mapping.enterprise_issuers = ["CN=root"]

[kerberos]
realm = "CORP.EXAMPLE"
service = "svc-broker"
spn = "HTTP/broker.corp.example"
keytab = "credential:keytab"
kdcs = ["127.0.0.1:88"]

[[policy.rule]]
id = "desktop-users"
groups = ["Desktop Users"]
targets = ["*.corp.example"]
services = ["TERMSRV", "HTTP"]
maximum_lifetime = "1h"
"#;
