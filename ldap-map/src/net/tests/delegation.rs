//! What is read after a refusal, against a server that answers from a list of objects.

use super::*;
use crate::delegation::{Facts, Question};

const BROKER: &str = "CN=svc-broker,CN=Users,DC=corp,DC=example";
const OWN_SPN: &str = "HTTP/broker.corp.example";

fn broker() -> Person {
    Person::new("svc-broker").sid(&sid(1150).to_string()).with("servicePrincipalName", &[OWN_SPN])
}

fn desk(name: &str, spns: &[&str]) -> Person {
    Person::new(name)
        .sid(&sid(1300).to_string())
        .with("dNSHostName", &["desk1.corp.example"])
        .with("servicePrincipalName", spns)
}

/// A directory that finds objects by one attribute's value, as the filter names it.
fn objects(all: Vec<Person>) -> impl Fn(&Asked) -> Vec<Answer> {
    let ordinary = directory(all.clone(), vec![]);
    move |asked| match asked {
        Asked::Search { scope: 2, size_limit, .. } => {
            let keys = ["sAMAccountName", "servicePrincipalName", "dNSHostName"];
            let has = |person: &&Person| {
                keys.iter()
                    .filter(|key| asked.mentions(key) || asked.mentions(key.replace("dNS", "dns")))
                    .any(|key| {
                        let values = person.attributes.iter().find(|(name, _)| name == key);
                        values.is_some_and(|(_, values)| values.iter().any(|value| asked.mentions(value)))
                    })
            };
            let limit = usize::from(*size_limit);
            let found: Vec<Answer> = all.iter().filter(has).cloned().map(Answer::Entry).collect();
            let end = Answer::Done(if found.len() > limit { 4 } else { 0 });
            found.into_iter().take(limit).chain([end]).collect()
        }
        _ => ordinary(asked),
    }
}

async fn read(all: Vec<Person>, target: Option<&str>) -> Result<Facts, DirectoryError> {
    let ca = Ca::new();
    let server = Server::start(&ca, NAME, objects(all)).await;
    let user = Dn::parse("CN=alice,CN=Users,DC=corp,DC=example").unwrap();
    let question =
        Question { account: "svc-broker", own_spn: OWN_SPN, user: Some(&user), target_spn: target };
    open(settings(&ca, &[&server])).delegation(&question).await
}

#[tokio::test]
async fn everything_a_delegation_rests_on_is_read_from_one_server() {
    let desk = desk("desk1$", &["TERMSRV/desk1.corp.example"]);
    let all = vec![broker(), desk, Person::new("alice")];
    let facts = read(all, Some("TERMSRV/desk1.corp.example")).await.unwrap();
    let own = facts.own.unwrap();
    assert_eq!((BROKER, sid(1150)), (own.dn.as_str(), own.object_sid));
    assert_eq!(vec![sid(513)], own.groups);
    assert_eq!(1, facts.own_spn_holders.len());
    assert_eq!("alice", facts.user.unwrap().sam_account_name);
    let target = facts.target.unwrap();
    let names: Vec<&str> = target.holders.iter().map(|holder| holder.sam_account_name.as_str()).collect();
    assert_eq!(vec!["desk1$"], names);
    assert_eq!("desk1$", target.computer.unwrap().sam_account_name);
    assert_eq!((NAME, true), (facts.server.name.as_str(), facts.server.server_time.is_some()));
}

#[tokio::test]
async fn a_service_without_its_name_has_a_computer_all_the_same() {
    let all = vec![broker(), desk("desk1$", &["host/desk1.corp.example"])];
    let target = read(all, Some("TERMSRV/desk1.corp.example")).await.unwrap().target.unwrap();
    assert!(target.holders.is_empty());
    assert_eq!("desk1$", target.computer.unwrap().sam_account_name);
}

#[tokio::test]
async fn the_class_host_stands_for_a_name_that_is_not_there() {
    let all = vec![broker(), desk("desk1$", &["host/desk1.corp.example"])];
    let target = read(all, Some("HTTP/desk1.corp.example")).await.unwrap().target.unwrap();
    assert_eq!(1, target.holders.len());
}

#[tokio::test]
async fn several_holders_of_a_name_are_all_read_up_to_a_limit() {
    let spn = "TERMSRV/desk1.corp.example";
    let names = ["desk1$", "old1$", "old2$", "old3$", "old4$"];
    let all = names.iter().map(|name| desk(name, &[spn])).chain([broker()]).collect();
    let target = read(all, Some(spn)).await.unwrap().target.unwrap();
    assert_eq!(4, target.holders.len());
}

#[tokio::test]
async fn accounts_that_are_not_there_are_facts_and_no_errors() {
    let facts = read(vec![], Some("TERMSRV/desk1.corp.example")).await.unwrap();
    assert!(facts.own.is_none() && facts.own_spn_holders.is_empty() && facts.user.is_none());
    let target = facts.target.unwrap();
    assert!(target.holders.is_empty() && target.computer.is_none());
}

#[tokio::test]
async fn what_is_not_asked_is_not_read() {
    let facts = read(vec![broker()], None).await.unwrap();
    assert!(facts.target.is_none() && facts.own.is_some());
}

#[tokio::test]
async fn an_attribute_that_may_not_be_read_is_named() {
    let error = read(vec![broker().without("userAccountControl")], None).await.unwrap_err();
    let DirectoryError::Attribute(error) = error else { panic!("{error}") };
    assert_eq!(Attribute::USER_ACCOUNT_CONTROL, error.attribute);
}

#[tokio::test]
async fn a_directory_that_refuses_to_search_is_told() {
    let ca = Ca::new();
    let ordinary = ordinary();
    let server = Server::start(&ca, NAME, move |asked: &Asked| match asked {
        Asked::Search { scope: 2, .. } => vec![Answer::Done(50)],
        _ => ordinary(asked),
    })
    .await;
    let question = Question { account: "svc-broker", own_spn: OWN_SPN, user: None, target_spn: None };
    let error = open(settings(&ca, &[&server])).delegation(&question).await.unwrap_err();
    assert!(matches!(error, DirectoryError::SearchRefused { .. }), "{error}");
}
