//! The one computer of a host name.

use super::*;
use crate::computer::Computer;

const DESK1: &str = "CN=desk1,OU=Desks,DC=corp,DC=example";

fn desk() -> Person {
    Person::new("desk1$")
        .at(DESK1)
        .with("dNSHostName", &["Desk1.corp.example"])
        .with("userAccountControl", &["4096"])
        .member_of(&[&sid(515).to_string(), &sid(1200).to_string()])
}

/// The answer of a directory that finds these for any host name.
async fn ask(found: Vec<Person>) -> Result<Computer, DirectoryError> {
    let ca = Ca::new();
    let ordinary = directory(found.clone(), vec![(sid(1200), "Lab Desks")]);
    let server = Server::start(&ca, NAME, move |asked| match asked {
        Asked::Search { scope: 2, size_limit, .. } if asked.mentions("dnsHostName") => {
            assert!(asked.mentions("computer") && *size_limit == 2);
            found.iter().cloned().map(Answer::Entry).chain([Answer::Done(0)]).collect()
        }
        _ => ordinary(asked),
    })
    .await;
    open(settings(&ca, &[&server])).computer("DESK1.corp.example").await
}

#[tokio::test]
async fn a_computer_is_found_wherever_it_lies_with_the_names_of_its_groups() {
    let computer = ask(vec![desk()]).await.unwrap();
    assert_eq!((computer.dn.as_str(), computer.is_disabled()), (DESK1, false));
    let names: Vec<_> =
        computer.groups.iter().filter_map(|group| group.sam_account_name.as_deref()).collect();
    assert_eq!(names, ["Lab Desks"]);
}

#[tokio::test]
async fn two_computers_of_one_host_name_are_ambiguous_and_none_is_not_found() {
    assert!(matches!(ask(vec![desk(), desk()]).await, Err(DirectoryError::Ambiguous)));
    assert!(matches!(ask(Vec::new()).await, Err(DirectoryError::NotFound)));
}

#[tokio::test]
async fn a_computer_of_another_name_is_not_the_one() {
    let other = desk().with("dNSHostName", &["desk2.corp.example"]);
    assert!(matches!(ask(vec![other]).await, Err(DirectoryError::NotFound)));
}
