mod directory_cache;
mod mapping;
mod policy_files;
mod policy_targets;
mod presenting;
mod terminators;

use super::{
    document::Problems,
    raw::Raw,
    testing::{Authority, COMPLETE, Written},
    *,
};
use crate::frontend::kkdcp::Certificates;
use ldap_map::alt_security_identities::Sha1Reading;
use ldap_map::mapping::{Enforcement, EnterpriseIssuers};

/// What `accept_weak_mapping = true` means.
const COMPATIBILITY: Enforcement = Enforcement::Compatibility { backdating: Duration::ZERO };

#[test]
fn a_complete_configuration_is_loaded_with_its_defaults() {
    let config = Written::new().loaded().expect("the configuration is complete");
    assert_eq!(config.cards.connections.handshake_timeout, Duration::from_secs(10));
    assert_eq!(config.cards.logins.request_timeout, Duration::from_secs(15));
    assert_eq!(config.cards.connections.max_connections, 1024);
    assert_eq!(config.cards.connections.max_connections_per_address, 64);
    assert_eq!(config.handoff.code_lifetime, Duration::from_secs(60));
    assert_eq!(config.handoff.max_codes_per_person, 32);
    assert_eq!(config.log.format, Format::Text);
    assert!(config.status.is_none());
    assert_eq!(config.domains.own().settings().mapping.enforcement, Enforcement::Full);
    assert_eq!(config.summary.gateways, ["gw1"]);
}

#[test]
fn every_problem_is_reported_at_once_with_its_line() {
    let written = Written::new();
    let text = COMPLETE
        .replace("[frontend]\n", "[frontend]\nhandshake_timeout = \"10 seconds\"\nport = 8443\n")
        .replace("certificate = \"api.pem\"", "certificate = \"absent.pem\"")
        .replace("name = \"gw1\"", "name = \"gateway one\"")
        .replace("realm = \"CORP.EXAMPLE\"", "realm = \"corp.example\"")
        .replace("spn = \"HTTP/broker.corp.example\"\n", "")
        .replace("\"*.corp.example\"", "\"*.corp.example\", \"*\"");
    written.configuration(&format!("{text}\n[sesion]\n"));
    let problems = written.problems();
    let expected = [
        "line 3, frontend.handshake_timeout: is not a duration",
        "line 4, frontend.port: no such key here",
        "line 11, gateway_api.certificate: the file cannot be read: it does not exist",
        "line 16, gateway[1].name: is not a name of at most 64 letters",
        "line 31, kerberos.spn: missing",
        "line 32, kerberos.realm: is not a realm in capital letters",
        "line 40, policy.rule[1].targets[2]: \"*\": ",
        "line 44, sesion: no such key here",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem} is not {expected}");
    }
}

#[test]
fn the_sid_of_the_domain_may_be_given_and_must_be_one() {
    let written = Written::new();
    let with = |sid: &str| {
        let realm = "realm = \"CORP.EXAMPLE\"\n";
        written.configuration(&COMPLETE.replace(realm, &format!("{realm}domain_sid = \"{sid}\"\n")));
    };
    with("S-1-5-21-1004336348-1177238915-682003330");
    assert!(written.loaded().is_ok());
    for wrong in ["S-1-5-32-544", "S-1-5-21-1004336348-1177238915-682003330-1103", "CORP"] {
        with(wrong);
        let problems = written.problems();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(", kerberos.domain_sid: the "), "{problems:#?}");
    }
}

/// A realm beside our own.
const BETA: &str = r#"
[[realm]]
name = "BETA.EXAMPLE"
kdcs = ["127.0.0.2:88"]
domain_sid = "S-1-5-21-1-2-3"
[realm.directory]
servers = ["dc1.beta.example=127.0.0.2:636"]
base_dn = "DC=beta,DC=example"
ca = "root.pem"
bind_name = "svc-broker@corp.example"
bind_password = "credential:ldap-password"
upn_suffixes = ["brand.example"]
"#;

#[test]
fn a_realm_beside_our_own_has_a_directory_and_kdcs_of_its_own() {
    let written = Written::new();
    let alone = written.loaded().unwrap();
    assert!(alone.domains.trusted().is_empty() && alone.tickets.trusted.is_empty());
    written.configuration(&format!("{COMPLETE}{BETA}"));
    let config = written.loaded().unwrap();
    let [beta] = config.domains.trusted() else { panic!("one realm beside our own") };
    assert_eq!(beta.directory().dns_domain(), "beta.example");
    assert_eq!(beta.settings().upn_suffixes.as_deref(), Some(&["brand.example".to_owned()][..]));
    assert_eq!(beta.settings().domain_sid, Some("S-1-5-21-1-2-3".parse().unwrap()));
    assert_eq!(config.domains.own().settings().upn_suffixes, None);
    assert_eq!(config.tickets.trusted, [Realm::new("BETA.EXAMPLE").unwrap()]);
    assert_eq!(config.summary.realms, ["BETA.EXAMPLE"]);
    assert_ne!(alone.fixed(), config.fixed(), "it takes a restart");
}

#[test]
fn what_is_wrong_with_a_realm_is_told_at_its_line() {
    let written = Written::new();
    for (old, new, key) in [
        ("\"BETA.EXAMPLE\"", "\"Beta.example\"", "realm[1].name"),
        ("\"BETA.EXAMPLE\"", "\"GAMMA.EXAMPLE\"", "realm[1].name"),
        ("S-1-5-21-1-2-3", "S-1-5-32-544", "realm[1].domain_sid"),
        ("\"brand.example\"", "\"brand..example\"", "realm[1].directory.upn_suffixes[1]"),
        ("kdcs = [\"127.0.0.2:88\"]\n", "", "realm[1].kdcs"),
        ("bind_name =", "bind_nam =", "realm[1].directory.bind_name"),
        ("BETA.EXAMPLE\"\nkdcs", "BETA.EXAMPLE\"\nforest = true\nkdcs", "realm[1].forest"),
    ] {
        written.configuration(&format!("{COMPLETE}{}", BETA.replacen(old, new, 1)));
        let problems = written.problems();
        assert!(problems.iter().any(|problem| problem.contains(&format!("{key}: "))), "{key}: {problems:#?}");
    }
}

/// The same and our own realm, whose domain controllers are searched in DNS.
fn discovering() -> String {
    let own = COMPLETE
        .replace("servers = [\"dc1.corp.example=127.0.0.1:636\"]\n", "")
        .replace("kdcs = [\"127.0.0.1:88\"]\n", "")
        .replace(
            "[kerberos]\n",
            "[directory.discovery]\ndomain = \"corp.example\"\ndns_servers = [\"127.0.0.1:53\"]\n[kerberos]\n",
        );
    let beta = BETA
        .replace("servers = [\"dc1.beta.example=127.0.0.2:636\"]\n", "")
        .replace("kdcs = [\"127.0.0.2:88\"]\n", "");
    format!(
        "{own}{beta}[realm.directory.discovery]\ndomain = \"beta.example\"\nsite = \"Paris\"\n\
         host_domains = [\"beta.example\", \"hosts.example\"]\ndns_servers = [\"127.0.0.1:53\"]\n"
    )
}

#[test]
fn domain_controllers_are_searched_where_a_table_says_so_and_are_then_not_listed() {
    let written = Written::new();
    let listed = written.loaded().unwrap();
    assert!(listed.controllers.iter().all(|realm| !realm.are_discovered()));
    assert_eq!(listed.controllers[0].status().kdcs.len(), 1);
    written.configuration(&discovering());
    let config = written.loaded().unwrap();
    assert_eq!(config.summary.discovered, ["corp.example", "beta.example"]);
    let realms: Vec<_> = config.controllers.iter().map(|realm| realm.status()).collect();
    assert_eq!(
        realms.iter().map(|status| status.realm.as_str()).collect::<Vec<_>>(),
        ["CORP.EXAMPLE", "BETA.EXAMPLE"]
    );
    assert!(config.controllers.iter().all(|realm| realm.are_discovered()));
    assert!(realms.iter().all(|status| status.kdcs.is_empty() && status.servers.is_empty()));
    assert_ne!(listed.fixed(), config.fixed(), "it takes a restart");
}

#[test]
fn servers_are_listed_or_discovered_and_never_both_or_neither() {
    let written = Written::new();
    let both =
        |key: &str, other: &str| format!("{key}: exactly one of {} and {other} is needed", key_of(key));
    let lists = "[directory]\nservers = [\"dc1.corp.example\"]\n";
    let kdcs = "[kerberos]\nkdcs = [\"dc1.corp.example\"]\n";
    let text = discovering().replace("[directory]\n", lists).replace("[kerberos]\n", kdcs);
    for (text, expected) in [
        (text.clone(), ["directory.servers", "kerberos.kdcs"].as_slice()),
        (COMPLETE.replace("servers = [\"dc1.corp.example=127.0.0.1:636\"]\n", ""), &["directory.servers"]),
        (COMPLETE.replace("kdcs = [\"127.0.0.1:88\"]\n", ""), &["kerberos.kdcs"]),
        (
            discovering()
                .replace("[realm.directory]\n", "kdcs = [\"dc1.beta.example\"]\n[realm.directory]\n"),
            &["realm[1].kdcs"],
        ),
        (
            discovering().replace("[realm.directory]\n", &lists.replace("[directory]", "[realm.directory]")),
            &["realm[1].directory.servers"],
        ),
    ] {
        written.configuration(&text);
        let problems = written.problems();
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, key) in problems.iter().zip(expected) {
            let other = if key.ends_with("servers") { "discovery" } else { "directory.discovery" };
            assert!(problem.ends_with(&both(key, other)), "{key}: {problem}");
        }
    }
}

/// The last part of a key.
fn key_of(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

#[test]
fn what_is_wrong_with_a_search_is_told_at_its_line() {
    let written = Written::new();
    for (old, new, key) in [
        ("domain = \"corp.example\"", "domain = \"beta.example\"", "directory.discovery.domain"),
        ("domain = \"corp.example\"\n", "", "directory.discovery.domain"),
        ("\"127.0.0.1:53\"", "\"127.0.0.1\"", "directory.discovery.dns_servers[1]"),
        ("\"Paris\"", "\"Paris._msdcs\"", "realm[1].directory.discovery.site"),
        ("\"hosts.example\"", "\"10.0.0.1\"", "realm[1].directory.discovery.host_domains[2]"),
        ("site =", "refresh_interval = \"25h\"\nsite =", "realm[1].directory.discovery.refresh_interval"),
        ("site =", "ping = true\nsite =", "realm[1].directory.discovery.ping"),
        ("realm = \"CORP.EXAMPLE\"", "realm = \"CORP.EXAMPLES\"", "directory.discovery.domain"),
    ] {
        written.configuration(&discovering().replacen(old, new, 1));
        let problems = written.problems();
        assert!(problems.iter().any(|problem| problem.contains(&format!("{key}: "))), "{key}: {problems:#?}");
    }
}

#[test]
fn a_realm_is_there_once() {
    let written = Written::new();
    written.configuration(&format!("{COMPLETE}{BETA}{BETA}"));
    assert!(written.problems()[0].contains("realm BETA.EXAMPLE"), "{:#?}", written.problems());
}

#[test]
fn a_rule_names_groups_of_configured_realms() {
    let written = Written::new();
    let rule = COMPLETE.replace("[\"Desktop Users\"]", "[\"Desktop Users@BETA.EXAMPLE\"]");
    written.configuration(&format!("{rule}{BETA}"));
    assert!(written.loaded().is_ok());
    written.configuration(&rule);
    let problems = written.problems();
    assert!(
        problems[0].contains("policy.rule[1].groups[1]: \"Desktop Users@BETA.EXAMPLE\""),
        "{problems:#?}"
    );
}

#[test]
fn a_weak_mapping_that_another_realm_accepts_is_warned_of() {
    let written = Written::new();
    written.configuration(&format!("{COMPLETE}{BETA}accept_weak_mapping = true\n"));
    let config = written.loaded().unwrap();
    assert_eq!(config.domains.own().settings().mapping.enforcement, Enforcement::Full);
    assert_eq!(config.domains.trusted()[0].settings().mapping.enforcement, COMPATIBILITY);
    assert!(config.warnings.iter().any(|warning| matches!(warning, Warning::WeakMappingAccepted)));
}

#[test]
fn an_empty_file_lacks_every_table_and_says_how_it_looks() {
    let written = Written::new();
    written.configuration("# nothing\n");
    let problems = written.loaded().expect_err("nothing is configured");
    let missing: Vec<_> = problems.iter().map(|problem| problem.place().key()).collect();
    for key in
        ["frontend.listen", "gateway", "identity.roots", "directory.servers", "kerberos.realm", "policy.rule"]
    {
        assert!(missing.contains(&key), "{missing:?} lacks {key}");
    }
    let listen = problems.iter().find(|problem| problem.place().key() == "frontend.listen").unwrap();
    assert!(listen.to_string().contains("listen = [\"0.0.0.0:8443\"]"), "{listen}");
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_its_line() {
    let written = Written::new();
    written.configuration(&COMPLETE.replace("[directory]", "[directory"));
    let problems = written.problems();
    assert!(problems[0].starts_with("line 21: "), "{problems:#?}");
}

#[test]
fn a_configuration_that_is_absent_or_writable_by_others_is_refused() {
    let written = Written::new();
    written.mode("kerbridge.toml", 0o666);
    assert_eq!(written.problems(), ["the file: the file can be changed by others (mode 0666)"]);
    let absent = Config::load(Path::new("/nonexistent/kerbridge.toml"), None, testing::now());
    let problems = absent.expect_err("there is no such file");
    assert!(
        matches!(problems.as_slice(), [problem] if matches!(problem.fault(), Fault::File(FileFault::Read(_))))
    );
}

#[test]
fn a_secret_others_can_read_is_refused_wherever_it_is_named() {
    let written = Written::new();
    for name in ["server.key", "api.key", "ldap-password", "keytab"] {
        written.mode(name, 0o644);
    }
    let problems = written.problems();
    let keys = ["frontend.key", "gateway_api.key", "directory.bind_password", "kerberos.keytab"];
    assert_eq!(problems.len(), keys.len(), "{problems:#?}");
    for (problem, key) in problems.iter().zip(keys) {
        assert!(
            problem.ends_with(&format!("{key}: the secret can be read by others (mode 0644)")),
            "{problem}"
        );
    }
}

#[test]
fn a_secret_in_place_of_its_name_is_refused_and_not_repeated() {
    let written = Written::new();
    for (old, new) in [
        ("\"credential:ldap-password\"", "\"hunter2\""),
        ("\"credential:ldap-password\"", "\"/hunter2\""),
        ("\"credential:ldap-password\"", "\"credential:hunter2/\""),
        ("\"credential:ldap-password\"", "\"hunter2"),
        ("\"credential:ldap-password\"", "hunter2"),
        ("\"credential:ldap-password\"", "[\"hunter2\"]"),
        ("bind_password = \"credential:ldap-password\"", "password = \"hunter2\""),
    ] {
        let problems = written.with(old, new).loaded().expect_err("this is no name of a secret");
        for problem in problems {
            let said = format!("{problem} {problem:?}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let written = Written::new();
    let (_, key) = Authority::new("other").leaf("portal.corp.example");
    written.secret("server.key", key.as_bytes());
    let expected = "line 5, frontend.key: the key does not belong to the first certificate of the chain";
    assert_eq!(written.problems(), [expected]);
}

#[test]
fn a_keytab_without_an_aes_key_is_refused_unless_rc4_is_allowed_and_then_warned_of() {
    let written = Written::new();
    written.keytab(kdc_proxy::key::Etype::Rc4, &[7; 16]);
    let problems = written.problems();
    assert!(matches!(problems.as_slice(), [one] if one.contains("kerberos.keytab: keytab has no aes key")));
    written.with("[kerberos]\n", "[kerberos]\nallow_rc4 = true\n");
    assert!(written.loaded().expect("rc4 is allowed").warnings.contains(&Warning::Rc4Allowed));
}

#[test]
fn a_file_without_certificates_and_a_broken_revocation_list_are_refused() {
    let written = Written::new();
    written.public("empty.pem", "-----BEGIN NOTHING-----\n-----END NOTHING-----\n");
    written.public("broken.crl", "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n");
    written.with(
        "roots = \"root.pem\"\nrevocation = { mode = \"off\" }",
        "roots = \"empty.pem\"\nrevocation = { mode = \"crl\", crls = [\"broken.crl\"] }",
    );
    let problems = written.problems();
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(problems[0].ends_with("identity.roots: the file holds no certificate"));
    assert!(problems[1].ends_with(
        "identity.revocation.crls[1]: entry 1 of the file is not a well-formed certificate revocation list"
    ));
}

#[test]
fn an_order_of_revocation_sources_is_declared_for_each_issuer() {
    let written = Written::new();
    let ordered = "[identity.revocation]\nmode = \"ordered\"\n";
    let off = "revocation = { mode = \"off\" }";
    let with = |tables: &str| {
        written.configuration(&format!("{}{ordered}{tables}", COMPLETE.replace(off, "")));
    };
    with("");
    assert!(written.problems().iter().any(|problem| problem.contains("identity.revocation.issuer: missing")));
    let issuer = "[[identity.revocation.issuer]]\n";
    with(&format!(
        "{issuer}order = [\"ocsp\", \"alternate_ocsp\", \"crl\", \"cached\"]\n\
         alternate_ocsp = [\"http://ocsp.example/\"]\n\
         {issuer}name = \"CN=Old CA\"\norder = [\"crl\"]\naccept_unknown_revocation_status = true\n"
    ));
    let warnings = written.loaded().expect("sound orders").warnings;
    let open = Warning::UnknownRevocationAccepted { issuer: Some("CN=Old CA".to_owned()) };
    assert_eq!(warnings, [open]);
    for (wrong, reason) in [
        ("order = []\n", "identity.revocation.issuer[1].order"),
        ("order = [\"ocsp\", \"ocsp\"]\n", "names a source twice"),
        ("order = [\"alternate_ocsp\"]\n", "exactly if responders are named"),
        ("order = [\"cached\"]\n", "nothing is ever asked"),
        ("order = [\"crl\"]\ncrl_urls = [\"https://a/\"]\n", "it is an https url"),
        ("order = [\"ocsp\"]\nocsp_nonce_octets = 20\n", "16 or 32 octets"),
        ("order = [\"ocsp\"]\nname = \"nobody\"\n", "is not a distinguished name"),
        ("order = [\"guess\"]\n", "identity.revocation.issuer[1].order"),
    ] {
        with(&format!("{issuer}{wrong}"));
        let problems = written.problems();
        assert!(problems.iter().any(|problem| problem.contains(reason)), "{wrong}: {problems:?}");
    }
}

#[test]
fn revocation_by_lists_needs_a_list() {
    let written = Written::new();
    written.with("mode = \"off\"", "mode = \"crl\"");
    assert!(written.problems().iter().any(|problem| problem.ends_with("identity.revocation.crls: missing")));
}

#[test]
fn a_directory_of_lists_stands_for_the_lists_and_a_bad_file_in_it_is_a_warning() {
    let written = Written::new();
    written.with("mode = \"off\"", "mode = \"crl\", directory = \"lists\"");
    let mistake = "identity.revocation.directory: it cannot be read: entity not found";
    assert!(written.problems().iter().any(|problem| problem.ends_with(mistake)), "{:#?}", written.problems());
    std::fs::create_dir(written.path("lists")).unwrap();
    assert!(
        !written.loaded().unwrap().warnings.iter().any(|warning| matches!(warning, Warning::ListFile { .. }))
    );
    written.public("lists/good.crl", &Authority::new("root").crl(20));
    written.public("lists/bad.crl", "rubbish");
    let config = written.loaded().unwrap();
    assert_eq!(config.summary.revocation_lists, 1);
    let bad = config.warnings.iter().filter(|warning| matches!(warning, Warning::ListFile { .. })).count();
    assert_eq!(bad, 1, "{:?}", config.warnings);
}

#[test]
fn who_is_asked_for_what_certificates_point_at_is_named_in_networks_ports_and_hosts() {
    let written = Written::new();
    let tables = "[identity.fetch]\nallow_networks = [\"10.0.0.0/8\"]\nallow_ports = [8080]\n[identity.aia]\nhosts = [\"pki.example\"]\n";
    written.with("[directory]", &format!("{tables}[directory]"));
    assert!(written.loaded().is_ok(), "{:#?}", written.problems());
    for (right, wrong) in
        [("10.0.0.0/8", "10.0.0.1/8"), ("[8080]", "[80800]"), ("hosts = [\"pki.example\"]", "")]
    {
        let other = Written::new();
        other.with("[directory]", &format!("{}[directory]", tables.replace(right, wrong)));
        assert_eq!(other.problems().len(), 1, "{:#?}", other.problems());
    }
}

#[test]
fn two_gateways_of_one_name_or_certificate_are_refused() {
    let written = Written::new();
    let again = "[[gateway]]\nname = \"gw1\"\ndns_name = \"GW1.corp.example\"\n\n[identity]";
    let problems = written.with("[identity]", again).problems();
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(
        problems[0].contains("gateway[2].name: is used a second time; the first is line 14, gateway[1].name")
    );
    assert!(problems[1].contains("gateway[2].dns_name: is used a second time"));
}

#[test]
fn a_gateway_needs_exactly_one_kind_of_certificate() {
    let written = Written::new();
    let fingerprint = format!("certificate_sha256 = \"{}\"", "ab".repeat(32));
    let both = format!("dns_name = \"gw1.corp.example\"\n{fingerprint}");
    for broken in ["", &both] {
        let problems = written.with("dns_name = \"gw1.corp.example\"", broken).problems();
        let expected = "line 13, gateway[1]: exactly one of dns_name and certificate_sha256 is needed";
        assert_eq!(problems, [expected]);
    }
    written.with("dns_name = \"gw1.corp.example\"", &fingerprint).loaded().expect("a fingerprint is enough");
}

#[test]
fn a_directory_takes_a_password_or_a_certificate_and_not_both() {
    let written = Written::new();
    let password = "bind_name = \"svc-broker@corp.example\"\nbind_password = \"credential:ldap-password\"";
    let certificate = "bind_certificate = \"api.pem\"\nbind_key = \"credential:api.key\"";
    written.with(password, certificate).loaded().expect("a certificate is enough");
    for broken in [String::new(), format!("{password}\n{certificate}")] {
        let problems = written.with(password, &broken).problems();
        assert!(problems[0].contains("exactly one of bind_name with bind_password and"), "{problems:?}");
    }
    let problems = written.with("bind_password = \"credential:ldap-password\"", "").problems();
    assert!(problems[0].ends_with("directory.bind_password: missing"), "{problems:?}");
}

#[test]
fn a_status_page_for_the_whole_network_has_to_be_wanted() {
    let written = Written::new();
    let health = "[health]\nlisten = \"0.0.0.0:0\"\n";
    written.configuration(&format!("{COMPLETE}{health}"));
    assert!(written.problems()[0].ends_with("health.listen: is not a loopback address"));
    written.configuration(&format!("{COMPLETE}{health}loopback_only = false\n"));
    assert!(written.loaded().expect("it is wanted").warnings.contains(&Warning::StatusNotLoopback));
}

#[test]
fn a_grace_that_is_over_before_a_second_try_is_warned_of() {
    for (grace, warned) in [("1h", true), ("3h", false), ("0s", false)] {
        let written = Written::new();
        let handoff = format!("[handoff]\nrecheck_interval = \"2h\"\nrecheck_grace = \"{grace}\"\n");
        written.configuration(&format!("{COMPLETE}{handoff}"));
        let warnings = written.loaded().unwrap().warnings;
        assert_eq!(warnings.contains(&Warning::GraceOverBeforeNextTry), warned, "{grace}");
    }
}

#[test]
fn what_weakens_the_service_is_warned_of() {
    let written = Written::new();
    assert_eq!(written.loaded().unwrap().warnings, [Warning::RevocationOff]);
    written.with("revocation = { mode = \"off\" }", "");
    assert_eq!(written.loaded().unwrap().warnings, [Warning::RevocationNotConfigured]);
    written.with("[directory]\n", "[directory]\naccept_weak_mapping = true\n");
    assert!(written.loaded().unwrap().warnings.contains(&Warning::WeakMappingAccepted));
    written.with("strong_mapping.enterprise_issuers", "strong_mapping.mode = \"dangerously-none\" #");
    let warnings = written.loaded().unwrap().warnings;
    assert!(warnings.contains(&Warning::AnyMappingAccepted), "{warnings:?}");
    assert!(warnings.contains(&Warning::EveryIssuerNamesSids), "{warnings:?}");
}

#[test]
fn the_rules_for_mappings_are_read_and_the_older_key_is_one_of_their_modes() {
    let written = Written::new();
    let table = "strong_mapping.mode = \"compatibility\"\n\
                 strong_mapping.certificate_backdating_compensation = \"1h\"\n\
                 strong_mapping.sha1_public_key = [\"certificate\"]\n\
                 strong_mapping.name_rules = [\"fe40a3146d935dc248504d2dcd960d15c4542e6e; 1.2.3; IssuerSubject\"]\n\
                 strong_mapping.enterprise_issuers";
    let config = written.with("strong_mapping.enterprise_issuers", table).loaded().unwrap();
    let rules = &config.domains.own().settings().mapping;
    let backdating = Duration::from_secs(3600);
    assert_eq!(rules.enforcement, Enforcement::Compatibility { backdating });
    assert_eq!(rules.sha1_readings, [Sha1Reading::Certificate]);
    assert_eq!(rules.enterprise_issuers, EnterpriseIssuers::Named(vec!["CN=root".to_owned()]));
    assert_eq!(rules.name_rules[0].issuer()[0], 0xfe);

    let old = "accept_weak_mapping = true\nstrong_mapping.enterprise_issuers";
    let config = written.with("strong_mapping.enterprise_issuers", old).loaded().unwrap();
    assert_eq!(config.domains.own().settings().mapping.enforcement, COMPATIBILITY);

    let wrong = "accept_weak_mapping = true\nstrong_mapping.mode = \"full\"\nstrong_mapping.name_rules = [\"x\"]\n\
                 strong_mapping.enterprise_issuers";
    let problems = written.with("strong_mapping.enterprise_issuers", wrong).problems();
    let told = |words: &str| problems.iter().any(|problem| problem.contains(words));
    assert!(told("exactly one of accept_weak_mapping and strong_mapping.mode"), "{problems:?}");
    assert!(told("strong_mapping.name_rules[1]: three sections"), "{problems:?}");
}

#[test]
fn a_group_that_no_pac_names_is_warned_of_where_a_rule_names_it_by_its_sid() {
    let written = Written::new();
    let groups = "groups = [\"Staff\", \"S-1-5-32-555\", \"S-1-5-21-1-2-3-1104\", \"s-1-5-11\"]";
    let warnings = written.with("groups = [\"Desktop Users\"]", groups).loaded().unwrap().warnings;
    let told: Vec<_> = warnings
        .iter()
        .filter_map(|warning| match warning {
            Warning::GroupNotVouched { key, sid } => Some((key.as_str(), sid.to_string())),
            _ => None,
        })
        .collect();
    let expected = [("policy.rule[1].groups[2]", "S-1-5-32-555"), ("policy.rule[1].groups[4]", "S-1-5-11")];
    assert_eq!(told, expected.map(|(key, sid)| (key, sid.to_owned())));
}

#[test]
fn a_revocation_list_of_the_gateways_is_warned_of_a_day_before_its_end_and_after_it() {
    let written = Written::new();
    written.with("client_ca = \"root.pem\"", "client_ca = \"root.pem\"\nclient_crls = [\"gateways.crl\"]");
    let authority = Authority::new("gateways");
    // All tests take place on 2027-01-15 at 08:00.
    for (day, expected) in [(15, Some(true)), (16, Some(false)), (17, None)] {
        written.public("gateways.crl", &authority.crl(day));
        let warnings = written.loaded().unwrap().warnings;
        let told = warnings.iter().find_map(|warning| match warning {
            Warning::GatewayListEnds { ended, .. } => Some(*ended),
            _ => None,
        });
        assert_eq!(told, expected, "{warnings:?}");
    }
}

#[test]
fn only_what_a_restart_changes_is_fixed_whatever_line_it_stands_on() {
    let written = Written::new();
    let first = written.loaded().unwrap();
    written.with("[frontend]", "# moved\n\n[frontend]");
    assert_eq!(written.loaded().unwrap().fixed(), first.fixed());
    written.with("services = [\"TERMSRV\", \"HTTP\"]", "services = [\"TERMSRV\"]");
    assert_eq!(written.loaded().unwrap().fixed(), first.fixed());
    written.with("kdcs = [\"127.0.0.1:88\"]", "kdcs = [\"127.0.0.2:88\"]");
    assert_ne!(written.loaded().unwrap().fixed(), first.fixed());
}

#[test]
fn every_example_in_deploy_has_only_keys_that_exist_and_all_that_are_needed() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let mut folders = vec![deploy];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            // Cases for policies are no configurations.
            if path.ends_with("policies") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                let text = fs_text(&path);
                let problems = Problems::default();
                Raw::read(&text, &problems);
                let problems = problems.into_sorted();
                assert!(problems.is_empty(), "{}: {problems:#?}", path.display());
                count += 1;
            }
        }
    }
    assert!(count >= 1, "no example was found");
}

#[expect(clippy::disallowed_methods, reason = "a test may block")]
fn fs_text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_renewal_that_cuts_the_tickets_of_a_rule_short_is_spoken_of() {
    let written = Written::new();
    let needed = Duration::from_secs(70 * 60);
    for (chosen, late) in [("", false), ("renew_before = \"10m\"", true), ("renew_before = \"70m\"", false)] {
        let config = written.with("[kerberos]", &format!("[kerberos]\n{chosen}")).loaded().unwrap();
        assert_eq!(config.warnings.contains(&Warning::LateRenewal { needed }), late, "{chosen}");
    }
}

/// A KDC proxy.
const PROXY: &str = r#"
[kdc_proxy]
listen = ["127.0.0.1:0"]
certificate = "server.pem"
key = "credential:server.key"
kdcs = ["127.0.0.2"]
"#;

#[test]
fn a_kdc_proxy_is_open_to_everybody_only_where_it_is_said() {
    let written = Written::new();
    written.configuration(&format!("{COMPLETE}{PROXY}open = true\n"));
    assert!(written.loaded().unwrap().kdc_proxy.unwrap().open);
    for silent in ["", "open = false\n"] {
        written.configuration(&format!("{COMPLETE}{PROXY}{silent}"));
        let problems = written.problems();
        assert!(problems[0].contains("kdc_proxy.open: does not let anybody use the proxy"), "{problems:#?}");
    }
    for other in [
        "session_url = \"https://kkdcp.corp.example/KdcProxy\"\n",
        "client_certificates = \"optional\"\nclient_ca = \"root.pem\"\n",
        "client_certificates = \"required\"\nclient_cards = true\n",
    ] {
        written.configuration(&format!("{COMPLETE}{PROXY}{other}"));
        assert!(!written.loaded().unwrap().kdc_proxy.unwrap().open, "{other}");
    }
}

#[test]
fn the_sessions_of_a_kdc_proxy_have_an_address_that_tokens_can_be_added_to() {
    let written = Written::new();
    for wrong in [
        "http://kkdcp.corp.example/KdcProxy",
        "https:///KdcProxy",
        "https://kkdcp.corp.example/KdcProxy/",
        "https://kkdcp.corp.example/",
        "https://me@kkdcp.corp.example/KdcProxy",
        "https://kkdcp.corp.example/KdcProxy?a=b",
        "kkdcp.corp.example",
    ] {
        written.configuration(&format!("{COMPLETE}{PROXY}session_url = \"{wrong}\"\n"));
        let problems = written.problems();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains("kdc_proxy.session_url: is not the address"), "{problems:#?}");
    }
}

#[test]
fn certificates_of_a_kdc_proxys_clients_have_one_authority_and_a_purpose() {
    let written = Written::new();
    let asked = |mode: &str, more: &str| {
        format!("{COMPLETE}{PROXY}open = true\nclient_certificates = \"{mode}\"\n{more}")
    };
    for (mode, more, problem) in [
        ("optional", "", "client_certificates: exactly one of client_ca and client_cards"),
        (
            "required",
            "client_ca = \"root.pem\"\nclient_cards = true\n",
            "client_certificates: exactly one of",
        ),
        (
            "optional",
            "client_cards = true\nclient_certificate_admits = false\n",
            "certificate_admits: leaves nothing",
        ),
        (
            "none",
            "client_ca = \"root.pem\"\n",
            "client_ca: is about certificates that no client is asked for",
        ),
        ("maybe", "", "client_certificates: is none of the values"),
    ] {
        written.configuration(&asked(mode, more));
        let problems = written.problems();
        assert!(problems[0].contains(problem), "{problems:#?}");
    }
    written.configuration(&asked("required", "client_cards = true\nclient_certificate_admits = false\n"));
    let proxy = written.loaded().unwrap().kdc_proxy.unwrap();
    assert_eq!(proxy.certificates, Certificates::DoNotAdmit);
}

#[test]
fn certificates_of_controllers_that_are_searched_must_name_the_domain_unless_it_is_waived() {
    let written = Written::new();
    let warned = |table: &str| {
        written.configuration(&discovering().replace("site = \"Paris\"\n", table));
        written.loaded().unwrap().warnings.contains(&Warning::AnyMachineIsController)
    };
    assert!(!warned("") && !warned("certificates_name_domain = true\n"));
    assert!(warned("certificates_name_domain = false\n"));
}

#[test]
fn a_kdc_proxy_follows_the_search_for_controllers_where_its_own_are_not_listed() {
    let written = Written::new();
    let listed = "kdcs = [\"127.0.0.2\"]\n";
    let followed = |proxy: &str| {
        let realms = "open = true\nrealms = [\"BETA.EXAMPLE\"]\n";
        written.configuration(&format!("{}{proxy}{realms}", discovering()));
        let followed = written.loaded().unwrap().kdc_proxy.unwrap().followed;
        followed.into_iter().map(|(realm, passwords)| (realm.to_string(), passwords)).collect::<Vec<_>>()
    };
    let searched = PROXY.replace(listed, "");
    let (beta, own) = ("BETA.EXAMPLE".to_owned(), "CORP.EXAMPLE".to_owned());
    let (listed_there, at_kdcs) = (Passwords::Listed, Passwords::AtKdcs);
    assert_eq!(followed(PROXY), [(beta.clone(), at_kdcs)]);
    assert_eq!(followed(&searched), [(beta.clone(), at_kdcs), (own.clone(), at_kdcs)]);
    let elsewhere = format!("{searched}kpasswd = [\"127.0.0.3\"]\n");
    assert_eq!(followed(&elsewhere), [(beta, at_kdcs), (own, listed_there)]);
    // Where nothing is searched, there is no other place to take them from.
    written.configuration(&format!("{COMPLETE}{searched}open = true\n"));
    assert!(written.problems()[0].contains("kdc_proxy.kdcs: missing"), "{:?}", written.problems());
}

#[test]
fn a_kdc_proxy_forwards_to_its_own_realm_and_to_those_that_are_named() {
    let written = Written::new();
    let realm = |name: &str| Realm::new(name).unwrap();
    let loaded = |realms: &str| {
        written.configuration(&format!("{COMPLETE}{BETA}{PROXY}open = true\n{realms}"));
        written.loaded().map(|config| config.kdc_proxy.unwrap().relay)
    };
    let alone = loaded("").unwrap();
    assert!(alone.realm(&realm("corp.example")).is_some() && alone.realm(&realm("BETA.EXAMPLE")).is_none());
    let both = loaded("realms = [\"BETA.EXAMPLE\"]\n").unwrap();
    assert!(both.realm(&realm("CORP.EXAMPLE")).is_some() && both.realm(&realm("beta.example")).is_some());
    let problems = loaded("realms = [\"GAMMA.EXAMPLE\"]\n").unwrap_err();
    assert!(problems[0].place().key().contains("kdc_proxy.realms[1]"), "{problems:?}");
}
