use std::time::UNIX_EPOCH;

use kdc_proxy::error::{ErrorCode, NtStatus};
use ldap_map::account::Account as Person;
use ldap_map::delegation::{Facts, ServerClock, Target};
use ldap_map::net::directory::DirectoryError;

use super::*;
use crate::tickets::testing::diagnosis;

const SPN: &str = "TERMSRV/desk1.corp.example";

fn refused() -> Symptom {
    Symptom::Refused {
        stage: Stage::S4u2Proxy,
        code: ErrorCode::KDC_ERR_BADOPTION,
        status: Some(NtStatus::STATUS_NO_MATCH),
        text: Some("no \"match\"".to_owned()),
    }
}

fn service(person: &ldap_map::testing::Person) -> ServiceAccount {
    ServiceAccount::from_entry(&person.entry()).expect("an account")
}

/// What a directory says in which our list lacks the desktop, whose computer has the name given.
fn facts(computer: &str) -> Facts {
    let own = ldap_map::testing::Person::new("svc-broker");
    let desk = ldap_map::testing::Person::new(computer)
        .at("CN=desk1,CN=Computers,DC=corp,DC=example")
        .with("servicePrincipalName", &[SPN]);
    let user: Person = ldap_map::testing::Person::new("alice").account();
    Facts {
        own: Some(service(&own)),
        own_spn_holders: Vec::new(),
        user: Some(user),
        target: Some(Target {
            spn: SPN.to_owned(),
            holders: vec![service(&desk)],
            computer: Some(service(&desk)),
        }),
        server: ServerClock {
            name: "dc1.corp.example".to_owned(),
            server_time: None,
            local_time: UNIX_EPOCH,
        },
    }
}

fn names() -> Names {
    Names {
        account: Some("svc-broker".to_owned()),
        own_spn: Some("HTTP/broker.corp.example".to_owned()),
        user: Some("alice".to_owned()),
        spn: Some(SPN.to_owned()),
        ..Names::default()
    }
}

fn diagnosed(testimony: &Testimony) -> Diagnosed {
    Diagnosed::new(refused(), None, names(), None, testimony)
}

#[test]
fn a_confirmed_cause_is_told_with_its_names_and_both_commands() {
    let told = diagnosed(&Testimony::Heard(Box::new(facts("desk1$"))));
    let first = &told.findings()[0];
    assert_eq!((first.cause, first.certainty), (Cause::NotListed, Certainty::Confirmed));
    assert_eq!((first.account.as_str(), first.attribute), ("svc-broker", "msDS-AllowedToDelegateTo"));
    assert_eq!(first.samba, "samba-tool delegation add-service svc-broker TERMSRV/desk1.corp.example");
    assert_eq!(
        first.windows,
        "Set-ADObject -Identity 'CN=svc-broker,CN=Users,DC=corp,DC=example' \
         -Add @{'msDS-AllowedToDelegateTo'='TERMSRV/desk1.corp.example'}"
    );
    let second = &told.findings()[1];
    assert_eq!((second.cause, second.account.as_str()), (Cause::NoList, "desk1$"));
    assert_eq!(second.samba, "samba-tool delegation add-principal 'desk1$' svc-broker");
    let text = told.to_string();
    for named in [
        "refused svc-broker a ticket to TERMSRV/desk1.corp.example for alice",
        "KDC_ERR_BADOPTION (13) and STATUS_NO_MATCH",
        r#"("no \"match\"")"#,
        "by the directory (dc1.corp.example) it is delegation.not_listed: ",
        "; or delegation.rbcd_missing: ",
        "`samba-tool delegation add-principal 'desk1$' svc-broker`",
    ] {
        assert!(text.contains(named), "{named} is missing in: {text}");
    }
}

#[test]
fn a_directory_that_was_not_heard_is_said_and_every_candidate_listed() {
    let late = diagnosed(&Testimony::TooLate);
    assert!(late.to_string().contains("the directory was not read in time, it may be delegation.not_listed"));
    let unreadable = diagnosed(&Testimony::Unreadable(DirectoryError::Busy));
    let text = unreadable.to_string();
    assert!(
        text.contains("the directory cannot be read (all connections to the directory are in use, "),
        "{text}"
    );
    assert!(unreadable.findings().len() > 5 && text.contains("own.no_protocol_transition"), "{text}");
    assert_eq!(late.findings(), unreadable.findings());
}

#[test]
fn a_name_in_the_directory_cannot_become_a_command() {
    let told = diagnosed(&Testimony::Heard(Box::new(facts("d'; reboot #$"))));
    let second = &told.findings()[1];
    assert_eq!(second.samba, r"samba-tool delegation add-principal 'd'\''; reboot #$' svc-broker");
    assert!(second.windows.contains("-Computer 'd''; reboot #$'"), "{}", second.windows);
    let told = diagnosed(&Testimony::Heard(Box::new(facts("-Hldap://evil$"))));
    assert_eq!(told.findings()[1].samba, "samba-tool delegation add-principal TARGET svc-broker");
}

#[test]
fn other_symptoms_say_what_the_client_says() {
    let error = || ClientError::ReplyRefused(kdc_proxy::error::ReplyError::TicketEtype(23));
    let told = diagnosis(Symptom::WeakTicket { stage: Stage::S4u2Self }, Some(error())).to_string();
    assert!(told.starts_with(&format!("no ticket for svc-broker ({})", error())), "{told}");
    let told = diagnosis(Symptom::NotForwardable, None).to_string();
    assert!(told.starts_with("the domain controller proved alice to svc-broker but gave evidence"), "{told}");
}

#[test]
fn every_reason_not_to_use_a_persons_account_has_its_cause() {
    let dn: Dn = "CN=alice,CN=Users,DC=corp,DC=example".parse().expect("a name");
    let control = ldap_map::schema::UserAccountControl(0);
    let group = "S-1-5-21-1-2-3-525".parse().expect("a SID");
    let hour = ldap_map::logon_hours::HourOfWeek::of(UNIX_EPOCH);
    for (reason, id) in [
        (NotUsable::Disabled { user_account_control: control }, "user.disabled"),
        (NotUsable::Expired { account_expires: UNIX_EPOCH }, "user.expired"),
        (NotUsable::Locked { computed_account_control: control }, "user.locked"),
        (NotUsable::PerhapsLocked { lockout_time: UNIX_EPOCH }, "user.locked"),
        (NotUsable::OutsideLogonHours { hour }, "user.outside_logon_hours"),
        (NotUsable::ProtectedUser { group }, "user.protected"),
        (NotUsable::NotDelegated { user_account_control: control }, "user.sensitive"),
    ] {
        let finding = Finding::of_account("alice", &dn, &reason).expect("a cause");
        assert_eq!((finding.cause.id(), finding.account.as_str()), (id, "alice"));
        let shows = |sign: &super::super::advice::symptom::Sign| {
            matches!(sign.shows, super::super::advice::symptom::Shows::Directory)
        };
        assert!(finding.cause.row().signs.iter().any(shows), "{id} is in the table as the directory's");
        assert!(finding.samba.contains("alice") && finding.windows.contains("alice"), "{finding}");
    }
    let computer = ldap_map::account::NotAPerson::ObjectClass("computer".to_owned());
    assert_eq!(Finding::of_account("desk1$", &dn, &NotUsable::NotAPerson(computer)), None);
}
