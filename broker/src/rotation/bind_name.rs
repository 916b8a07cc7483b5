//! Whose password a directory is asked with, as far as the name to bind with tells.

use ldap_map::dn::Dn;

/// Which account a name to bind with belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Whose {
    /// The service's own.
    Own,
    /// One of another domain.
    Foreign,
    /// The name does not tell.
    Unclear,
}

/// Whose name `name` is: `ACCOUNT@domain`, `CN=ACCOUNT,...,DC=domain`, or `DOMAIN\ACCOUNT`; a computer's with or without its
/// `$`. `account` and `realm` are our own, `abroad` is the realm of the directory that is asked, where it is not ours.
pub(super) fn whose(name: &str, account: &str, realm: &str, abroad: Option<&str>) -> Whose {
    let is_ours = |bare: &str| {
        let same = |account: &str| bare.eq_ignore_ascii_case(account);
        if same(account) || same(account.trim_end_matches('$')) { Whose::Own } else { Whose::Unclear }
    };
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    if let Some((domain, bare)) = name.split_once('\\') {
        // The short name of a domain is mostly the first label of the long one, and never proves more than that.
        let first = |realm: &str| realm.split('.').next().is_some_and(|label| same(label, domain));
        return match abroad {
            Some(abroad) if first(abroad) && !first(realm) => Whose::Foreign,
            Some(_) if !first(realm) => Whose::Unclear,
            _ => is_ours(bare),
        };
    }
    if let Ok(dn) = name.parse::<Dn>()
        && let Some(domain) = dn.dns_domain()
    {
        let first = name.split_once(',').map_or(name, |(first, _)| first);
        let bare = first.split_once('=').map_or(first, |(_, value)| value);
        return if same(&domain, realm) { is_ours(bare.trim()) } else { Whose::Foreign };
    }
    match name.rsplit_once('@') {
        Some((bare, domain)) if same(domain, realm) => is_ours(bare),
        Some((_, domain)) if abroad.is_some_and(|abroad| same(domain, abroad)) => Whose::Foreign,
        _ => Whose::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "CORP.EXAMPLE";
    const BETA: Option<&str> = Some("BETA.EXAMPLE");

    #[test]
    fn a_name_of_our_own_account_in_our_own_domain_is_ours_wherever_it_is_asked_with() {
        for directory in [None, BETA] {
            for name in [
                "svc-broker@corp.example",
                "SVC-Broker@CORP.EXAMPLE",
                "CORP\\svc-broker",
                "CN=svc-broker,CN=Users,DC=corp,DC=example",
            ] {
                assert_eq!(whose(name, "svc-broker", OWN, directory), Whose::Own, "{name}");
            }
        }
        assert_eq!(whose("broker@corp.example", "broker$", OWN, None), Whose::Own);
        assert_eq!(whose("CN=broker,CN=Computers,DC=corp,DC=example", "broker$", OWN, None), Whose::Own);
        assert_eq!(whose("broker$@corp.example", "broker$", OWN, None), Whose::Own);
    }

    #[test]
    fn the_same_name_in_another_domain_is_another_account() {
        for name in [
            "svc-broker@beta.example",
            "svc-reader@beta.example",
            "BETA\\svc-broker",
            "CN=svc-broker,CN=Users,DC=beta,DC=example",
        ] {
            assert_eq!(whose(name, "svc-broker", OWN, BETA), Whose::Foreign, "{name}");
        }
        let other = "CN=svc-broker,CN=Users,DC=beta,DC=example";
        assert_eq!(whose(other, "svc-broker", OWN, None), Whose::Foreign);
    }

    #[test]
    fn a_name_that_could_be_anybody_s_is_unclear() {
        for (name, directory) in [
            ("svc-broker", None),
            ("svc-reader@corp.example", None),
            ("svc-broker@brand.example", None),
            ("svc-broker@brand.example", BETA),
            ("OTHER\\svc-broker", BETA),
            ("CORP\\svc-reader", None),
            ("CN=Service Broker,CN=Users,DC=corp,DC=example", None),
        ] {
            assert_eq!(whose(name, "svc-broker", OWN, directory), Whose::Unclear, "{name}");
        }
    }
}
