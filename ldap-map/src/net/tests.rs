//! The directory against servers that behave well, badly, or not at all.

mod bind;
mod computer;
mod delegation;
mod faults;
mod outage;
mod remembered;
mod server;
mod settings;
mod trust;

use std::time::Duration;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use self::server::{Answer, Asked, Ca, Server, directory};
use crate::dn::Dn;
use crate::entry::AttributeProblem;
use crate::message::response::{MessageError, ResultCode};
use crate::net::directory::{
    Attempt, Bind, BindRefusal, Directory, DirectoryError, LdapServer, Settings, SettingsError,
};
use crate::net::error::Fault;
use crate::schema::Attribute;
use crate::sid::Sid;
use crate::testing::{DOMAIN_SID, Person};
use crate::upn::Upn;

const NAME: &str = "dc1.corp.example";

fn settings(ca: &Ca, servers: &[&Server]) -> Settings {
    Settings {
        servers: servers.iter().map(|server| server.place()).collect(),
        base_dn: Dn::parse("DC=corp,DC=example").unwrap(),
        roots: vec![ca.root()],
        bind: simple("geheim"),
        pool_size: 2,
        connect_timeout: Duration::from_secs(5),
        operation_timeout: Duration::from_secs(5),
    }
}

/// For tests in which a server stays silent.
fn impatient(ca: &Ca, servers: &[&Server]) -> Settings {
    Settings { operation_timeout: Duration::from_millis(300), ..settings(ca, servers) }
}

fn simple(password: &str) -> Bind {
    Bind::Simple { name: "svc@corp.example".to_owned(), password: Zeroizing::new(password.to_owned()) }
}

fn open(settings: Settings) -> Directory {
    Directory::new(settings).unwrap()
}

fn alice() -> Upn {
    Upn::parse("alice@corp.example").unwrap()
}

fn sid(rid: u32) -> Sid {
    format!("{DOMAIN_SID}-{rid}").parse().unwrap()
}

/// A directory with alice alone, who is in Domain Users.
fn ordinary() -> impl Fn(&Asked) -> Vec<Answer> {
    directory(vec![Person::new("alice")], vec![(sid(513), "Domain Users")])
}

/// The ordinary directory, but for searches by name.
fn but_names(answer: impl Fn() -> Vec<Answer> + Send + Sync + 'static) -> impl Fn(&Asked) -> Vec<Answer> {
    let ordinary = ordinary();
    move |asked| if asked.mentions("userPrincipalName") { answer() } else { ordinary(asked) }
}

fn attempts(error: DirectoryError) -> Vec<Attempt> {
    match error {
        DirectoryError::Unavailable { attempts } => attempts,
        other => panic!("{other}"),
    }
}

/// The fault of the single server.
async fn fault_of(script: impl Fn(&Asked) -> Vec<Answer> + Send + Sync + 'static) -> Fault {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, script).await;
    let error = open(impatient(&ca, &[&server])).account_by_upn(&alice()).await.unwrap_err();
    let mut attempts = attempts(error);
    assert_eq!((1, NAME), (attempts.len(), attempts[0].server.as_str()));
    attempts.remove(0).fault
}

async fn answer_of(script: impl Fn(&Asked) -> Vec<Answer> + Send + Sync + 'static) -> DirectoryError {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, script).await;
    open(settings(&ca, &[&server])).account_by_upn(&alice()).await.unwrap_err()
}

#[tokio::test]
async fn an_account_is_found_and_its_groups_have_names() {
    let ca = Ca::new();
    let alice_in_two =
        Person::new("alice").member_of(&[&sid(513).to_string(), &sid(1200).to_string(), "S-1-5-32-545"]);
    let groups = vec![(sid(513), "Domain Users"), (sid(1200), "Desktop Users")];
    let server = Server::start(&ca, NAME, directory(vec![alice_in_two], groups)).await;
    let account = open(settings(&ca, &[&server])).account_by_upn(&alice()).await.unwrap();
    assert_eq!(sid(1103), account.object_sid);
    let names: Vec<_> = account.groups.iter().map(|group| group.sam_account_name.as_deref()).collect();
    assert_eq!(vec![Some("Domain Users"), Some("Desktop Users"), None], names);
}

#[tokio::test]
async fn the_connection_and_the_names_of_groups_are_used_again() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, ordinary()).await;
    let directory = open(settings(&ca, &[&server]));
    for _ in 0..3 {
        let account = directory.account_by_upn(&alice()).await.unwrap();
        assert_eq!(Some("Domain Users"), account.groups[0].sam_account_name.as_deref());
    }
    let by_sid = |asked: &Asked| asked.mentions("objectSid");
    assert_eq!((1, 1), (server.binds(), server.asked().iter().filter(|asked| by_sid(asked)).count()));
    assert_eq!(
        Asked::Bind { name: "svc@corp.example".to_owned(), password: "geheim".to_owned() },
        server.asked()[0]
    );
}

#[tokio::test]
async fn a_search_by_name_allows_two_and_hides_no_computers() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, ordinary()).await;
    open(settings(&ca, &[&server])).account_by_upn(&alice()).await.unwrap();
    let asked = server.asked();
    let Asked::Search { base, scope, size_limit, .. } = &asked[1] else { panic!("not a search") };
    assert_eq!(("DC=corp,DC=example", 2, 2), (base.as_str(), *scope, *size_limit));
    assert!(asked[1].mentions("alice@corp.example") && asked[1].mentions("sAMAccountName"));
    assert!(!asked[1].mentions("objectCategory") && !asked[1].mentions("computer"));
}

#[tokio::test]
async fn the_name_of_another_domain_is_only_searched_as_written() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, directory(vec![], vec![])).await;
    let upn = Upn::parse("1234567890@mil").unwrap();
    let error = open(settings(&ca, &[&server])).account_by_upn(&upn).await.unwrap_err();
    assert!(matches!(error, DirectoryError::NotFound));
    assert!(server.asked()[1].mentions("1234567890@mil") && !server.asked()[1].mentions("sAMAccountName"));
}

#[tokio::test]
async fn no_account_is_not_found() {
    assert!(matches!(answer_of(directory(vec![], vec![])).await, DirectoryError::NotFound));
}

#[tokio::test]
async fn two_accounts_are_ambiguous() {
    let mallory = Person::new("mallory").with("userPrincipalName", &["alice@corp.example"]);
    let script = directory(vec![Person::new("alice"), mallory], vec![]);
    assert!(matches!(answer_of(script).await, DirectoryError::Ambiguous));
}

#[tokio::test]
async fn more_than_two_accounts_are_ambiguous() {
    let people = vec![Person::new("alice"), Person::new("bob"), Person::new("carol")];
    assert!(matches!(answer_of(directory(people, vec![])).await, DirectoryError::Ambiguous));
}

#[tokio::test]
async fn an_account_that_only_the_directory_takes_for_the_name_is_not_found() {
    let people = vec![Person::new("älice").with("userPrincipalName", &["älice@corp.example"])];
    assert!(matches!(answer_of(directory(people, vec![])).await, DirectoryError::NotFound));
}

#[tokio::test]
async fn an_account_outside_the_base_is_not_found() {
    let person = Person::new("alice").at("CN=alice,DC=other,DC=example");
    assert!(matches!(answer_of(directory(vec![person], vec![])).await, DirectoryError::NotFound));
}

#[tokio::test]
async fn an_account_outside_the_base_makes_a_name_ambiguous_all_the_same() {
    let ca = Ca::new();
    let inside = Person::new("staff")
        .at("CN=staff,OU=Staff,DC=corp,DC=example")
        .with("userPrincipalName", &["alice@corp.example"]);
    // As a real directory, which looks for names below the base of the search only.
    let everybody = directory(vec![inside.clone(), Person::new("alice")], vec![]);
    let staff = directory(vec![inside], vec![]);
    let server = Server::start(&ca, NAME, move |asked: &Asked| match asked {
        Asked::Search { base, .. } if base.starts_with("OU=Staff") => staff(asked),
        _ => everybody(asked),
    })
    .await;
    let base_dn = Dn::parse("OU=Staff,DC=corp,DC=example").unwrap();
    let directory = open(Settings { base_dn, ..settings(&ca, &[&server]) });
    let error = directory.account_by_upn(&alice()).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Ambiguous), "{error}");
}

#[tokio::test]
async fn a_group_whose_name_may_not_be_read_has_none() {
    let ca = Ca::new();
    let ordinary = ordinary();
    let server = Server::start(&ca, NAME, move |asked: &Asked| {
        if !asked.mentions("group") {
            return ordinary(asked);
        }
        let hidden = Person::empty("CN=Hidden,DC=corp,DC=example").with("objectSid", &[sid(513).as_bytes()]);
        vec![Answer::Entry(hidden), Answer::Done(0)]
    })
    .await;
    let account = open(settings(&ca, &[&server])).account_by_upn(&alice()).await.unwrap();
    assert_eq!((sid(513), None), (account.groups[0].sid.clone(), account.groups[0].sam_account_name.clone()));
}

#[tokio::test]
async fn an_object_that_took_the_place_of_the_found_one_is_not_it() {
    let script = but_names(|| {
        let former = Person::new("alice").with("objectGUID", &[[7; 16]]);
        vec![Answer::Entry(former), Answer::Done(0)]
    });
    assert!(matches!(answer_of(script).await, DirectoryError::NotFound));
}

#[tokio::test]
async fn an_object_that_was_moved_away_is_not_found() {
    let script = but_names(|| {
        vec![Answer::Entry(Person::new("alice").at("CN=alice,OU=Old,DC=corp,DC=example")), Answer::Done(0)]
    });
    assert!(matches!(answer_of(script).await, DirectoryError::NotFound));
}

#[tokio::test]
async fn hidden_groups_are_named_and_refused() {
    let script = directory(vec![Person::new("alice").without("tokenGroups")], vec![]);
    let DirectoryError::Attribute(error) = answer_of(script).await else { panic!("not an attribute") };
    assert_eq!((Attribute::TOKEN_GROUPS, AttributeProblem::Missing), (error.attribute, error.problem));
}

#[tokio::test]
async fn a_base_that_does_not_exist_is_told() {
    let error = answer_of(but_names(|| vec![Answer::Done(32)])).await;
    let DirectoryError::SearchRefused { server, code } = error else { panic!("{error}") };
    assert_eq!((NAME, ResultCode::NO_SUCH_OBJECT), (server.as_str(), code));
}

#[tokio::test]
async fn many_groups_are_asked_for_in_parts() {
    let ca = Ca::new();
    let sids: Vec<String> = (1..=250).map(|rid| sid(rid).to_string()).collect();
    let person = Person::new("alice").member_of(&sids.iter().map(String::as_str).collect::<Vec<_>>());
    let server = Server::start(&ca, NAME, directory(vec![person], vec![(sid(250), "Last")])).await;
    let account = open(settings(&ca, &[&server])).account_by_upn(&alice()).await.unwrap();
    assert_eq!(Some("Last"), account.groups[249].sam_account_name.as_deref());
    let limits: Vec<u8> = server
        .asked()
        .iter()
        .filter_map(|asked| match asked {
            Asked::Search { size_limit, .. } if asked.mentions("objectSid") => Some(*size_limit),
            _ => None,
        })
        .collect();
    assert_eq!(vec![100, 100, 50], limits);
}

#[tokio::test]
async fn waiting_for_a_connection_has_an_end() {
    let ca = Ca::new();
    let mut servers = Vec::new();
    for name in [NAME, "dc2.corp.example", "dc3.corp.example"] {
        servers.push(Server::start(&ca, name, but_names(Vec::new)).await);
    }
    let servers: Vec<_> = servers.iter().collect();
    let directory = open(Settings { pool_size: 1, ..impatient(&ca, &servers) });
    let (name, other) = (alice(), alice());
    let (first, second) = tokio::join!(directory.account_by_upn(&name), directory.account_by_upn(&other));
    assert!(matches!(first, Err(DirectoryError::Unavailable { .. })));
    assert!(matches!(second, Err(DirectoryError::Busy)));
}

#[tokio::test]
async fn a_lookup_that_is_given_up_leaves_no_connection_behind() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, but_names(Vec::new)).await;
    let directory = open(Settings { pool_size: 1, ..settings(&ca, &[&server]) });
    for _ in 0..2 {
        let lookup =
            tokio::time::timeout(Duration::from_millis(200), directory.account_by_upn(&alice())).await;
        assert!(lookup.is_err());
    }
    assert_eq!(2, server.binds());
}

#[tokio::test]
async fn a_healthy_directory_tells_its_time() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, ordinary()).await;
    let status = open(settings(&ca, &[&server])).check().await.unwrap();
    assert_eq!((NAME, true), (status.server.as_str(), status.server_time.is_some()));
}

#[tokio::test]
async fn a_server_of_another_domain_is_told() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, ordinary()).await;
    let base_dn = Dn::parse("DC=other,DC=example").unwrap();
    let error = open(Settings { base_dn, ..settings(&ca, &[&server]) }).check().await.unwrap_err();
    assert!(matches!(error, DirectoryError::WrongDomain { .. }), "{error}");
}

#[tokio::test]
async fn a_base_that_is_not_in_the_domain_is_told_by_the_check() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, ordinary()).await;
    let base_dn = Dn::parse("OU=Staff,DC=corp,DC=example").unwrap();
    let error = open(Settings { base_dn, ..settings(&ca, &[&server]) }).check().await.unwrap_err();
    assert!(
        matches!(error, DirectoryError::SearchRefused { code: ResultCode::NO_SUCH_OBJECT, .. }),
        "{error}"
    );
}

/// The directory, but for the domain's own object.
fn domain_of(attributes: Person) -> impl Fn(&Asked) -> Vec<Answer> {
    let ordinary = ordinary();
    move |asked| match asked {
        Asked::Search { base, scope: 0, .. } if base == "DC=corp,DC=example" => {
            vec![Answer::Entry(attributes.clone()), Answer::Done(0)]
        }
        _ => ordinary(asked),
    }
}

fn domain() -> Person {
    Person::empty("DC=corp,DC=example")
}

#[tokio::test]
async fn the_sid_of_the_domain_is_read_once() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, ordinary()).await;
    let directory = open(settings(&ca, &[&server]));
    for _ in 0..3 {
        assert_eq!(DOMAIN_SID, directory.domain_sid().await.unwrap().to_string());
    }
    let searches = server.asked().iter().filter(|asked| matches!(asked, Asked::Search { .. })).count();
    assert_eq!(1, searches);
}

#[tokio::test]
async fn a_domain_of_another_sid_than_expected_is_refused_at_every_contact() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, ordinary()).await;
    let other: Sid = "S-1-5-21-1-2-3".parse().unwrap();
    let directory = open(settings(&ca, &[&server])).expecting(other.clone());
    for error in [
        directory.domain_sid().await.unwrap_err(),
        directory.domain_sid().await.unwrap_err(),
        directory.check().await.unwrap_err(),
    ] {
        let DirectoryError::WrongDomainSid { expected, found, .. } = error else { panic!("{error}") };
        assert_eq!((other.clone(), DOMAIN_SID), (expected, found.to_string().as_str()));
    }
    let right = open(settings(&ca, &[&server])).expecting(DOMAIN_SID.parse().unwrap());
    assert_eq!(DOMAIN_SID, right.domain_sid().await.unwrap().to_string());
    right.check().await.unwrap();
}

#[tokio::test]
async fn a_server_that_says_another_sid_than_the_one_before_is_told_by_the_check() {
    let ca = Ca::new();
    let answers = std::sync::atomic::AtomicUsize::new(0);
    let (first, then) = (domain().sid(DOMAIN_SID), domain().sid("S-1-5-21-1-2-3"));
    let (first, then) = (domain_of(first), domain_of(then));
    let script = move |asked: &Asked| {
        let of_domain = matches!(asked, Asked::Search { base, scope: 0, .. } if base == "DC=corp,DC=example");
        let before = answers.fetch_add(usize::from(of_domain), std::sync::atomic::Ordering::Relaxed);
        if before == 0 { first(asked) } else { then(asked) }
    };
    let server = Server::start(&ca, NAME, script).await;
    let directory = open(settings(&ca, &[&server]));
    assert_eq!(DOMAIN_SID, directory.domain_sid().await.unwrap().to_string());
    let error = directory.check().await.unwrap_err();
    assert!(matches!(error, DirectoryError::WrongDomainSid { .. }), "{error}");
}

#[tokio::test]
async fn a_hidden_sid_of_the_domain_is_refused_unless_one_is_expected() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, domain_of(domain())).await;
    let error = open(settings(&ca, &[&server])).domain_sid().await.unwrap_err();
    assert!(matches!(error, DirectoryError::DomainObject(_)), "{error}");
    let pinned = open(settings(&ca, &[&server])).expecting(DOMAIN_SID.parse().unwrap());
    assert_eq!(DOMAIN_SID, pinned.domain_sid().await.unwrap().to_string());

    let server = Server::start(&ca, NAME, domain_of(domain().with("objectSid", &["no sid"]))).await;
    let pinned = open(settings(&ca, &[&server])).expecting(DOMAIN_SID.parse().unwrap());
    assert!(matches!(pinned.domain_sid().await, Err(DirectoryError::DomainObject(_))));
}

#[test]
fn lookups_can_move_between_threads() {
    fn moves<T: Future + Send>(future: T) -> T {
        future
    }
    let ca = Ca::new();
    let directory = open(Settings { servers: vec![NAME.parse().unwrap()], ..settings(&ca, &[]) });
    drop((moves(directory.account_by_upn(&alice())), moves(directory.check())));
}
