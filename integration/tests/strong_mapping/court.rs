//! Samba 4.24 domain controllers, one for each mode, that judge cards by PKINIT; and the client that brings them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use integration::container::{Container, ContainerSpec, ImageSource, Network};
use integration::pki::{Credential, KeyKind, Pki};
use integration::samba_ad::{Domain, DomainController, Options, Release};
use integration::wait;
use ldap_map::certificate::CertificateFacts;
use ldap_map::dn::Dn;
use ldap_map::net::directory::{Bind, Directory, LdapServer, Settings};
use rustls_pki_types::CertificateDer;

use super::cases::{Case, Mode, Sids};

/// The controllers, in the order of [`Mode::ALL`], each with an account for each case.
pub(super) struct Court {
    client: Container,
    controllers: Vec<DomainController>,
    pub(super) pki: Pki,
    _network: Network,
}

pub(super) fn account_of(index: usize) -> String {
    format!("map{index:02}")
}

impl Court {
    pub(super) fn open(cases: &[&Case]) -> Self {
        let network = Network::create("court").unwrap();
        let pki = Pki::new(wait::now()).unwrap();
        let domain = Domain::of_the_tests();
        let image = domain.image(Release::Backports).unwrap();
        let files = vec![
            ("/lab/pkinit-names", pkinit_names(cases)),
            ("/lab/card-authorities.pem", pki.card_root_pem() + &pki.card_issuer_pem()),
            ("/etc/krb5.conf", KDC_CONF.to_owned()),
        ];
        let options = Mode::ALL.map(|mode| Options { global: mode.options().to_vec(), files: files.clone() });
        let controllers = domain.start_each(&image, &network, &pki, &options).unwrap();
        let client = ImageSource::named("client").build().unwrap();
        let client = ContainerSpec::new("court-client", &client, &network, network.next_address())
            .hostname("client.corp.example")
            .file("/etc/ssl/lab/machine-ca.pem", pki.machine_root_pem(), 0o644)
            // The client verifies its own certificate too.
            .file(
                "/lab/anchors.pem",
                [pki.machine_root_pem(), pki.card_root_pem(), pki.card_issuer_pem()].concat(),
                0o644,
            );
        let client = controllers.iter().zip(Mode::ALL).fold(client, |client, (controller, mode)| {
            client.file(&format!("/lab/{mode:?}.conf"), client_conf(controller), 0o644)
        });
        Self { client: client.start().unwrap(), controllers, pki, _network: network }
    }

    /// Every controller's answer to the same question, asked of all at once.
    fn of_each<T: Send>(&self, ask: impl Fn(Mode, &DomainController) -> T + Sync) -> Vec<T> {
        let ask = &ask;
        thread::scope(|scope| {
            let asked = self.controllers.iter().zip(Mode::ALL);
            let asked: Vec<_> =
                asked.map(|(controller, mode)| scope.spawn(move || ask(mode, controller))).collect();
            asked.into_iter().map(|answer| answer.join().unwrap()).collect()
        })
    }

    /// The directory of one controller, as our mapper reads it; all hold the same.
    pub(super) fn directory(&self) -> Directory {
        let [controller, ..] = self.controllers.as_slice() else { panic!("there is one for each mode") };
        let server: LdapServer =
            format!("{}={}:636", controller.name(), controller.address()).parse().unwrap();
        let password = "svc-broker-Passw0rd".to_owned().into();
        Directory::new(Settings {
            servers: vec![server],
            base_dn: Dn::parse(&controller.domain().base_dn()).unwrap(),
            roots: vec![CertificateDer::from(self.pki.machine_root_der().to_vec())],
            bind: Bind::Simple { name: "svc-broker@corp.example".to_owned(), password },
            pool_size: 2,
            connect_timeout: Duration::from_secs(5),
            operation_timeout: Duration::from_secs(5),
        })
        .unwrap()
    }

    /// Makes the accounts, issues the cards, tells the accounts of them and hands them to the client.
    pub(super) fn cards(&self, cases: &[&Case]) -> Vec<Credential> {
        let accounts = accounts(cases);
        let told = self.of_each(|_, controller| {
            ldb(controller, "ldbadd", &accounts);
            sids(controller)
        });
        assert!(
            told.windows(2).all(|both| both[0] == both[1]),
            "one card is to be good at all of them: {told:#?}"
        );
        let issue = |(index, case): (usize, &&Case)| {
            let name = account_of(index);
            let own = told[0][&name].clone();
            let sids = Sids { own, other: self.controllers[0].sid("bob").unwrap().to_owned() };
            let request = self.pki.card(&format!("{name}@corp.example")).key(KeyKind::Rsa2048);
            let request = (case.card)(request.with_key_identifier().fresh(), &sids);
            request.issue_changed(|params| (case.change)(params, &name)).unwrap()
        };
        // Making the keys is most of the work.
        let issue = &issue;
        let half = cases.len().div_ceil(2);
        let cards: Vec<Credential> = thread::scope(|scope| {
            let second =
                scope.spawn(move || cases.iter().enumerate().skip(half).map(issue).collect::<Vec<_>>());
            let first: Vec<_> = cases.iter().enumerate().take(half).map(issue).collect();
            first.into_iter().chain(second.join().unwrap()).collect()
        });
        let mut values = String::new();
        let mut bundle = String::new();
        for (index, (case, card)) in cases.iter().zip(&cards).enumerate() {
            let dn = dn(index);
            for value in (case.values)(&CertificateFacts::parse(card.der()).unwrap()) {
                writeln!(values, "dn: {dn}\nchangetype: modify\nadd: altSecurityIdentities\naltSecurityIdentities: {value}\n")
                    .unwrap();
            }
            let name = account_of(index);
            writeln!(bundle, "=/lab/{name}.pem\n{}=/lab/{name}.key\n{}", card.chain_pem(), card.key_pem())
                .unwrap();
        }
        self.of_each(|_, controller| ldb(controller, "ldbmodify", &values));
        let unpack = r#"/^=/ { close(file); file = substr($0, 2); next } { print > file }"#;
        let finished = self.client.exec_with(&["awk", unpack], &[], bundle.as_bytes()).unwrap();
        assert!(finished.succeeded(), "{}", finished.error_text());
        cards
    }

    /// Asks each controller for a ticket with the cards that are meant for its mode: by mode and place of the case.
    pub(super) fn verdicts(&self, cases: &[&Case]) -> BTreeMap<(Mode, usize), String> {
        let said = self.of_each(|mode, _| {
            let asked = |(index, case): (usize, &&Case)| case.modes.contains(&mode).then_some(index);
            let asked: Vec<usize> = cases.iter().enumerate().filter_map(asked).collect();
            let accounts: Vec<String> = asked.iter().copied().map(account_of).collect();
            let script = format!(
                "export KRB5_CONFIG=/lab/{mode:?}.conf; for name in {}; do {KINIT} done",
                accounts.join(" ")
            );
            let said = self.client.run(&["bash", "-c", &script]).unwrap();
            assert_eq!(said.lines().count(), asked.len(), "{said}");
            let verdicts = asked.into_iter().zip(said.lines());
            verdicts.map(|(index, said)| ((mode, index), said.to_owned())).collect::<Vec<_>>()
        });
        said.into_iter().flatten().collect()
    }
}

/// What `kinit` came to: `ok`, or the last error of the KDC but the one that asks for pre-authentication.
const KINIT: &str = r#"
    if said=$(KRB5_TRACE=/dev/stdout KRB5CCNAME=MEMORY: kinit \
        -X X509_user_identity=FILE:/lab/$name.pem,/lab/$name.key -X X509_anchors=FILE:/lab/anchors.pem \
        "$name" </dev/null 2>&1); then echo ok; else
        code=$(printf '%s\n' "$said" | sed -n 's/.*Received error from KDC: -\([0-9]*\)\/.*/\1/p' | grep -v 1765328359 | head -n 1)
        if [ -n "$code" ]; then echo $((1765328384 - code)); else printf '%s\n' "$said" | tail -n 3 | tr '\n' ' '; echo; fi
    fi;"#;

const KDC_CONF: &str = "[libdefaults]
 default_realm = CORP.EXAMPLE
 dns_lookup_realm = false
 dns_lookup_kdc = true
[kdc]
 enable-pkinit = yes
 pkinit_identity = FILE:/etc/samba/tls/certificate.pem,/etc/samba/tls/key.pem
 pkinit_anchors = FILE:/lab/card-authorities.pem
 pkinit_principal_in_certificate = yes
 pkinit_win2k_require_binding = no
 pkinit_mappings_file = /lab/pkinit-names
";

/// Heimdal's KDC takes the name from the certificate; where there is none, from this file.
fn pkinit_names(cases: &[&Case]) -> String {
    let line = |(index, case): (usize, &&Case)| {
        let name = account_of(index);
        format!("{name}@CORP.EXAMPLE:{}\n", case.subject.replace('*', &name))
    };
    let nameless = cases.iter().enumerate().filter(|(_, case)| case.is_nameless());
    nameless.map(line).collect()
}

fn accounts(cases: &[&Case]) -> String {
    cases.iter().enumerate().fold(String::new(), |mut ldif, (index, case)| {
        let (name, dn) = (account_of(index), dn(index));
        let (class, dollar, flags) = if case.is_computer { ("computer", "$", 4128) } else { ("user", "", 66_080) };
        writeln!(
            ldif,
            "dn: {dn}\nobjectClass: {class}\nsAMAccountName: {name}{dollar}\nuserPrincipalName: {name}@corp.example\n\
             userAccountControl: {flags}\n"
        )
        .unwrap();
        ldif
    })
}

fn dn(index: usize) -> String {
    format!("CN={},CN=Users,DC=corp,DC=example", account_of(index))
}

/// The SIDs of the accounts by their names.
fn sids(controller: &DomainController) -> BTreeMap<String, String> {
    let command = ["ldbsearch", "-H", DATABASE, "(cn=map*)", "cn", "objectSid"];
    let said = controller.container().run(&command).unwrap();
    let field = |entry: &str, name: &str| {
        entry.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
    };
    said.split("\n\n").filter_map(|entry| Some((field(entry, "cn")?, field(entry, "objectSid")?))).collect()
}

fn client_conf(controller: &DomainController) -> String {
    let own = " CORP.EXAMPLE = {\n";
    let pkinit = format!(
        "{own}  pkinit_anchors = FILE:/etc/ssl/lab/machine-ca.pem\n  pkinit_kdc_hostname = {}\n  pkinit_eku_checking = kpServerAuth\n",
        controller.name()
    );
    controller.krb5_conf().replacen(own, &pkinit, 1)
}

const DATABASE: &str = "/var/lib/samba/private/sam.ldb";

fn ldb(controller: &DomainController, tool: &str, ldif: &str) {
    let finished = controller.container().exec_with(&[tool, "-H", DATABASE], &[], ldif.as_bytes()).unwrap();
    assert!(finished.succeeded(), "{}{}", finished.text(), finished.error_text());
}
