use super::*;

fn name(text: &str) -> PrincipalName {
    text.parse().unwrap()
}

#[test]
fn a_realm_refuses_what_could_be_read_as_something_else() {
    for (text, error) in [
        ("", NameError::Empty),
        ("CORP/EXAMPLE", NameError::Character),
        ("A@B", NameError::Character),
        ("A\nB", NameError::Character),
        ("A B", NameError::Character),
        ("X500:A", NameError::Character),
    ] {
        assert_eq!(Realm::new(text), Err(error), "{text:?}");
    }
    assert_eq!(Realm::new(&"A".repeat(256)), Err(NameError::TooLong));
    assert_eq!(Realm::from_octets(&[0xff]), Err(NameError::NotUtf8));
}

#[test]
fn one_component_is_a_principal_and_two_are_a_service() {
    assert_eq!(name("BROKER01$"), PrincipalName::principal("BROKER01$").unwrap());
    assert_eq!(
        name("TERMSRV/desk1.corp.example"),
        PrincipalName::service("TERMSRV", "desk1.corp.example").unwrap()
    );
    assert_eq!(name("a/b/c").components().len(), 3);
}

#[test]
fn a_text_with_a_realm_or_an_escape_is_not_a_name() {
    assert_eq!("alice@CORP".parse::<PrincipalName>(), Err(NameError::Character));
    assert_eq!("a\\/b".parse::<PrincipalName>(), Err(NameError::Character));
    assert_eq!("/host".parse::<PrincipalName>(), Err(NameError::Empty));
    assert_eq!("host/".parse::<PrincipalName>(), Err(NameError::Empty));
    assert_eq!("".parse::<PrincipalName>(), Err(NameError::Empty));
}

#[test]
fn names_are_bounded() {
    assert_eq!("a/b/c/d/e/f/g/h/i".parse::<PrincipalName>(), Err(NameError::TooManyComponents));
    assert_eq!("a".repeat(513).parse::<PrincipalName>(), Err(NameError::TooLong));
    assert_eq!("a\u{0}".parse::<PrincipalName>(), Err(NameError::Character));
    assert_eq!(PrincipalName::new(NameType::Principal, vec![]), Err(NameError::Empty));
}

#[test]
fn the_type_takes_no_part_in_the_meaning_of_a_name() {
    let service = PrincipalName::service("HTTP", "web").unwrap();
    let other = PrincipalName::new(NameType::SrvHst, vec!["HTTP".to_owned(), "web".to_owned()]).unwrap();
    assert_ne!(service, other);
    assert!(service.eq_ignoring_type(&other));
    assert!(!service.eq_ignoring_type(&name("http/web")));
    assert!(service.eq_ignoring_case(&name("http/WEB")));
    assert!(!service.eq_ignoring_case(&name("HTTP")));
}

#[test]
fn letters_of_other_alphabets_compare_without_case() {
    assert!(name("ÉLISE").eq_ignoring_case(&name("élise")));
    assert!(name("МАША").eq_ignoring_case(&name("маша")));
}

#[test]
fn a_look_alike_letter_is_not_the_letter() {
    assert!(!name("\u{212A}athy").eq_ignoring_case(&name("kathy")), "Kelvin sign");
    assert!(!name("mar\u{17F}").eq_ignoring_case(&name("mars")), "long s");
    assert!(!name("ann").eq_ignoring_case(&name("anna")));
}

#[test]
fn a_component_with_separators_is_shown_escaped() {
    let odd = PrincipalName::new(NameType::Principal, vec!["a/b@c\\d".to_owned()]).unwrap();
    assert_eq!(odd.to_string(), "a\\/b\\@c\\\\d");
    assert_eq!(odd.joined(), "a/b@c\\d");
    assert_eq!(PrincipalName::enterprise("a@b").unwrap().to_string(), "a@b");
}

#[test]
fn only_a_krbtgt_of_two_components_names_a_realm() {
    let realm = Realm::new("CORP.EXAMPLE").unwrap();
    let krbtgt = PrincipalName::krbtgt(&realm);
    assert_eq!(krbtgt.krbtgt_realm(), Some(realm.clone()));
    assert_eq!(Principal::new(krbtgt, realm).to_string(), "krbtgt/CORP.EXAMPLE@CORP.EXAMPLE");
    assert_eq!(name("krbtgt").krbtgt_realm(), None);
    assert!(name("krbtgt").is_krbtgt() && name("KrbTGT/CORP.EXAMPLE").is_krbtgt());
    assert!(!name("HTTP/krbtgt").is_krbtgt());
    assert_eq!(name("HTTP/CORP.EXAMPLE").krbtgt_realm(), None);
}

#[test]
fn an_enterprise_name_needs_its_at() {
    assert_eq!(PrincipalName::enterprise("alice"), Err(NameError::Character));
}
