//! The library's own directory client against the lab's domain controller.

use std::sync::Arc;
use std::time::Duration;

use integration::lab::Lab;
use integration::wait;
use ldap_map::account::{Account, NotAPerson, NotUsable};
use ldap_map::dn::Dn;
use ldap_map::net::directory::{Bind, BindRefusal, Directory, DirectoryError, LdapServer, Settings};
use ldap_map::net::error::Fault;
use ldap_map::upn::Upn;
use rustls_pki_types::CertificateDer;

pub(crate) fn settings(lab: &Lab) -> Settings {
    let controller = lab.controller();
    let server: LdapServer = format!("{}={}:636", controller.name(), controller.address()).parse().unwrap();
    Settings {
        servers: vec![server],
        base_dn: Dn::parse(&controller.domain().base_dn()).unwrap(),
        roots: vec![CertificateDer::from(lab.pki().machine_root_der().to_vec())],
        bind: bind("svc-broker-Passw0rd"),
        pool_size: 4,
        connect_timeout: Duration::from_secs(5),
        operation_timeout: Duration::from_secs(5),
    }
}

fn bind(password: &str) -> Bind {
    Bind::Simple { name: "svc-broker@corp.example".to_owned(), password: password.to_owned().into() }
}

fn directory(lab: &Lab) -> Directory {
    Directory::new(settings(lab)).unwrap()
}

pub(crate) async fn lookup(lab: &Lab, upn: &str) -> Result<Account, DirectoryError> {
    directory(lab).account_by_upn(&Upn::parse(upn).unwrap()).await
}

async fn refusal(upn: &str) -> NotUsable {
    let lab = Lab::shared().unwrap();
    lookup(&lab, upn).await.unwrap().check_usable(wait::now()).unwrap_err()
}

#[tokio::test]
async fn a_person_is_found_with_sid_groups_and_domain() {
    let lab = Lab::shared().unwrap();
    let alice = lookup(&lab, "alice@corp.example").await.unwrap();
    assert_eq!(lab.controller().sid("alice").unwrap(), alice.object_sid.to_string());
    assert_eq!(("alice", "corp.example"), (alice.sam_account_name.as_str(), alice.dns_domain()));
    let groups: Vec<_> = alice.groups.iter().filter_map(|group| group.sam_account_name.as_deref()).collect();
    assert!(groups.contains(&"Desktop Users") && groups.contains(&"Domain Users"), "{groups:?}");
    assert_eq!(Ok(()), alice.check_usable(wait::now()));
    assert!(alice.when_created < wait::now());
}

#[tokio::test]
async fn a_person_is_found_by_both_names_in_any_case() {
    let lab = Lab::shared().unwrap();
    let explicit = lookup(&lab, "Carol.Jones@CORP.example").await.unwrap();
    let implicit = lookup(&lab, "CAROL@corp.example").await.unwrap();
    assert_eq!(explicit.object_guid, implicit.object_guid);
}

#[tokio::test]
async fn a_name_that_nobody_has_is_not_found() {
    let lab = Lab::shared().unwrap();
    for upn in ["nobody@corp.example", "alice@other.example", "desk1@corp.example"] {
        let error = lookup(&lab, upn).await.unwrap_err();
        assert!(matches!(error, DirectoryError::NotFound), "{upn}: {error}");
    }
}

#[tokio::test]
async fn a_name_that_two_people_have_is_ambiguous() {
    let lab = Lab::shared().unwrap();
    let error = lookup(&lab, "grace@corp.example").await.unwrap_err();
    assert!(matches!(error, DirectoryError::Ambiguous), "{error}");
}

#[tokio::test]
async fn people_who_must_not_log_in_are_refused_by_their_attributes() {
    assert!(matches!(refusal("dave@corp.example").await, NotUsable::Disabled { .. }));
    assert!(matches!(refusal("eve@corp.example").await, NotUsable::Expired { .. }));
    assert!(matches!(refusal("lou@corp.example").await, NotUsable::Locked { .. }));
    assert!(matches!(refusal("paula@corp.example").await, NotUsable::ProtectedUser { .. }));
    assert!(matches!(refusal("sam@corp.example").await, NotUsable::NotDelegated { .. }));
}

#[tokio::test]
async fn computers_and_the_kerberos_service_are_found_and_are_not_people() {
    assert!(matches!(
        refusal("desk1$@corp.example").await,
        NotUsable::NotAPerson(NotAPerson::ObjectClass(_))
    ));
    assert!(matches!(refusal("krbtgt@corp.example").await, NotUsable::NotAPerson(NotAPerson::Krbtgt(_))));
}

#[tokio::test]
async fn the_directory_is_healthy_and_its_clock_is_ours() {
    let lab = Lab::shared().unwrap();
    let status = directory(&lab).check().await.unwrap();
    let server_time = status.server_time.unwrap();
    let distance = wait::now().duration_since(server_time).unwrap_or_else(|error| error.duration());
    assert!(distance < Duration::from_secs(5), "{distance:?}");
}

#[tokio::test]
async fn a_wrong_password_is_told_as_such() {
    let lab = Lab::shared().unwrap();
    let directory = Directory::new(Settings { bind: bind("wrong"), ..settings(&lab) }).unwrap();
    let error = directory.check().await.unwrap_err();
    assert!(matches!(error, DirectoryError::BindRefused { reason: BindRefusal::Credentials, .. }), "{error}");
}

#[tokio::test]
async fn a_controller_under_another_name_is_not_trusted() {
    let lab = Lab::shared().unwrap();
    let elsewhere = format!("dc9.corp.example={}:636", lab.controller().address()).parse().unwrap();
    let directory = Directory::new(Settings { servers: vec![elsewhere], ..settings(&lab) }).unwrap();
    let Err(DirectoryError::Unavailable { attempts }) = directory.check().await else { panic!("trusted") };
    assert!(matches!(attempts[0].fault, Fault::Tls(_)), "{}", attempts[0].fault);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_people_at_once_share_the_connections() {
    let lab = Lab::shared().unwrap();
    let directory = Arc::new(directory(&lab));
    let lookups: Vec<_> = (0..100)
        .map(|number| {
            let directory = Arc::clone(&directory);
            let upn = if number % 2 == 0 { "alice@corp.example" } else { "bob@corp.example" };
            tokio::spawn(async move { directory.account_by_upn(&Upn::parse(upn).unwrap()).await.unwrap() })
        })
        .collect();
    for (number, lookup) in lookups.into_iter().enumerate() {
        let name = if number % 2 == 0 { "alice" } else { "bob" };
        assert_eq!(name, lookup.await.unwrap().sam_account_name);
    }
}

#[tokio::test]
async fn a_controller_that_hangs_and_comes_back_is_used_again() {
    let lab = Lab::start("hanging").unwrap();
    let impatient = Settings { operation_timeout: Duration::from_secs(3), ..settings(&lab) };
    let directory =
        Directory::new(Settings { connect_timeout: Duration::from_secs(3), ..impatient }).unwrap();
    let alice = Upn::parse("alice@corp.example").unwrap();
    directory.account_by_upn(&alice).await.unwrap();
    lab.controller().container().pause().unwrap();
    let error = directory.account_by_upn(&alice).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Unavailable { .. }), "{error}");
    lab.controller().container().unpause().unwrap();
    directory.account_by_upn(&alice).await.unwrap();
}

#[tokio::test]
async fn a_computer_is_found_by_its_host_name_with_its_nested_groups() {
    let lab = Lab::shared().unwrap();
    let run = |arguments: &[&str]| lab.controller().samba_tool(arguments).unwrap();
    run(&["group", "add", "Lab Desks"]);
    run(&["group", "add", "All Desks"]);
    run(&["group", "addmembers", "All Desks", "Lab Desks"]);
    run(&["group", "addmembers", "Lab Desks", "desk2$"]);
    let directory = directory(&lab);
    let computer = directory.computer("DESK2.corp.example").await.unwrap();
    assert_eq!(lab.controller().sid("desk2").unwrap(), computer.object_sid.to_string());
    assert_eq!(("desk2.corp.example", false), (computer.dns_host_name.as_str(), computer.is_disabled()));
    let groups: Vec<_> =
        computer.groups.iter().filter_map(|group| group.sam_account_name.as_deref()).collect();
    assert!(groups.contains(&"Lab Desks") && groups.contains(&"All Desks"), "{groups:?}");
    let missing = directory.computer("desk99.corp.example").await;
    assert!(matches!(missing, Err(DirectoryError::NotFound)), "{missing:?}");
}
