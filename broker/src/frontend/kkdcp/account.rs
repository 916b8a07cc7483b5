//! The names by which a domain controller may find an account, as one key; and the accounts that are barred.

use std::collections::BTreeSet;

use icu_normalizer::{DecomposingNormalizerBorrowed, properties::CanonicalCombiningClassMapBorrowed};
use kdc_proxy::{
    message::kdc_proxy::KdcAnswer,
    principal::{PrincipalName, Realm},
};

/// One spelling for all names that may mean one account: letters as [`plain`] has them, domain, suffix and the `$` of computers are left out, and of a
/// service's name what follows its host. Two accounts may share a key; it serves to refuse only.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct AccountKey(String);

impl AccountKey {
    pub(super) fn of(name: &PrincipalName) -> Self {
        let parts: Vec<&str> = name.components().iter().take(2).map(String::as_str).collect();
        Self::of_text(&parts.join("/"))
    }

    fn of_text(text: &str) -> Self {
        let folded = plain(text);
        let bare = folded.split('@').next().unwrap_or_default();
        let bare = bare.rsplit('\\').next().unwrap_or_default();
        Self(bare.trim_end_matches('$').to_owned())
    }
}

/// The letters that are left where Windows tells names apart: it ignores case, marks, width and the kind of kana, and finds `bjorn`
/// by `Bj\u{f6}rn`. Each such spelling would otherwise have failures of its own, while the domain controller counts them together.
fn plain(text: &str) -> String {
    let marks = CanonicalCombiningClassMapBorrowed::new();
    let normalizer = DecomposingNormalizerBorrowed::new_nfkd();
    let lower = normalizer.normalize(text).to_lowercase();
    // What came of the small letters may be composed again.
    let decomposed = normalizer.normalize(&lower);
    let mut plain = String::with_capacity(decomposed.len());
    for letter in decomposed.chars() {
        match letter {
            '\u{df}' => plain.push_str("ss"),
            '\u{e6}' => plain.push_str("ae"),
            '\u{153}' => plain.push_str("oe"),
            '\u{fe}' => plain.push_str("th"),
            '\u{f8}' => plain.push('o'),
            '\u{142}' => plain.push('l'),
            '\u{111}' | '\u{f0}' => plain.push('d'),
            '\u{127}' => plain.push('h'),
            '\u{131}' => plain.push('i'),
            // Katakana as hiragana.
            '\u{30a1}'..='\u{30f6}' => {
                plain.extend(u32::from(letter).checked_sub(0x60).and_then(char::from_u32));
            }
            // What is not seen: soft hyphen, joiners, marks of direction, selectors of variants.
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e0fff}' => {}
            _ if letter.is_whitespace() || letter.is_control() => {}
            _ if marks.get_u8(letter) != 0 => {}
            _ => plain.push(letter),
        }
    }
    plain
}

/// The accounts that nobody may be through the proxy.
#[derive(Clone, Debug, Default)]
pub struct Barred {
    keys: BTreeSet<AccountKey>,
    salts: BTreeSet<String>,
}

impl Barred {
    /// Bars accounts of a realm by their names; a name with a slash is a service's.
    pub fn new(realm: &Realm, names: &[&str]) -> Self {
        let mut barred = Self::default();
        let (realm, host) = (realm.as_str().to_lowercase(), realm.as_str().to_lowercase());
        for name in names {
            let key = AccountKey::of_text(name);
            let bare = key.0.clone();
            // The salts of a person's or service's account, and of a computer's.
            barred.salts.insert(format!("{realm}{bare}"));
            barred.salts.insert(format!("{realm}host{bare}.{host}"));
            barred.keys.insert(AccountKey(format!("host/{bare}")));
            barred.keys.insert(AccountKey(format!("host/{bare}.{host}")));
            barred.keys.insert(key);
        }
        barred
    }

    /// Whether a name may mean one of them.
    pub(super) fn names(&self, name: &PrincipalName) -> bool {
        self.keys.contains(&AccountKey::of(name))
    }

    /// Whether an answer is about one of them, whatever name was used in the request: by its client, or by the salt of the
    /// password, which holds the account's own name. A request that may be `for_another` names its person as the client; then
    /// it is the ticket's service that asked, which gets such tickets for itself (S4U2Self).
    pub(super) fn is_meant_in(&self, answer: &KdcAnswer, for_another: bool) -> bool {
        let salted = |salts: &[String]| salts.iter().any(|salt| self.salts.contains(&plain(salt)));
        match answer {
            KdcAnswer::Ticket { client, server, salts, .. } => {
                self.names(client.name()) || (for_another && self.names(server)) || salted(salts)
            }
            KdcAnswer::Error { salts, .. } => salted(salts),
            KdcAnswer::Kpasswd => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use kdc_proxy::principal::{NameType, Principal};

    use super::*;

    fn name(components: &[&str]) -> PrincipalName {
        PrincipalName::new(NameType::Enterprise, components.iter().map(ToString::to_string).collect())
            .unwrap()
    }

    fn barred() -> Barred {
        let realm = Realm::new("CORP.EXAMPLE").unwrap();
        Barred::new(&realm, &["svc-broker", "HTTP/broker.corp.example", "BROKER01$"])
    }

    #[test]
    fn a_barred_account_is_known_in_every_spelling() {
        for spelling in [
            &["svc-broker"][..],
            &["SVC-Broker"],
            &["svc-broker@corp.example"],
            &["Svc-Broker@CORP"],
            &["CORP\\svc-broker"],
            &["svc-broker$"],
            &["HTTP", "broker.corp.example"],
            &["http", "BROKER.corp.example", "corp.example"],
            &["http/broker.corp.example@CORP.EXAMPLE"],
            &["broker01"],
            &["svc-br\u{f6}ker"],
            &["svc-bro\u{308}ker"],
            &["SVC-br\u{d8}ker"],
            &["\u{ff53}\u{ff56}\u{ff43}-broker"],
            &["svc\u{ad}-bro\u{200b}ker"],
            &["host", "broker01.corp.example"],
        ] {
            assert!(barred().names(&name(spelling)), "{spelling:?}");
        }
        for other in [&["alice"][..], &["svc-broker2"], &["HTTP", "desk1.corp.example"]] {
            assert!(!barred().names(&name(other)), "{other:?}");
        }
    }

    #[test]
    fn a_barred_service_that_asks_in_somebody_s_name_is_known_by_what_the_ticket_is_for() {
        let client = Principal::new(name(&["alice"]), Realm::new("CORP.EXAMPLE").unwrap());
        let ticket = |server: &[&str]| KdcAnswer::Ticket {
            client: client.clone(),
            server: name(server),
            ticket: Vec::new(),
            salts: Vec::new(),
        };
        for own in [&["svc-broker"][..], &["HTTP", "broker.corp.example"], &["host", "broker01"]] {
            assert!(barred().is_meant_in(&ticket(own), true), "{own:?}");
            assert!(!barred().is_meant_in(&ticket(own), false), "a person's own ticket for it");
        }
        assert!(!barred().is_meant_in(&ticket(&["HTTP", "desk1.corp.example"]), true));
    }

    #[test]
    fn a_barred_account_is_known_by_the_salt_that_the_kdc_names() {
        let error = |salt: &str| KdcAnswer::Error {
            code: kdc_proxy::error::ErrorCode::KDC_ERR_PREAUTH_REQUIRED,
            salts: vec![salt.to_owned()],
        };
        assert!(barred().is_meant_in(&error("CORP.EXAMPLEsvc-broker"), false));
        assert!(barred().is_meant_in(&error("CORP.EXAMPLEhostbroker01.corp.example"), false));
        assert!(!barred().is_meant_in(&error("CORP.EXAMPLEalice"), false));
        let bjorn = Barred::new(&Realm::new("CORP.EXAMPLE").unwrap(), &["Bj\u{f6}rn"]);
        assert!(bjorn.is_meant_in(&error("CORP.EXAMPLEBj\u{f6}rn"), false));
    }
}
