//! Every fault of accounts, targets and the broker's own account, made on the real domain: the broker must name it, and the
//! command that it advises, run as it is printed, must mend it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::{Presented, Workstation};
use integration::gateway::redeem::Form;
use integration::gateway::{Gateway, GatewayError};
use integration::lab::Lab;
use integration::pki::Credential;
use integration::wait;
use kdc_proxy::key::{Etype, Key};
use kdc_proxy::keytab::Keytab;
use serde_json::Value;

use crate::bench::{Bench, card_of, start};
use crate::kerberos::{by_keytab, person};
use crate::refusals::{assert_refused, code_of};

const SOON: Duration = Duration::from_secs(10);
const SAM: &str = "/var/lib/samba/private/sam.ldb";
/// The same directory below the modules that refuse what no tool would write.
const RAW: &str = "tdb:///var/lib/samba/private/sam.ldb.d/DC=CORP,DC=EXAMPLE.ldb";
const BASE: &str = "DC=corp,DC=example";
const RBCD: &str = "msDS-AllowedToActOnBehalfOfOtherIdentity";
const TERMSRV1: &str = "TERMSRV/desk1.corp.example";
const TERMSRV3: &str = "TERMSRV/desk3.corp.example";

/// A domain that these tests change, a broker in front of it, and alice's card. One test at a time has it.
struct Domain {
    bench: Bench,
    alice: Credential,
}

/// The domain, while nobody else changes it.
struct Turn {
    domain: Arc<Domain>,
    _only: MutexGuard<'static, ()>,
}

/// One cause as the broker's log tells it.
#[derive(Debug)]
struct Cause {
    id: String,
    certainty: String,
    windows: String,
    samba: String,
}

fn turn() -> Turn {
    static SHARED: Mutex<Weak<Domain>> = Mutex::new(Weak::new());
    static ONLY: Mutex<()> = Mutex::new(());
    let domain = {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let lab = Arc::new(Lab::start("advice").unwrap());
            let broker = start(&Configuration::new(&lab));
            let workstation = Workstation::start(&lab, "advice-workstation").unwrap();
            let alice = card_of(&lab, "alice").issue().unwrap();
            let domain = Arc::new(Domain { bench: Bench { workstation, broker, lab }, alice });
            *shared = Arc::downgrade(&domain);
            domain
        })
    };
    Turn { domain, _only: ONLY.lock().unwrap_or_else(PoisonError::into_inner) }
}

impl Turn {
    fn lab(&self) -> &Lab {
        &self.domain.bench.lab
    }

    fn broker(&self) -> &BrokerProcess {
        &self.domain.bench.broker
    }

    /// Runs a command on the domain controller as an administrator would who pastes it into a shell.
    fn shell(&self, command: &str, input: &str) -> String {
        let controller = self.lab().controller().container();
        let done = controller.exec_with(&["sh", "-c", command], &[], input.as_bytes()).unwrap();
        assert!(done.succeeded(), "{command}: {}{}", done.text(), done.error_text());
        done.text()
    }

    /// Changes an object: `change` is LDIF after `changetype: modify`.
    fn modify(&self, name: &str, change: &str) {
        self.modify_at(SAM, name, change);
    }

    fn modify_at(&self, database: &str, name: &str, change: &str) {
        let container = if name.starts_with("desk") { "Computers" } else { "Users" };
        let ldif = format!("dn: CN={name},CN={container},{BASE}\nchangetype: modify\n{change}\n");
        self.shell(&format!("ldbmodify -H '{database}'"), &ldif);
    }

    fn replace(&self, name: &str, attribute: &str, value: &str) {
        self.modify(name, &format!("replace: {attribute}\n{attribute}: {value}"));
    }

    fn delete(&self, name: &str, attribute: &str) {
        self.modify(name, &format!("delete: {attribute}"));
    }

    /// Logs in with a card for a desktop of a short name.
    fn log_in(&self, broker: &BrokerProcess, card: &Credential, desk: &str) -> integration::card::Answer {
        let target = format!("{desk}.corp.example");
        self.domain.bench.workstation.log_in(broker, Presented::File(card), "gw1", &target).unwrap()
    }

    /// The login is refused, and the log names these causes in this order, all of them certain.
    fn refused(
        &self,
        broker: &BrokerProcess,
        (card, desk): (&Credential, &str),
        (code, step): (&str, &str),
        ids: &[&str],
    ) -> Vec<Cause> {
        let answer = self.log_in(broker, card, desk);
        assert_refused(&answer, code, step);
        let login_id = answer.field("login_id").unwrap();
        let found = wait::until("the causes in the log", SOON, || {
            let causes = causes(broker, login_id);
            causes.iter().map(|cause| cause.id.as_str()).eq(ids.iter().copied()).then_some(causes)
        });
        let causes = found.unwrap_or_else(|_| {
            let told: Vec<String> = broker.log().into_iter().filter(|line| line.contains(login_id)).collect();
            panic!("{ids:?} are not what is told: {told:#?}")
        });
        for cause in &causes {
            assert_eq!(cause.certainty, "confirmed", "{cause:?}");
            let words = cause.samba.split([' ', '\'']).chain(cause.windows.split([' ', '\'']));
            let placeholders =
                ["ACCOUNT", "ACCOUNT_DN", "TARGET", "TARGET_DN", "USER", "USER_DN", "SPN", "OTHER"];
            for word in words {
                assert!(!placeholders.contains(&word), "{word} is not filled in: {cause:?}");
            }
        }
        causes
    }

    /// As [`Self::refused`] at the usual broker; then the command of the first cause mends it, or those of all together.
    fn mended(&self, login: (&Credential, &str), refusal: (&str, &str), ids: &[&str], with: With) {
        let causes = self.refused(self.broker(), login, refusal, ids);
        let needed = match with {
            With::TheFirst => 1,
            With::All => causes.len(),
        };
        for cause in causes.iter().take(needed) {
            self.shell(&cause.samba, "");
        }
        let after = self.log_in(self.broker(), login.0, login.1);
        assert!(after.code().is_some(), "{ids:?} is not mended by {:?}: {after:?}", causes);
    }
}

#[derive(Clone, Copy)]
enum With {
    TheFirst,
    All,
}

fn causes(broker: &BrokerProcess, login_id: &str) -> Vec<Cause> {
    let is_of_login = |event: &Value| event.to_string().contains(login_id);
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let events = broker.events();
    let told = events.iter().filter(|event| event["message"] == "cause of the refusal" && is_of_login(event));
    told.map(|event| Cause {
        id: text(event, "cause"),
        certainty: text(event, "certainty"),
        windows: text(event, "windows"),
        samba: text(event, "samba"),
    })
    .collect()
}

/// The hours of the week as the directory keeps them, in base64 as LDIF writes octets: these are in it, counted from Sunday.
fn logon_hours(has: impl Fn(u64) -> bool) -> String {
    let mut octets = [0_u8; 21];
    for hour in (0..168).filter(|hour| has(*hour)) {
        octets[usize::try_from(hour / 8).unwrap()] |= 1 << (hour % 8);
    }
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |bits: u32| char::from(LETTERS[usize::try_from(bits & 63).unwrap()]);
    octets
        .chunks(3)
        .map(|three| three.iter().fold(0, |sum, octet| (sum << 8) | u32::from(*octet)))
        .flat_map(|bits| [18, 12, 6, 0].map(|shift| letter(bits >> shift)))
        .collect()
}

/// The present hour of the week, by UTC.
fn this_hour() -> u64 {
    let since = wait::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    (since.as_secs() / 3600 + 96) % 168
}

// People.

#[test]
fn states_of_a_persons_account_are_named_and_mended() {
    let turn = turn();
    for (account, code, id) in [
        ("dave", "account_disabled", "user.disabled"),
        ("eve", "account_expired", "user.expired"),
        ("lou", "account_locked", "user.locked"),
        ("sam", "account_not_delegable", "user.sensitive"),
        ("paula", "account_protected", "user.protected"),
    ] {
        let card = card_of(turn.lab(), account).issue().unwrap();
        turn.mended((&card, "desk1"), (code, "resolve"), &[id], With::TheFirst);
    }
}

#[test]
fn an_account_outside_its_hours_is_refused_although_the_domain_controller_lets_it_through() {
    let turn = turn();
    let card = card_of(turn.lab(), "carol").issue().unwrap();
    let set = |hours: String| turn.modify("carol", &format!("replace: logonHours\nlogonHours:: {hours}"));
    let (login, refusal) = ((&card, "desk1"), ("account_outside_hours", "resolve"));

    // The hour may pass while the test runs.
    let present = [this_hour(), (this_hour() + 1) % 168];
    set(logon_hours(|hour| present.contains(&hour)));
    code_of(&turn.log_in(turn.broker(), &card, "desk1"));
    set(logon_hours(|hour| !present.contains(&hour)));
    turn.refused(turn.broker(), login, refusal, &["user.outside_logon_hours"]);
    set(logon_hours(|_| false));
    domain_controller_delegates(turn.lab(), "carol");
    turn.mended(login, refusal, &["user.outside_logon_hours"], With::TheFirst);
}

#[test]
fn a_member_of_protected_users_is_refused_although_the_domain_controller_lets_it_through() {
    let turn = turn();
    turn.shell("samba-tool group addmembers 'Protected Users' carol", "");
    domain_controller_delegates(turn.lab(), "carol");
    let card = card_of(turn.lab(), "carol").issue().unwrap();
    turn.mended((&card, "desk1"), ("account_protected", "resolve"), &["user.protected"], With::TheFirst);
}

/// Samba gives a ticket to desk1 for the account.
#[tokio::main(flavor = "current_thread")]
async fn domain_controller_delegates(lab: &Lab, account: &str) {
    let client = by_keytab(lab);
    let evidence = client.s4u2self(&person(account)).await.unwrap();
    let ticket = client.s4u2proxy(&evidence, &TERMSRV1.parse().unwrap(), Duration::from_secs(600)).await;
    assert_eq!(ticket.unwrap().server().name().to_string(), TERMSRV1);
}

#[test]
fn a_password_that_must_be_changed_is_named_and_mended_and_a_required_card_is_no_obstacle() {
    let turn = turn();
    let card = card_of(turn.lab(), "carol").issue().unwrap();
    // Without the bit that passwords never expire.
    turn.modify(
        "carol",
        "replace: userAccountControl\nuserAccountControl: 512\n-\nreplace: pwdLastSet\npwdLastSet: 0",
    );
    let refusal = ("account_password_expired", "issue");
    let causes = turn.refused(turn.broker(), (&card, "desk1"), refusal, &["user.password_expired"]);
    assert_eq!(causes[0].samba, "samba-tool user setpassword carol");
    turn.shell(&causes[0].samba, "carol-Passw0rd-2\ncarol-Passw0rd-2\n");
    code_of(&turn.log_in(turn.broker(), &card, "desk1"));

    // SMARTCARD_REQUIRED: such an account has no password that anybody could change.
    turn.modify(
        "carol",
        "replace: userAccountControl\nuserAccountControl: 262656\n-\nreplace: pwdLastSet\npwdLastSet: 0",
    );
    code_of(&turn.log_in(turn.broker(), &card, "desk1"));
}

// Targets and lists.

#[test]
fn a_target_in_no_list_is_named_and_mended_either_way() {
    let turn = turn();
    let (login, refusal) = ((&turn.domain.alice, "desk3"), ("delegation_refused", "issue"));
    let ids = ["delegation.not_listed", "delegation.rbcd_missing"];
    turn.mended(login, refusal, &ids, With::TheFirst);
    turn.modify(
        "svc-broker",
        &format!("delete: msDS-AllowedToDelegateTo\nmsDS-AllowedToDelegateTo: {TERMSRV3}"),
    );

    let causes = turn.refused(turn.broker(), login, refusal, &ids);
    turn.shell(&causes[1].samba, "");
    code_of(&turn.log_in(turn.broker(), &turn.domain.alice, "desk3"));
    turn.delete("desk3", RBCD);

    turn.shell("samba-tool delegation add-principal 'desk3$' alice", "");
    let ids = ["delegation.not_listed", "delegation.rbcd_names_others"];
    let causes = turn.refused(turn.broker(), login, refusal, &ids);
    turn.shell(&causes[1].samba, "");
    code_of(&turn.log_in(turn.broker(), &turn.domain.alice, "desk3"));
    turn.delete("desk3", RBCD);
}

#[test]
fn a_name_of_the_target_that_is_missing_or_there_twice_is_named_and_mended() {
    let turn = turn();
    let (login, refusal) = ((&turn.domain.alice, "desk1"), ("delegation_refused", "issue"));
    turn.modify("desk1", &format!("delete: servicePrincipalName\nservicePrincipalName: {TERMSRV1}"));
    turn.mended(login, refusal, &["target.spn_missing"], With::TheFirst);

    let second = format!("add: servicePrincipalName\nservicePrincipalName: {TERMSRV1}");
    turn.modify_at(RAW, "desk2", &second);
    turn.mended(login, refusal, &["target.spn_twice"], With::TheFirst);
}

#[test]
fn a_target_without_keys_or_without_aes_is_named_and_mended() {
    let turn = turn();
    let login = (&turn.domain.alice, "desk1");
    let refusal = ("encryption_unsupported", "issue");
    turn.replace("desk1", "msDS-SupportedEncryptionTypes", "4");
    turn.mended(login, refusal, &["target.no_aes"], With::TheFirst);
    turn.delete("desk1", "msDS-SupportedEncryptionTypes");
    turn.mended(login, refusal, &["target.no_aes"], With::TheFirst);

    turn.shell("samba-tool computer delete desk3", "");
    turn.shell(&format!("samba-tool computer create desk3 --service-principal-name={TERMSRV3}"), "");
    turn.shell(&format!("samba-tool delegation add-service svc-broker {TERMSRV3}"), "");
    let login = (&turn.domain.alice, "desk3");
    turn.mended(login, refusal, &["target.no_keys", "target.no_aes"], With::All);
    turn.modify(
        "svc-broker",
        &format!("delete: msDS-AllowedToDelegateTo\nmsDS-AllowedToDelegateTo: {TERMSRV3}"),
    );
}

// The broker's own account.

#[test]
fn a_broker_without_protocol_transition_is_named_and_mended_for_both_kinds_of_delegation() {
    let turn = turn();
    for desk in ["desk1", "desk2"] {
        turn.replace("svc-broker", "userAccountControl", "66048");
        let login = (&turn.domain.alice, desk);
        let refusal = ("delegation_refused", "issue");
        turn.mended(login, refusal, &["own.no_protocol_transition"], With::TheFirst);
    }
}

#[test]
fn the_brokers_own_name_that_is_missing_or_elsewhere_is_named_and_mended() {
    let turn = turn();
    let (login, refusal) = ((&turn.domain.alice, "desk1"), ("broker_credential_refused", "issue"));
    let lose = || {
        let name = "servicePrincipalName: HTTP/broker.corp.example";
        turn.modify("svc-broker", &format!("delete: servicePrincipalName\n{name}"));
    };
    lose();
    turn.mended(login, refusal, &["own.spn_missing"], With::TheFirst);
    lose();
    turn.modify("desk2", "add: servicePrincipalName\nservicePrincipalName: HTTP/broker.corp.example");
    turn.mended(login, refusal, &["own.spn_elsewhere", "own.spn_missing"], With::All);
}

#[test]
fn a_broker_without_aes_is_named_and_mended() {
    let turn = turn();
    turn.replace("svc-broker", "msDS-SupportedEncryptionTypes", "4");
    let refusal = ("encryption_unsupported", "issue");
    let login = (&turn.domain.alice, "desk1");
    turn.mended(login, refusal, &["own.no_aes"], With::TheFirst);
    turn.delete("svc-broker", "msDS-SupportedEncryptionTypes");
    turn.mended(login, refusal, &["own.no_aes"], With::TheFirst);
}

#[test]
fn a_broker_whose_own_ticket_is_not_forwardable_is_named_and_mended_without_a_restart() {
    let turn = turn();
    let refusal = ("delegation_refused", "issue");
    turn.replace("svc-broker", "userAccountControl", "17891840");
    // It takes its own ticket when it starts, and keeps it.
    let broker = start(&Configuration::new(turn.lab()));
    let causes = turn.refused(&broker, (&turn.domain.alice, "desk1"), refusal, &["own.sensitive"]);
    turn.shell(&causes[0].samba, "");
    code_of(&turn.log_in(&broker, &turn.domain.alice, "desk1"));
}

#[test]
fn a_broker_that_is_disabled_while_it_runs_is_named_and_mended() {
    let turn = turn();
    code_of(&turn.log_in(turn.broker(), &turn.domain.alice, "desk1"));
    turn.replace("svc-broker", "userAccountControl", "16843266");
    let login = (&turn.domain.alice, "desk1");
    turn.mended(login, ("broker_credential_refused", "issue"), &["own.disabled"], With::TheFirst);
}

#[test]
fn a_directory_that_refuses_the_brokers_account_is_named_with_its_reason() {
    let turn = turn();
    turn.replace("svc-broker", "userAccountControl", "16843266");
    let broker = start(&Configuration::new(turn.lab()));
    let answer = turn.log_in(&broker, &turn.domain.alice, "desk1");
    turn.shell("samba-tool user enable svc-broker", "");
    assert_refused(&answer, "directory_refused", "resolve");
    let login_id = answer.field("login_id").unwrap();
    let is_reason = |event: &Value| {
        let detail = event["detail"].as_str().unwrap_or_default();
        event.to_string().contains(login_id)
            && detail.contains("dc1.corp.example refused the service account: the account is disabled")
    };
    let told = wait::until("the reason in the log", SOON, || broker.events().into_iter().find(is_reason));
    assert!(told.is_ok(), "{:#?}", broker.log());
}

// Keys and clocks.

#[test]
fn a_key_that_is_wrong_or_old_is_named_and_mended() {
    let turn = turn();
    let configuration = Configuration::new(turn.lab());
    let refusal = ("broker_credential_refused", "issue");
    // Other tests of this domain change the password too.
    let found =
        turn.shell(&format!("ldbsearch -H {SAM} '(sAMAccountName=svc-broker)' msDS-KeyVersionNumber"), "");
    let present = found.lines().find_map(|line| line.strip_prefix("msDS-KeyVersionNumber: "));
    let present: u32 = present.unwrap().trim().parse().unwrap();
    for (version, id) in [(present, "own.key_wrong"), (present - 1, "own.key_version")] {
        let mut keytab = Keytab::default();
        keytab.push(person("svc-broker"), version, 0, Key::new(Etype::Aes256, &[7; 32]).unwrap());
        let broker = start(&configuration.clone().keytab(keytab.to_bytes().to_vec()));
        let causes = turn.refused(&broker, (&turn.domain.alice, "desk1"), refusal, &[id]);
        let made = turn.shell(&format!("cd $(mktemp -d) && {} >&2 && pwd", causes[0].samba), "");
        let exported = turn.lab().controller().container().read(&format!("{}/kerbridge.keytab", made.trim()));
        let broker = start(&configuration.clone().keytab(exported.unwrap()));
        code_of(&turn.log_in(&broker, &turn.domain.alice, "desk1"));
    }
}

#[test]
fn a_password_that_was_changed_while_the_broker_ran_is_named() {
    let turn = turn();
    code_of(&turn.log_in(turn.broker(), &turn.domain.alice, "desk1"));
    let password = |password: &str| {
        drop(turn.shell(&format!("samba-tool user setpassword svc-broker --newpassword={password}"), ""));
    };
    password("another-Passw0rd");
    let refusal = ("broker_credential_refused", "issue");
    let causes = turn.refused(turn.broker(), (&turn.domain.alice, "desk1"), refusal, &["own.key_version"]);
    assert!(causes[0].samba.contains("exportkeytab"), "{causes:?}");
    password("svc-broker-Passw0rd");
}

#[test]
fn a_brokers_password_that_was_changed_elsewhere_is_named_and_serves_again_without_a_restart() {
    let turn = turn();
    let broker = start(&Configuration::new(turn.lab()).by_password());
    code_of(&turn.log_in(&broker, &turn.domain.alice, "desk1"));
    let password = |password: &str| {
        drop(turn.shell(&format!("samba-tool user setpassword svc-broker --newpassword={password}"), ""));
    };
    password("another-Passw0rd");
    let (login, refusal) = ((&turn.domain.alice, "desk1"), ("broker_credential_refused", "issue"));
    let causes = turn.refused(&broker, login, refusal, &["own.password_wrong"]);
    assert_eq!(causes[0].samba, "samba-tool user setpassword svc-broker");
    password("svc-broker-Passw0rd");
    code_of(&turn.log_in(&broker, &turn.domain.alice, "desk1"));
}

#[test]
fn a_clock_that_is_ten_minutes_off_is_named() {
    let turn = turn();
    for offset in ["+10m", "-10m"] {
        let broker = start(&Configuration::new(turn.lab()).at_time(offset));
        let causes =
            turn.refused(&broker, (&turn.domain.alice, "desk1"), ("clock_skew", "issue"), &["clock.skew"]);
        assert_eq!(
            (causes[0].windows.as_str(), causes[0].samba.as_str()),
            ("w32tm /resync /rediscover", "chronyc makestep")
        );
    }
}

// Gateways.

#[test]
fn a_gateway_is_told_the_cause_and_the_command_and_the_person_is_not() {
    let turn = turn();
    let spn = "HTTP/desk1.corp.example";
    turn.modify("svc-broker", &format!("delete: msDS-AllowedToDelegateTo\nmsDS-AllowedToDelegateTo: {spn}"));
    let code = code_of(&turn.log_in(turn.broker(), &turn.domain.alice, "desk1"));
    let hosts = [("broker.corp.example", turn.lab().network().host_address())];
    let gateway = Gateway::start(turn.lab(), "gw1", &hosts).unwrap();
    let broker = turn.broker().gateway_address();
    let refused = gateway.redeem(&broker, &code, &[(spn, Form::Ccache)]).expect_err("the KDC refuses");
    let GatewayError::Refused { reason, message, causes, .. } = refused else { panic!("{refused}") };
    assert_eq!(reason, "DELEGATION_REFUSED");
    let (id, advice) = &causes[0];
    let command = format!("samba-tool delegation add-service svc-broker {spn}");
    assert!(id == "delegation.not_listed" && advice.contains(&command), "{causes:?}");
    assert!(!message.contains("svc-broker") && !message.contains("samba-tool"), "{message}");
    turn.shell(&command, "");
    let code = code_of(&turn.log_in(turn.broker(), &turn.domain.alice, "desk1"));
    gateway.redeem(&broker, &code, &[(spn, Form::Ccache)]).unwrap();
}
