//! The `kerbridge` command as its administrator meets it: what it prints, its exit codes, its signals.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test may fail and wait"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::{Pid, Signal, kill_process};

const LISTEN: &str = "listen = [\"127.0.0.1:0\"]";
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory with a configuration that is complete; the directory and the KDC it names do not answer.
struct Setting {
    directory: tempfile::TempDir,
}

impl Setting {
    fn new() -> Self {
        let setting = Self { directory: tempfile::tempdir().unwrap() };
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        setting.write("root.pem", &root.self_signed(&root_key).unwrap().pem(), 0o644);
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &Issuer::new(root, root_key)).unwrap();
        setting.write("certificate.pem", &leaf.pem(), 0o644);
        setting.write("key.pem", &key.serialize_pem(), 0o600);
        setting.write("password", "a password of the tests\n", 0o600);
        setting.configure(LISTEN);
        setting
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Writes the configuration, the card listener's first line being `first`.
    fn configure(&self, first: &str) {
        let text = format!(
            r#"
            frontend = {{ {LISTEN}, certificate = "certificate.pem", key = "credential:key.pem" }}
            gateway_api = {{ {LISTEN}, certificate = "certificate.pem", key = "./key.pem", client_ca = "root.pem" }}
            gateway = [{{ name = "gw1", dns_name = "gw1.corp.example" }}]
            identity = {{ roots = "root.pem", revocation = {{ mode = "off" }} }}
            log = {{ format = "json" }}
            health = {{ listen = "127.0.0.1:0" }}
            policy.rule = [{{ id = "r", groups = ["G"], targets = ["*.corp.example"], services = ["TERMSRV"] }}]
            [directory]
            servers = ["dc1.corp.example=127.0.0.1:1"]
            base_dn = "DC=corp,DC=example"
            ca = "root.pem"
            bind_name = "svc-broker@corp.example"
            bind_password = "credential:password"
            [kerberos]
            realm = "CORP.EXAMPLE"
            service = "svc-broker"
            spn = "HTTP/broker.corp.example"
            password = "credential:password"
            kdcs = ["127.0.0.1:1"]
            "#
        );
        self.write("kerbridge.toml", &text.replacen(LISTEN, first, 1), 0o644);
    }

    fn command(&self, action: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kerbridge"));
        command.arg(action).arg("--config").arg(self.path("kerbridge.toml"));
        command.env("CREDENTIALS_DIRECTORY", self.directory.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, action: &str) -> Output {
        self.command(action).output().unwrap()
    }

    fn serve(&self) -> Service {
        let mut child = self.command("serve").stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Service { child, lines }
    }
}

/// A running service; it ends with the test.
struct Service {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Service {
    /// The next line of the log with this message.
    fn said(&self, message: &str) -> serde_json::Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("never said: {message}"));
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if line["message"] == message {
                return line;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn address(line: &serde_json::Value, field: &str) -> SocketAddr {
    line[field].as_str().unwrap().parse().unwrap()
}

fn kerbridge(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kerbridge")).args(arguments).output().unwrap()
}

#[test]
fn the_version_and_the_help_are_no_errors() {
    let version = kerbridge(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(version.stdout).unwrap(),
        format!("kerbridge {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(kerbridge(&["--help"]).status.code(), Some(0));
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for arguments in [
        &[][..],
        &["bogus"],
        &["serve", "--port", "1"],
        &["validate", "extra"],
        &["rotate-secret", "--length", "11"],
    ] {
        assert_eq!(kerbridge(arguments).status.code(), Some(64), "{arguments:?}");
    }
}

#[test]
fn a_sound_configuration_is_valid_and_its_warnings_are_told() {
    let output = Setting::new().run("validate");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(words.contains("kerbridge.toml is valid\nwarning: revocation is off"), "{words}");
}

#[test]
fn a_wrong_configuration_is_refused_by_both_commands_with_every_problem() {
    let setting = Setting::new();
    setting.configure("listen = [\"nowhere\"], port = 1");
    setting.write("key.pem", "", 0o644);
    for action in ["validate", "serve"] {
        let output = setting.run(action);
        assert_eq!(output.status.code(), Some(78));
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(words.contains("kerbridge.toml has 4 problem(s):"), "{words}");
        for problem in [
            "line 2, frontend.listen[1]: is not an IP address with a port",
            "line 2, frontend.port: no such key here",
            "line 2, frontend.key: the secret can be read by others (mode 0644)",
            "line 3, gateway_api.key: the secret can be read by others (mode 0644)",
        ] {
            assert!(words.contains(problem), "{words}");
        }
    }
}

#[test]
fn a_rotation_that_cannot_begin_says_why_and_leaves_every_file_as_it_was() {
    let setting = Setting::new();
    let output = setting.run("rotate-secret");
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("name the file it is loaded from with --secret"), "{words}");

    let (config, password) = (setting.path("kerbridge.toml"), setting.path("password"));
    let rotate = || {
        let files = [config.to_str().unwrap(), "--secret", password.to_str().unwrap()];
        let mut command = Command::new(env!("CARGO_BIN_EXE_kerbridge"));
        command.args(["rotate-secret", "--config"]).args(files);
        command.env("CREDENTIALS_DIRECTORY", setting.directory.path()).output().unwrap()
    };
    // No domain controller can be asked.
    let output = rotate();
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("not rotated to its end: "));
    assert_eq!(fs::read_to_string(&password).unwrap(), "a password of the tests\n");
    assert!(!setting.path("password.pending").exists());

    let lock = fs::File::open(setting.path("password.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let output = rotate();
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("another rotation of this secret is running"));
}

#[test]
fn a_reload_tries_a_changed_secret_and_keeps_the_old_one_where_no_kdc_accepts_it() {
    let setting = Setting::new();
    let service = setting.serve();
    service.said("listening");
    setting.write("password", "another password of the tests\n", 0o600);
    service.signal(Signal::HUP);
    let line = service.said("the service's own new secret was not taken over, the old one stays");
    assert_eq!(line["level"], "ERROR");
}

#[test]
fn an_absent_configuration_is_a_configuration_error() {
    let output = kerbridge(&["validate", "--config", "/nonexistent/kerbridge.toml"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8(output.stderr).unwrap().contains("it does not exist"));
}

#[test]
fn an_address_in_use_is_unavailable() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let setting = Setting::new();
    setting.configure(&format!("listen = [\"{}\"]", taken.local_addr().unwrap()));
    assert_eq!(setting.run("serve").status.code(), Some(69));
}

#[test]
fn the_service_says_where_it_listens_and_drains_on_sigterm() {
    let setting = Setting::new();
    let mut service = setting.serve();
    let listening = service.said("listening");
    for field in ["card_address", "gateway_address"] {
        assert!(TcpStream::connect(address(&listening, field)).is_ok());
    }
    let mut page = TcpStream::connect(address(&listening, "status_address")).unwrap();
    std::io::Write::write_all(&mut page, b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    page.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    service.signal(Signal::TERM);
    service.said("drained");
    assert_eq!(service.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_signal_ends_a_drain_at_once() {
    let setting = Setting::new();
    setting.configure(&format!("{LISTEN}, request_timeout = \"5m\", drain_timeout = \"10m\""));
    let mut service = setting.serve();
    let listening = service.said("listening");
    // A request whose body never comes keeps the drain waiting.
    let running = unfinished_request(address(&listening, "card_address"), &setting.path("root.pem"));
    service.signal(Signal::TERM);
    service.said("draining: no new connections, running logins finish");
    assert!(service.child.try_wait().unwrap().is_none());
    service.signal(Signal::TERM);
    assert_eq!(service.child.wait().unwrap().code(), Some(75));
    drop(running);
}

#[test]
fn a_reload_with_a_problem_keeps_the_old_configuration_and_says_why() {
    let setting = Setting::new();
    let service = setting.serve();
    service.said("listening");
    service.signal(Signal::HUP);
    service.said("configuration taken over");
    setting.configure("listen = [\"nowhere\"]");
    service.signal(Signal::HUP);
    let problem = service.said("problem in the configuration");
    assert_eq!(problem["place"], "line 2, frontend.listen[1]");
    service.said("configuration refused, the old one stays");
    setting.configure("listen = [\"127.0.0.2:0\"]");
    service.signal(Signal::HUP);
    service.said("addresses, limits, directory, kerberos, handoff, log and health change only by a restart");
}

/// A TLS connection with a login request that announces a body and does not send it.
fn unfinished_request(address: SocketAddr, root: &Path) -> impl Sized + use<> {
    use rustls_pki_types::{CertificateDer, pem::PemObject as _};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let session = rustls::ClientConnection::new(config.into(), "localhost".try_into().unwrap()).unwrap();
    let mut stream = rustls::StreamOwned::new(session, TcpStream::connect(address).unwrap());
    let head =
        "POST /v1/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n";
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(300));
    stream
}

/// A setting whose table identity has these keys too.
fn setting_with_identity(keys: &str) -> Setting {
    let setting = Setting::new();
    let text = fs::read_to_string(setting.path("kerbridge.toml")).unwrap();
    let text = text.replacen("identity = { ", &format!("identity = {{ {keys}, "), 1);
    setting.write("kerbridge.toml", &text, 0o644);
    setting
}

#[test]
fn certificate_verify_takes_the_rules_of_a_configuration() {
    let setting = setting_with_identity("policies = [\"1.2.3\"], minimum_hash_bits = 256");
    let verify = |with_configuration: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kerbridge"));
        command.env("CREDENTIALS_DIRECTORY", setting.directory.path());
        command.args(["certificate", "verify", "--trust"]).arg(setting.path("root.pem"));
        if with_configuration {
            command.arg("--config").arg(setting.path("kerbridge.toml"));
        }
        let output = command.arg(setting.path("certificate.pem")).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stdout).unwrap()
    };
    let by_default = verify(false);
    assert!(by_default.contains("usage: failed: keyUsage does not include digitalSignature"), "{by_default}");
    let configured = verify(true);
    assert!(configured.contains("no certificate policy is valid for the path"), "{configured}");
}

#[test]
fn every_wrong_rule_for_cards_is_named_with_its_key() {
    let keys =
        "policies = [\"mine\"], issuers = [\"nonsense\"], minimum_curve_bits = 300, policy_match = \"all\"";
    let output = setting_with_identity(keys).run("validate");
    assert_eq!(output.status.code(), Some(78));
    let words = String::from_utf8(output.stderr).unwrap();
    for key in ["identity.policies", "identity.issuers", "identity.minimum_curve_bits"] {
        assert!(words.contains(key), "{key}: {words}");
    }
}
