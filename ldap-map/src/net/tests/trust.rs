//! What the domain says of itself and of others.

use super::*;
use crate::trust::{TrustDirection, TrustedDomain};

const BETA_SID: &str = "S-1-5-21-2-2-2";

fn beta() -> Person {
    let sid: Sid = BETA_SID.parse().unwrap();
    Person::empty("CN=beta.example,CN=System,DC=corp,DC=example")
        .with("securityIdentifier", &[sid.as_bytes()])
        .with("trustDirection", &["3"])
}

/// The answer about `partner` of a domain that has these trusts with beta.example.
async fn ask(trusts: Vec<Person>, partner: &str) -> Result<Option<TrustedDomain>, DirectoryError> {
    let ca = Ca::new();
    let ordinary = directory(vec![], vec![]);
    let server = Server::start(&ca, NAME, move |asked| match asked {
        Asked::Search { scope: 2, size_limit, .. } => {
            assert!(asked.mentions("trustedDomain") && *size_limit == 2);
            let found = trusts.iter().filter(|_| asked.mentions("beta.example")).cloned();
            found.map(Answer::Entry).chain([Answer::Done(0)]).collect()
        }
        _ => ordinary(asked),
    })
    .await;
    open(settings(&ca, &[&server])).trusted_domain(partner).await
}

#[tokio::test]
async fn a_trusted_domain_is_known_by_its_sid() {
    let trusted = ask(vec![beta()], "beta.example").await.unwrap();
    let expected = TrustedDomain { sid: BETA_SID.parse().unwrap(), direction: TrustDirection(3) };
    assert_eq!(trusted, Some(expected));
}

#[tokio::test]
async fn a_domain_without_a_trust_is_none() {
    assert_eq!(ask(vec![beta()], "gamma.example").await.unwrap(), None);
}

#[tokio::test]
async fn two_trusts_with_one_domain_are_ambiguous() {
    let error = ask(vec![beta(), beta()], "beta.example").await.unwrap_err();
    assert!(matches!(error, DirectoryError::Ambiguous), "{error}");
}

#[tokio::test]
async fn a_trust_without_a_sid_is_told_by_its_attribute() {
    let error = ask(vec![beta().without("securityIdentifier")], "beta.example").await.unwrap_err();
    let DirectoryError::Attribute(error) = error else { panic!("{error}") };
    assert_eq!((error.attribute.as_str(), error.problem), ("securityIdentifier", AttributeProblem::Missing));
}
