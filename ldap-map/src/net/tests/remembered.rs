//! What is remembered of a directory, and how changes are seen, against servers that count and change as a test tells them.

use std::sync::{Arc, Mutex};

use super::*;
use crate::cache::{Cause, Polling, Settings as CacheSettings};
use crate::mapping::Sought;
use crate::net::directory::{Freshness, Recalled, Wanted};

const LONG: Duration = Duration::from_secs(300);
const NTDS: &str = "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Site,CN=Sites,CN=Configuration,DC=corp,DC=example";

fn remembering(polling: Option<Polling>) -> CacheSettings {
    CacheSettings { maximum_age: LONG, maximum_negative_age: LONG, entries: 100, polling }
}

/// Nobody looks by himself within the time of a test but for the first time.
fn polling() -> Polling {
    Polling { interval: LONG, maximum_age: LONG }
}

async fn ask(directory: &Directory, upn: &str) -> Result<Recalled, DirectoryError> {
    let sought = Sought::by_name(Upn::parse(upn).unwrap());
    directory.recall(&Wanted::Sought(&sought), Freshness::MayBeRemembered).await
}

async fn name_of(directory: &Directory, upn: &str) -> String {
    ask(directory, upn).await.unwrap().account.sam_account_name
}

fn searches(server: &Server) -> usize {
    server.asked().iter().filter(|asked| asked.mentions("userPrincipalName")).count()
}

/// A domain that changes under a test.
#[derive(Clone)]
struct World(Arc<Mutex<State>>);

struct State {
    people: Vec<(Person, i64)>,
    highest: i64,
    group_changed_at: i64,
    invocation: u8,
}

impl World {
    fn new(invocation: u8) -> Self {
        let people = vec![(Person::new("alice"), 5)];
        Self(Arc::new(Mutex::new(State { people, highest: 50, group_changed_at: 1, invocation })))
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock().unwrap();
        state.highest += 1;
        change(&mut state);
    }

    /// Another account takes alice's place.
    fn replace(&self, person: Person) {
        self.change(|state| state.people = vec![(person, state.highest)]);
    }

    fn answer(&self, asked: &Asked) -> Vec<Answer> {
        let state = self.0.lock().unwrap();
        let numbered = |(person, usn): &(Person, i64)| person.clone().with("uSNChanged", &[usn.to_string()]);
        match asked {
            Asked::Search { base, scope: 0, .. } if base.is_empty() => vec![
                Answer::Entry(
                    Person::empty("")
                        .with("dsServiceName", &[NTDS])
                        .with("highestCommittedUSN", &[state.highest.to_string()]),
                ),
                Answer::Done(0),
            ],
            Asked::Search { base, scope: 0, .. } if base == NTDS => vec![
                Answer::Entry(Person::empty(NTDS).with("invocationId", &[[state.invocation; 16]])),
                Answer::Done(0),
            ],
            Asked::Search { .. } if asked.mentions("uSNChanged") => {
                let is_new = state.group_changed_at == state.highest;
                let group = is_new.then(|| Answer::Entry(Person::empty("CN=Staff,DC=corp,DC=example")));
                group.into_iter().chain([Answer::Done(0)]).collect()
            }
            Asked::Search { .. } if asked.mentions("objectGUID") => {
                state.people.iter().map(numbered).map(Answer::Entry).chain([Answer::Done(0)]).collect()
            }
            _ => directory(state.people.iter().map(numbered).collect(), vec![])(asked),
        }
    }
}

/// A server of this world, and a directory that has looked at it for the first time.
async fn polled(world: &World) -> (Server, Directory) {
    let ca = Ca::new();
    let answers = world.clone();
    let server = Server::start(&ca, NAME, move |asked| answers.answer(asked)).await;
    let directory = open(settings(&ca, &[&server])).remembering(remembering(Some(polling())));
    directory.look_for_changes().await;
    (server, directory)
}

fn dropped(directory: &Directory, cause: Cause) -> u64 {
    let status = directory.cache_status().unwrap();
    status.counts.dropped.get(&cause).copied().unwrap_or_default()
}

#[tokio::test]
async fn an_account_is_asked_for_once_and_each_name_has_its_own_answer() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, ordinary()).await;
    let directory = open(settings(&ca, &[&server])).remembering(remembering(None));
    assert!(!ask(&directory, "alice@corp.example").await.unwrap().remembered);
    assert!(ask(&directory, "alice@corp.example").await.unwrap().remembered);
    assert_eq!(searches(&server), 1);
    let error = ask(&directory, "mallory@corp.example").await.unwrap_err();
    assert!(matches!(error, DirectoryError::NotFound));
    assert_eq!(searches(&server), 2);
    let counts = directory.cache_status().unwrap().counts;
    assert_eq!((counts.hits, counts.misses), (1, 2));
}

#[tokio::test]
async fn an_answer_for_a_name_is_never_the_answer_for_what_only_looks_like_it() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, ordinary()).await;
    let directory = open(settings(&ca, &[&server])).remembering(remembering(None));
    let (upn, owner) = (alice(), ask(&directory, "alice@corp.example").await.unwrap().account.object_sid);
    let by_name = Sought::by_name(upn);
    for wanted in [Wanted::Sought(&by_name), Wanted::Sid(&owner)] {
        let twice = directory.recall(&wanted, Freshness::MayBeRemembered).await;
        assert_eq!(twice.is_ok_and(|known| known.remembered), matches!(wanted, Wanted::Sought(_)));
    }
}

#[tokio::test]
async fn a_directory_that_is_to_remember_nothing_is_asked_each_time() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, ordinary()).await;
    let directory = open(settings(&ca, &[&server]));
    for _ in 0..3 {
        assert!(!ask(&directory, "alice@corp.example").await.unwrap().remembered);
    }
    assert_eq!((searches(&server), directory.cache_status().is_none()), (3, true));
}

#[tokio::test]
async fn an_error_is_never_remembered_and_an_absence_is() {
    let ca = Ca::new();
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    // Not able to search at first, then two of the name, then nobody.
    let server = Server::start(
        &ca,
        NAME,
        but_names(move || {
            let mut count = count.lock().unwrap();
            *count += 1;
            let two = || vec![Answer::Entry(Person::new("alice")), Answer::Entry(Person::new("bob"))];
            match *count {
                1 => vec![Answer::Done(50)],
                2 => two().into_iter().chain([Answer::Done(0)]).collect(),
                _ => vec![Answer::Done(0)],
            }
        }),
    )
    .await;
    let directory = open(settings(&ca, &[&server])).remembering(remembering(None));
    let next = || async { ask(&directory, "alice@corp.example").await.unwrap_err() };
    assert!(matches!(next().await, DirectoryError::SearchRefused { .. }));
    assert!(matches!(next().await, DirectoryError::Ambiguous));
    assert!(matches!(next().await, DirectoryError::NotFound));
    assert!(matches!(next().await, DirectoryError::NotFound));
    assert_eq!((*asked.lock().unwrap(), directory.cache_status().unwrap().counts.negative_hits), (3, 1));
}

#[tokio::test]
async fn many_who_ask_the_same_at_once_wait_for_one_answer() {
    let ca = Ca::new();
    let ordinary = ordinary();
    let server = Server::start(&ca, NAME, move |asked| {
        let mut answers = ordinary(asked);
        if asked.mentions("userPrincipalName") {
            answers.insert(0, Answer::Pause(Duration::from_millis(50)));
        }
        answers
    })
    .await;
    let directory = Arc::new(open(settings(&ca, &[&server])).remembering(remembering(None)));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let directory = Arc::clone(&directory);
        asking.spawn(async move { name_of(&directory, "alice@corp.example").await });
    }
    assert!(asking.join_all().await.iter().all(|name| name == "alice"));
    assert_eq!(searches(&server), 1);
    assert_eq!(directory.cache_status().unwrap().counts.shared, 19);
}

#[tokio::test]
async fn whoever_gives_up_asking_leaves_the_question_to_the_next() {
    let ca = Ca::new();
    let ordinary = ordinary();
    let slow = Arc::new(Mutex::new(true));
    let is_slow = Arc::clone(&slow);
    let server = Server::start(&ca, NAME, move |asked| {
        let mut answers = ordinary(asked);
        if asked.mentions("userPrincipalName") && std::mem::take(&mut *is_slow.lock().unwrap()) {
            answers.insert(0, Answer::Pause(Duration::from_secs(3)));
        }
        answers
    })
    .await;
    let directory = open(settings(&ca, &[&server])).remembering(remembering(None));
    let first = tokio::time::timeout(Duration::from_millis(100), name_of(&directory, "alice@corp.example"));
    let (first, second) = tokio::join!(first, name_of(&directory, "alice@corp.example"));
    assert!(first.is_err());
    assert_eq!(second, "alice");
}

#[tokio::test]
async fn an_account_that_changed_is_asked_for_after_the_next_look() {
    let world = World::new(1);
    let (_server, directory) = polled(&world).await;
    name_of(&directory, "alice@corp.example").await;
    directory.look_for_changes().await;
    assert!(ask(&directory, "alice@corp.example").await.unwrap().remembered, "nothing has changed");
    world.replace(Person::new("alice").with("userAccountControl", &["514"]));
    directory.look_for_changes().await;
    let account = ask(&directory, "alice@corp.example").await.unwrap();
    assert!(
        !account.remembered
            && account.account.user_account_control.has(crate::schema::UserAccountControl::ACCOUNT_DISABLE)
    );
    assert_eq!(dropped(&directory, Cause::Changed), 1);
}

#[tokio::test]
async fn any_group_that_changed_speaks_against_what_its_server_said() {
    let world = World::new(1);
    let (_server, directory) = polled(&world).await;
    name_of(&directory, "alice@corp.example").await;
    world.change(|state| state.group_changed_at = state.highest);
    directory.look_for_changes().await;
    assert!(!ask(&directory, "alice@corp.example").await.unwrap().remembered);
    assert_eq!(dropped(&directory, Cause::GroupChanged), 1);
}

#[tokio::test]
async fn another_domain_controller_under_the_same_name_is_another_one() {
    let world = World::new(1);
    let (_server, directory) = polled(&world).await;
    name_of(&directory, "alice@corp.example").await;
    // The same name leads to another one on new connections; the account has the same number there by chance.
    world.change(|state| state.invocation = 2);
    directory.forget_connections();
    directory.look_for_changes().await;
    let known = ask(&directory, "alice@corp.example").await.unwrap();
    assert!(known.remembered, "a look at the other says nothing of the first");
    directory.forget(&known.account.object_guid);
    assert!(!ask(&directory, "alice@corp.example").await.unwrap().remembered);
    world.replace(Person::new("alice"));
    directory.look_for_changes().await;
    assert!(!ask(&directory, "alice@corp.example").await.unwrap().remembered);
    assert_eq!(dropped(&directory, Cause::Changed), 1, "now the other is the one that is looked at");
}

#[tokio::test]
async fn a_server_that_does_not_say_who_it_is_is_not_remembered_where_changes_are_looked_for() {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, ordinary()).await;
    let directory = open(settings(&ca, &[&server])).remembering(remembering(Some(polling())));
    directory.look_for_changes().await;
    for _ in 0..2 {
        assert!(!ask(&directory, "alice@corp.example").await.unwrap().remembered);
    }
    let polls = directory.cache_status().unwrap().polls;
    assert_eq!((polls.len(), polls[0].age), (1, None));
}

#[tokio::test]
async fn an_account_that_is_found_changed_or_gone_is_not_remembered_by_its_other_names() {
    let world = World::new(1);
    let (_server, directory) = polled(&world).await;
    let sid = sid_of_alice(&directory).await;
    let other_name = Sought::by_name(Upn::parse("Alice@corp.example").unwrap());
    let other_name = Wanted::Sought(&other_name);
    assert!(directory.recall(&other_name, Freshness::Asked).await.is_ok());
    assert!(ask(&directory, "alice@corp.example").await.unwrap().remembered, "it is as it was");
    world.replace(Person::new("alice").with("userAccountControl", &["514"]));
    assert!(directory.recall(&other_name, Freshness::Asked).await.is_ok());
    assert!(!ask(&directory, "alice@corp.example").await.unwrap().remembered);
    // This directory finds nobody by a SID.
    let gone = directory.recall(&Wanted::Sid(&sid), Freshness::Asked).await;
    assert!(matches!(gone, Err(DirectoryError::NotFound)));
    assert!(!ask(&directory, "alice@corp.example").await.unwrap().remembered);
}

async fn sid_of_alice(directory: &Directory) -> Sid {
    ask(directory, "alice@corp.example").await.unwrap().account.object_sid
}
