//! Samba 4.24 and the mapper judge the same cards: every form of `altSecurityIdentities` in every mode. The manual has where they
//! differ, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use integration::container::{Container, ContainerSpec, ImageSource, Network};
use integration::pki::{CardRequest, Credential, KeyKind, Pki};
use integration::samba_ad::{Domain, DomainController, Release};
use integration::wait;
use ldap_map::alt_security_identities::{AltSecurityIdentity, Form, Sha1Reading};
use ldap_map::certificate::CertificateFacts;
use ldap_map::dn::Dn;
use ldap_map::mapping::{Card, Enforcement, NamedBy, Rules, Sought, confirm, enforce};
use ldap_map::net::directory::{Bind, Directory, LdapServer, Settings};
use ldap_map::upn::Upn;
use rustls_pki_types::CertificateDer;

const TABLE: &str = include_str!("../../../broker/src/manual/strong_mapping_differences.md");
const MODES: [&str; 3] = ["none", "compatibility", "full"];

/// A card and what its account says of cards.
struct Case {
    name: &'static str,
    card: for<'a> fn(CardRequest<'a>, &Sids) -> CardRequest<'a>,
    values: fn(&CertificateFacts) -> Vec<String>,
}

/// The SIDs a card could name.
struct Sids {
    own: String,
    other: String,
}

fn plain<'a>(card: CardRequest<'a>, _: &Sids) -> CardRequest<'a> {
    card
}

fn nameless<'a>(card: CardRequest<'a>, _: &Sids) -> CardRequest<'a> {
    card.without_upn()
}

fn nothing(_: &CertificateFacts) -> Vec<String> {
    Vec::new()
}

fn of(facts: &CertificateFacts, form: Form) -> Vec<String> {
    let all = AltSecurityIdentity::all_of(facts, &[Sha1Reading::Certificate]);
    all.iter().filter(|value| value.form() == form).map(ToString::to_string).collect()
}

fn issuer_serial(facts: &CertificateFacts) -> Vec<String> {
    of(facts, Form::IssuerSerial)
}

fn ski(facts: &CertificateFacts) -> Vec<String> {
    of(facts, Form::SubjectKeyIdentifier)
}

fn plain_serial(facts: &CertificateFacts) -> Vec<String> {
    vec![format!("X509:<I>{}<SR>{}", facts.x500_issuer().unwrap(), facts.serial())]
}

fn issuer_backwards(facts: &CertificateFacts) -> Vec<String> {
    let [value] = issuer_serial(facts).try_into().unwrap();
    vec![value.replace("CN=Corp Issuing CA,O=Corp", "O=Corp,CN=Corp Issuing CA")]
}

fn issuer_small(facts: &CertificateFacts) -> Vec<String> {
    let [value] = issuer_serial(facts).try_into().unwrap();
    vec![value.replace("Corp Issuing CA", "corp issuing ca")]
}

fn digest(facts: &CertificateFacts, reading: Sha1Reading) -> Vec<String> {
    let all = AltSecurityIdentity::all_of(facts, &[reading]);
    all.iter().filter(|value| value.form() == Form::Sha1PublicKey).map(ToString::to_string).collect()
}

const CASES: &[Case] = &[
    Case { name: "UPN", card: plain, values: nothing },
    Case { name: "UPN and SID", card: |card, sids| card.sid(&sids.own), values: nothing },
    Case { name: "UPN and SID as a URI", card: |card, sids| card.sid_uri(&sids.own), values: nothing },
    Case { name: "UPN and another's SID", card: |card, sids| card.sid(&sids.other), values: nothing },
    Case { name: "UPN and another's SID, <SKI>", card: |card, sids| card.sid(&sids.other), values: ski },
    Case {
        name: "SID alone, the person names the account",
        card: |card, sids| card.without_upn().sid(&sids.own),
        values: nothing,
    },
    Case { name: "UPN, <I><SR>", card: plain, values: issuer_serial },
    Case { name: "UPN, <I><SR> with the serial number as people read it", card: plain, values: plain_serial },
    Case { name: "UPN, <I><SR> with the issuer in reverse", card: plain, values: issuer_backwards },
    Case { name: "UPN, <I><SR> with the issuer in small letters", card: plain, values: issuer_small },
    Case { name: "UPN, <SKI>", card: plain, values: ski },
    Case {
        name: "UPN, <SKI> in capital letters",
        card: plain,
        values: |facts| vec![format!("X509:<SKI>{}", ski(facts)[0].replace("X509:<SKI>", "").to_uppercase())],
    },
    Case {
        name: "UPN, <SHA1-PUKEY> of the certificate",
        card: plain,
        values: |facts| digest(facts, Sha1Reading::Certificate),
    },
    Case {
        name: "UPN, <SHA1-PUKEY> of the public key's info",
        card: plain,
        values: |facts| digest(facts, Sha1Reading::PublicKeyInfo),
    },
    Case {
        name: "UPN, <SHA1-PUKEY> of the public key",
        card: plain,
        values: |facts| digest(facts, Sha1Reading::PublicKey),
    },
    Case { name: "UPN, <I><S>", card: plain, values: |facts| of(facts, Form::IssuerSubject) },
    Case { name: "UPN, <S>", card: plain, values: |facts| of(facts, Form::Subject) },
    Case {
        name: "UPN and e-mail, <RFC822>",
        card: |card, _| card.email("one@corp.example"),
        values: |facts| of(facts, Form::Rfc822),
    },
    Case {
        name: "UPN, <I><SR> of another certificate",
        card: plain,
        values: |facts| vec![format!("X509:<I>{}<SR>0102", facts.x500_issuer().unwrap())],
    },
    Case {
        name: "another's UPN, <I><SR>",
        card: |card, _| card.without_upn().another_upn("bob@corp.example"),
        values: issuer_serial,
    },
    Case { name: "no name", card: nameless, values: nothing },
    Case { name: "no name, <I><SR>", card: nameless, values: issuer_serial },
    Case { name: "no name, <I><SR> with the issuer in reverse", card: nameless, values: issuer_backwards },
    Case { name: "no name, <SKI>", card: nameless, values: ski },
    Case {
        name: "no name, <SHA1-PUKEY> of the certificate",
        card: nameless,
        values: |facts| digest(facts, Sha1Reading::Certificate),
    },
    Case { name: "no name, <I><S>", card: nameless, values: |facts| of(facts, Form::IssuerSubject) },
    Case { name: "no name, <S>", card: nameless, values: |facts| of(facts, Form::Subject) },
    Case {
        name: "no name, <RFC822>",
        card: |card, _| card.without_upn().email("two@corp.example"),
        values: |facts| of(facts, Form::Rfc822),
    },
];

/// The controller that judges, with an account for each case.
struct Court {
    client: Container,
    controller: DomainController,
    pki: Pki,
    _network: Network,
}

fn account_of(index: usize) -> String {
    format!("map{index:02}")
}

impl Court {
    fn open() -> Self {
        let network = Network::create("court").unwrap();
        let pki = Pki::new(wait::now()).unwrap();
        let domain = Domain::of_the_tests();
        let image = domain.image(Release::Backports).unwrap();
        let controller = domain.start_from(&image, &network, network.address(10), &pki).unwrap();
        let accounts = CASES.iter().enumerate().fold(String::new(), |mut ldif, (index, _)| {
            let name = account_of(index);
            write!(
                ldif,
                "dn: CN={name},CN=Users,DC=corp,DC=example\nobjectClass: user\nsAMAccountName: {name}\n\
                 userPrincipalName: {name}@corp.example\nuserAccountControl: 66080\n\n"
            )
            .unwrap();
            ldif
        });
        ldb(&controller, "ldbadd", &accounts);
        let client = ContainerSpec::new(
            "court-client",
            &ImageSource::named("client").build().unwrap(),
            &network,
            network.next_address(),
        )
        .hostname("client.corp.example")
        .host(controller.name(), controller.address())
        .file("/etc/ssl/lab/machine-ca.pem", pki.machine_root_pem(), 0o644)
        // The client verifies its own certificate too.
        .file(
            "/lab/anchors.pem",
            [pki.machine_root_pem(), pki.card_root_pem(), pki.card_issuer_pem()].concat(),
            0o644,
        )
        .file("/lab/krb5.conf", client_conf(&controller), 0o644)
        .start()
        .unwrap();
        Self { client, controller, pki, _network: network }
    }

    fn directory(&self) -> Directory {
        let controller = &self.controller;
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

    /// Issues the cards, tells the accounts of them and hands them to the client.
    async fn cards(&self, directory: &Directory) -> Vec<Credential> {
        let bob = self.controller.sid("bob").unwrap().to_owned();
        let (mut cards, mut ldif, mut names) = (Vec::new(), String::new(), String::new());
        for (index, case) in CASES.iter().enumerate() {
            let name = account_of(index);
            let upn = format!("{name}@corp.example");
            let account = directory.account_by_upn(&Upn::parse(&upn).unwrap()).await.unwrap();
            let sids = Sids { own: account.object_sid.to_string(), other: bob.clone() };
            let request = self.pki.card(&upn).key(KeyKind::Rsa2048).with_key_identifier().fresh();
            let card = (case.card)(request, &sids).issue().unwrap();
            let facts = CertificateFacts::parse(card.der()).unwrap();
            for value in (case.values)(&facts) {
                writeln!(
                    ldif,
                    "dn: CN={name},CN=Users,DC=corp,DC=example\nchangetype: modify\nadd: altSecurityIdentities\n\
                     altSecurityIdentities: {value}\n"
                )
                .unwrap();
            }
            // Heimdal's KDC takes the name from the certificate; where there is none, from this file.
            if facts.upns().is_empty() {
                writeln!(names, "{name}@CORP.EXAMPLE:CN={name}").unwrap();
            }
            self.client.write(&format!("/lab/{name}.pem"), card.chain_pem().as_bytes(), "644").unwrap();
            self.client.write(&format!("/lab/{name}.key"), card.key_pem().as_bytes(), "600").unwrap();
            cards.push(card);
        }
        ldb(&self.controller, "ldbmodify", &ldif);
        let container = self.controller.container();
        container.write("/lab/pkinit-names", names.as_bytes(), "644").unwrap();
        let anchors = self.pki.card_root_pem() + &self.pki.card_issuer_pem();
        container.write("/lab/card-authorities.pem", anchors.as_bytes(), "644").unwrap();
        container.write("/etc/krb5.conf", KDC_CONF.as_bytes(), "644").unwrap();
        cards
    }

    /// Starts the controller again in this mode, and asks it for a ticket with every card.
    fn ask_the_controller(&self, mode: &str) -> Vec<String> {
        let key = "strong certificate binding enforcement";
        let script = format!(
            "sed -i '/{key}/d; /^\\[global\\]/a {key} = {mode}' /etc/samba/smb.conf && grep -c '{key}' /etc/samba/smb.conf"
        );
        self.controller.container().run(&["sh", "-c", &script]).unwrap();
        self.controller.stop().unwrap();
        self.controller.start_again().unwrap();
        let accounts: Vec<String> = (0..CASES.len()).map(account_of).collect();
        let script = format!("for name in {}; do {KINIT} done", accounts.join(" "));
        let said = self.client.run(&["bash", "-c", &script]).unwrap();
        said.lines().map(str::to_owned).collect()
    }
}

/// What `kinit` came to: `ok`, or the last error of the KDC but the one that asks for pre-authentication.
const KINIT: &str = r#"
    if said=$(KRB5_CONFIG=/lab/krb5.conf KRB5_TRACE=/dev/stdout KRB5CCNAME=MEMORY: kinit \
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

fn client_conf(controller: &DomainController) -> String {
    let own = " CORP.EXAMPLE = {\n";
    let pkinit = format!(
        "{own}  pkinit_anchors = FILE:/etc/ssl/lab/machine-ca.pem\n  pkinit_kdc_hostname = {}\n  pkinit_eku_checking = kpServerAuth\n",
        controller.name()
    );
    controller.krb5_conf().replacen(own, &pkinit, 1)
}

fn ldb(controller: &DomainController, tool: &str, ldif: &str) {
    let command = [tool, "-H", "/var/lib/samba/private/sam.ldb"];
    let finished = controller.container().exec_with(&command, &[], ldif.as_bytes()).unwrap();
    assert!(finished.succeeded(), "{}{}", finished.text(), finished.error_text());
}

/// Our verdict about a card, asked as a login asks.
async fn mapped(directory: &Directory, index: usize, card: &Credential, mode: &str) -> bool {
    let facts = CertificateFacts::parse(card.der()).unwrap();
    let card = Card { facts: &facts, issuer_sha1: None };
    let enforcement = match mode {
        "none" => Enforcement::None,
        "compatibility" => Enforcement::Compatibility { backdating: Duration::ZERO },
        _ => Enforcement::Full,
    };
    let rules = Rules { enforcement, sha1_readings: vec![Sha1Reading::Certificate], ..Rules::default() };
    let by_person = CASES[index].name.contains("the person names");
    let (sought, named_by) = if by_person {
        let upn = Upn::parse(&format!("{}@corp.example", account_of(index))).unwrap();
        (Ok(Sought::by_name(upn)), NamedBy::Person)
    } else {
        (Sought::by_card(&card, &rules), NamedBy::Card)
    };
    let Ok(sought) = sought else { return false };
    let Ok((account, _)) = directory.account_sought(&sought).await else { return false };
    let right = account.sam_account_name == account_of(index);
    let mapping = confirm(&card, &account, &rules, named_by);
    right && mapping.is_ok_and(|mapping| enforce(&mapping, &card, &account, &rules, named_by).is_ok())
}

/// The rows of the manual's table: case and mode, ours, theirs, why.
fn table() -> BTreeMap<(String, String), (String, String, String)> {
    let mut rows = BTreeMap::new();
    for line in TABLE.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")) {
        let cells: Vec<&str> = line.split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let [case, mode, ours, theirs, reason] = *cells.as_slice() else {
            panic!("a row of another form: {line}")
        };
        if case == "card and value" {
            continue;
        }
        let row = (ours.to_owned(), theirs.to_owned(), reason.to_owned());
        assert!(rows.insert((case.to_owned(), mode.to_owned()), row).is_none(), "twice: {line}");
    }
    rows
}

#[tokio::test]
async fn a_domain_controller_and_the_mapper_agree_or_differ_as_the_manual_says() {
    let court = Court::open();
    let directory = court.directory();
    let cards = court.cards(&directory).await;
    let mut said = table();
    let (mut wrong, mut differing) = (Vec::new(), 0);
    for mode in MODES {
        let theirs = court.ask_the_controller(mode);
        assert_eq!(theirs.len(), CASES.len(), "{theirs:#?}");
        for (index, (case, theirs)) in CASES.iter().zip(&theirs).enumerate() {
            let ours = mapped(&directory, index, &cards[index], mode).await;
            let ours = if ours { "ok" } else { "refused" };
            let key = (case.name.to_owned(), mode.to_owned());
            let row = said.remove(&key);
            let alike = (ours == "ok") == (theirs == "ok") && ["ok", "66", "75"].contains(&theirs.as_str());
            differing += usize::from(!alike);
            let right = match &row {
                None => alike,
                Some((a, b, reason)) => !alike && a == ours && b == theirs && reason.len() > 10,
            };
            if !right {
                let reason = row.map_or_else(|| "?".to_owned(), |(_, _, reason)| reason);
                wrong.push(format!("| {} | {mode} | `{ours}` | `{theirs}` | {reason} |", case.name));
            }
        }
    }
    println!("{} cards in {} modes, {differing} judged differently", CASES.len(), MODES.len());
    assert!(wrong.is_empty(), "the manual does not say:\n{}\n", wrong.join("\n"));
    assert!(said.is_empty(), "the manual speaks of what is not judged: {said:#?}");
}
