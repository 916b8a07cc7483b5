use std::net::SocketAddr;
use std::time::Duration;

use ldap_map::mapping::source::{AttributeMapping, Candidate, Source};
use ldap_map::net::directory::{self, Bind};
use ldap_map::schema::AttributeName;
use ldap_map::testing::Person;
use zeroize::Zeroizing;

use super::*;
use crate::directory::testing::server;
use crate::identity::testing::Authority;

const OWN: &str = "S-1-5-21-1-1-1";
const BETA: &str = "S-1-5-21-2-2-2";

fn sid(text: &str) -> Sid {
    text.parse().expect("a SID")
}

/// A domain whose directory nobody asks.
fn domain(base: &str, upn_suffixes: Option<&[&str]>) -> Domain {
    let closed = SocketAddr::from(([127, 0, 0, 1], 1));
    let directory = Directory::new(directory::Settings {
        servers: vec![server().at(closed)],
        base_dn: Dn::parse(base).expect("a base"),
        roots: vec![Authority::root("Root").certificate],
        bind: Bind::Simple { name: "broker".to_owned(), password: Zeroizing::new("secret".to_owned()) },
        pool_size: 1,
        connect_timeout: Duration::from_secs(5),
        operation_timeout: Duration::from_secs(5),
    });
    let upn_suffixes = upn_suffixes.map(|list| list.iter().map(|suffix| (*suffix).to_owned()).collect());
    let settings = Settings { upn_suffixes, ..Settings::default() };
    Domain::new(Arc::new(directory.expect("good settings")), settings)
}

/// The names of the domains that are asked for a suffix.
fn asked(own: Option<&[&str]>, suffix: &str) -> Vec<String> {
    let domains = Domains::new(
        domain("DC=corp,DC=example", own),
        vec![
            domain("DC=beta,DC=example", Some(&["brand.example", "beta.example"])),
            domain("DC=gamma,DC=example", Some(&["brand.example", "corp.example"])),
            domain("DC=delta,DC=example", None),
        ],
    );
    domains.candidates(suffix).iter().map(|domain| domain.name().to_owned()).collect()
}

#[test]
fn alone_our_own_domain_is_asked_for_every_suffix() {
    let alone = Domains::new(domain("DC=corp,DC=example", None), Vec::new());
    for suffix in ["corp.example", "beta.example", "mil"] {
        assert_eq!(alone.candidates(suffix).len(), 1, "{suffix}");
    }
}

#[test]
fn a_domain_is_asked_for_its_own_name_in_any_letters() {
    assert_eq!(asked(None, "beta.example"), ["beta.example"]);
    assert_eq!(asked(None, "DELTA.example"), ["delta.example"]);
}

#[test]
fn every_domain_that_is_configured_to_have_a_suffix_is_asked() {
    assert_eq!(asked(Some(&["other.example"]), "brand.example"), ["beta.example", "gamma.example"]);
    assert_eq!(
        asked(Some(&["brand.example"]), "Brand.Example"),
        ["corp.example", "beta.example", "gamma.example"]
    );
    assert_eq!(asked(None, "corp.example"), ["corp.example", "gamma.example"]);
}

#[test]
fn without_a_list_our_own_domain_may_have_any_suffix_but_another_domains_name() {
    assert_eq!(asked(None, "brand.example"), ["corp.example", "beta.example", "gamma.example"]);
    assert_eq!(asked(None, "unheard-of.example"), ["corp.example"]);
    assert_eq!(asked(None, "delta.example"), ["delta.example"]);
}

#[test]
fn with_a_list_a_suffix_that_nobody_has_is_nobodys() {
    assert_eq!(asked(Some(&["brand.example"]), "corp.example"), ["corp.example", "gamma.example"]);
    assert!(asked(Some(&["brand.example"]), "unheard-of.example").is_empty());
}

#[test]
fn exactly_one_domain_must_have_the_account() {
    let only = |found: &[&'static str]| {
        let found = found.iter().map(|domain| (*domain, ())).collect();
        only(found, |domain: &&'static str| domain).map(|(domain, ())| domain)
    };
    assert!(matches!(only(&[]), Err(ResolveError::Directory(DirectoryError::NotFound))));
    assert_eq!(only(&["beta.example"]).expect("one"), "beta.example");
    let Err(ResolveError::AmbiguousDomains { domains }) = only(&["corp.example", "beta.example"]) else {
        panic!("two domains have it")
    };
    assert_eq!(domains, ["corp.example", "beta.example"]);
}

#[test]
fn a_suffix_of_no_domain_is_refused_before_anybody_is_asked() {
    let own = domain("DC=corp,DC=example", Some(&["brand.example"]));
    let domains = Domains::new(own, Vec::new());
    let upn = Upn::parse("alice@unheard-of.example").expect("a name");
    let sought = |_: &Domain| Ok(Sought::by_name(upn.clone()));
    let Err(refused) = domains.asked(Some(&upn), sought) else { panic!("nobody's") };
    let ResolveError::SuffixUnknown { suffix } = refused else { panic!("{refused}") };
    assert_eq!(suffix, "unheard-of.example");
}

#[tokio::test]
async fn a_directory_that_does_not_answer_leaves_a_shared_suffix_undecided() {
    let own = domain("DC=corp,DC=example", None);
    let domains = Domains::new(own, vec![domain("DC=beta,DC=example", Some(&["brand.example"]))]);
    let upn = Upn::parse("alice@brand.example").expect("a name");
    let sought = |_: &Domain| Ok(Sought::by_name(upn.clone()));
    let asked = domains.asked(Some(&upn), sought).expect("two domains have it");
    let refused = Domains::account(asked, Freshness::MayBeRemembered).await.expect_err("nobody listens");
    assert!(matches!(refused, ResolveError::Directory(DirectoryError::Unavailable { .. })), "{refused}");
}

#[tokio::test]
async fn a_directory_names_accounts_of_its_own_domain_only() {
    let domains = Domains::new(domain("DC=corp,DC=example", None), Vec::new());
    let child = Person::new("alice").at("CN=alice,CN=Users,DC=sub,DC=corp,DC=example").account();
    let refused = domains.home(&domains.own, &child).await.expect_err("of a child domain");
    let ResolveError::OtherDomain { account, asked } = refused else { panic!("{refused}") };
    assert_eq!((account.as_str(), asked.as_str()), ("sub.corp.example", "corp.example"));
}

fn learned(known: Option<(&str, u32)>, configured: Option<&str>) -> Result<Sid, TrustError> {
    let known = known.map(|(text, bits)| TrustedDomain { sid: sid(text), direction: TrustDirection(bits) });
    let between = Between { own: "corp.example", partner: "beta.example" };
    learn(known, configured.map(sid).as_ref(), &sid(OWN), between)
}

#[test]
fn our_own_domain_says_which_sid_another_has() {
    assert_eq!(learned(Some((BETA, 3)), None), Ok(sid(BETA)));
    assert_eq!(learned(Some((BETA, 3)), Some(BETA)), Ok(sid(BETA)));
    // Trusted by way of a third domain: ours has no object for it.
    assert_eq!(learned(None, Some(BETA)), Ok(sid(BETA)));
}

#[test]
fn a_domain_that_neither_ours_nor_the_configuration_knows_is_refused() {
    let refused = learned(None, None).expect_err("unknown");
    assert!(matches!(refused, TrustError::Missing { .. }));
    assert!(refused.to_string().contains("samba-tool domain trust create beta.example"), "{refused}");
}

#[test]
fn a_configured_sid_that_our_domain_contradicts_is_refused() {
    let refused = learned(Some((BETA, 3)), Some("S-1-5-21-9-9-9")).expect_err("another SID");
    assert!(matches!(refused, TrustError::Differs { .. }), "{refused}");
}

#[test]
fn a_one_way_trust_is_told_by_its_attribute() {
    for direction in [0, 1, 2] {
        let refused = learned(Some((BETA, direction)), Some(BETA)).expect_err("one-way");
        assert!(refused.to_string().contains(&format!("trustDirection is {direction}, not 3")), "{refused}");
    }
}

#[test]
fn no_other_domain_has_our_own_sid() {
    for (partner, configured) in [(Some((OWN, 3)), None), (None, Some(OWN))] {
        assert!(matches!(learned(partner, configured), Err(TrustError::OwnSid { .. })));
    }
}

#[test]
fn an_account_of_another_domains_sid_is_refused() {
    let beta = sid(BETA);
    assert_eq!(check_sid(&sid("S-1-5-21-2-2-2-1110"), &beta, "beta.example"), Ok(()));
    for stranger in ["S-1-5-21-1-1-1-1110", "S-1-5-21-2-2-2", "S-1-5-21-2-2-2-7-1110", "S-1-5-32-544"] {
        let refused = check_sid(&sid(stranger), &beta, "beta.example");
        assert!(matches!(refused, Err(TrustError::ForeignSid { .. })), "{stranger}");
    }
}

/// A card's common name as an attribute of accounts below `base`.
fn by_attribute(base: Option<&str>) -> AttributeQuery {
    let identity = crate::identity::testing::identity();
    let attributes = vec![AttributeName::parse("employeeID").expect("a name")];
    let mapping = AttributeMapping::new(Source::CommonName, attributes).expect("a mapping");
    let mapping = match base {
        Some(base) => mapping.searching_below(Dn::parse(base).expect("a base")),
        None => mapping,
    };
    let candidate = AttributeMappings::new(vec![mapping]).candidate(identity.facts()).expect("a name");
    let Candidate::Attributes(query) = candidate else { panic!("an attribute was chosen") };
    query
}

#[test]
fn all_domains_are_asked_for_an_attribute_and_one_where_its_base_says_so() {
    let domains = Domains::new(
        domain("DC=corp,DC=example", None),
        vec![domain("DC=beta,DC=example", None), domain("DC=gamma,DC=example", None)],
    );
    let asked = |base: Option<&str>| -> Vec<String> {
        let query = by_attribute(base);
        let asked = domains.asked_by_attributes(&query);
        asked.iter().map(|(domain, _)| domain.name().to_owned()).collect()
    };
    assert_eq!(asked(None), ["corp.example", "beta.example", "gamma.example"]);
    assert_eq!(asked(Some("OU=People,DC=Beta,DC=example")), ["beta.example"]);
}

#[tokio::test]
async fn a_domain_that_does_not_answer_is_not_left_out_of_the_search_for_an_attribute() {
    let domains = Domains::new(domain("DC=corp,DC=example", None), vec![domain("DC=beta,DC=example", None)]);
    let query = by_attribute(None);
    let refused = Domains::account(domains.asked_by_attributes(&query), Freshness::Asked)
        .await
        .expect_err("nobody listens");
    assert!(matches!(refused, ResolveError::Directory(DirectoryError::Unavailable { .. })));
}
