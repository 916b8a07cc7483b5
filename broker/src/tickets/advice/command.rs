//! Texts and commands with names in them. Names come from a directory in which others may write, and end up in a shell of an
//! administrator: each is quoted, or left out.

/// Longest name that is written into a command.
const MAXIMUM_LENGTH: usize = 512;

/// The names that texts and commands speak of; what is not known stands there in capital letters.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Names {
    /// `{account}`: `sAMAccountName` of our own account.
    pub account: Option<String>,
    /// `{account_dn}`: where it lies.
    pub account_dn: Option<String>,
    /// `{own_spn}`: its own service principal name.
    pub own_spn: Option<String>,
    /// `{realm}`: its realm.
    pub realm: Option<String>,
    /// `{key_version}`: the version of its keys in the directory.
    pub key_version: Option<String>,
    /// `{keytab_versions}`: those of its keytab.
    pub keytab_versions: Option<String>,
    /// `{user}`: `sAMAccountName` of the person's account.
    pub user: Option<String>,
    /// `{user_dn}`: where it lies.
    pub user_dn: Option<String>,
    /// `{spn}`: the service that is asked for.
    pub spn: Option<String>,
    /// `{target}`: `sAMAccountName` of its account.
    pub target: Option<String>,
    /// `{target_dn}`: where that lies.
    pub target_dn: Option<String>,
    /// `{other}`: `sAMAccountName` of an account that has a name it should not have.
    pub other: Option<String>,
    /// `{server}`: the directory server that was asked.
    pub server: Option<String>,
    /// `{difference}`: how far the clocks are apart.
    pub difference: Option<String>,
}

/// For whom a template is filled in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum For {
    /// A reader: names stand as they are, without control characters.
    Text,
    /// A POSIX shell.
    Shell,
    /// PowerShell.
    PowerShell,
}

impl Names {
    fn get(&self, key: &str) -> Option<&str> {
        let value = match key {
            "account" => &self.account,
            "account_dn" => &self.account_dn,
            "own_spn" => &self.own_spn,
            "realm" => &self.realm,
            "key_version" => &self.key_version,
            "keytab_versions" => &self.keytab_versions,
            "user" => &self.user,
            "user_dn" => &self.user_dn,
            "spn" => &self.spn,
            "target" => &self.target,
            "target_dn" => &self.target_dn,
            "other" => &self.other,
            "server" => &self.server,
            "difference" => &self.difference,
            _ => return None,
        };
        value.as_deref()
    }

    /// Fills in a template: `{key}` becomes the name. A name that is unknown, or that no command may carry, becomes the key in
    /// capital letters; other braces stay.
    #[must_use]
    pub fn fill(&self, template: &str, reader: For) -> String {
        let mut filled = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let key = after.split_once('}').filter(|(key, _)| is_key(key));
            let Some((key, behind)) = key else {
                filled.push('{');
                rest = after;
                continue;
            };
            match (self.get(key), reader) {
                (Some(name), For::Text) => filled.push_str(&readable(name)),
                (Some(name), _) if is_safe(name) => filled.push_str(&quoted(name, reader)),
                _ => filled.push_str(&key.to_ascii_uppercase()),
            }
            rest = behind;
        }
        filled + rest
    }
}

/// Templates hold braces of PowerShell's too: `@{...}`.
fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_')
}

/// The name for a reader: without what could move a terminal's cursor or break a line.
#[must_use]
pub fn readable(name: &str) -> String {
    name.chars().filter(|character| !is_invisible(*character)).take(MAXIMUM_LENGTH).collect()
}

/// Whether a command may carry the name, quoted: not one that a tool would take for an option, nor one that a reader would not
/// see as it is.
fn is_safe(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAXIMUM_LENGTH
        && !name.starts_with('-')
        && !name.chars().any(is_invisible)
}

fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn quoted(name: &str, reader: For) -> String {
    match reader {
        For::Text => name.to_owned(),
        For::Shell
            if name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"._/-@:".contains(&octet)) =>
        {
            name.to_owned()
        }
        For::Shell => format!("'{}'", name.replace('\'', r"'\''")),
        For::PowerShell => {
            // PowerShell takes typographic quotes for quotes too; each is doubled to stand for itself.
            let double = |character: char| match character {
                '\'' | '\u{2018}'..='\u{201b}' => vec![character; 2],
                other => vec![other],
            };
            format!("'{}'", name.chars().flat_map(double).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(user: &str) -> Names {
        Names { user: Some(user.to_owned()), spn: Some("TERMSRV/desk1".to_owned()), ..Names::default() }
    }

    const TEMPLATE: &str = "set {user} to @{'a'={spn}} at {target}";

    #[test]
    fn names_are_filled_in_and_unknown_ones_stand_in_capital_letters() {
        let filled = |reader| names("alice").fill(TEMPLATE, reader);
        assert_eq!(filled(For::Text), "set alice to @{'a'=TERMSRV/desk1} at TARGET");
        assert_eq!(filled(For::Shell), "set alice to @{'a'=TERMSRV/desk1} at TARGET");
        assert_eq!(filled(For::PowerShell), "set 'alice' to @{'a'='TERMSRV/desk1'} at TARGET");
    }

    #[test]
    fn a_name_cannot_end_its_quotes() {
        let filled = |user: &str, reader| names(user).fill("x {user}", reader);
        assert_eq!(filled("desk1$", For::Shell), "x 'desk1$'");
        assert_eq!(filled("a'; reboot #", For::Shell), r"x 'a'\''; reboot #'");
        assert_eq!(filled("$(reboot)`reboot`", For::Shell), "x '$(reboot)`reboot`'");
        assert_eq!(filled("a'; reboot #", For::PowerShell), "x 'a''; reboot #'");
        for quote in ['\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}'] {
            let name = format!("a{quote}; reboot");
            assert_eq!(filled(&name, For::PowerShell), format!("x 'a{quote}{quote}; reboot'"));
        }
    }

    #[test]
    fn a_name_that_would_be_an_option_or_a_line_is_in_no_command() {
        let long = "x".repeat(MAXIMUM_LENGTH + 1);
        for name in ["-Hldap://evil", "--help", "a\nreboot", "a\u{202e}b", "", &long] {
            for reader in [For::Shell, For::PowerShell] {
                assert_eq!(names(name).fill("x {user}", reader), "x USER", "{name:?}");
            }
        }
        assert_eq!(names("a\r\nb\u{202e}c\x1b[2J").fill("{user}", For::Text), "abc[2J");
    }

    #[test]
    fn a_name_is_not_taken_for_a_template() {
        assert_eq!(names("{spn}").fill("x {user} y", For::Text), "x {spn} y");
        assert_eq!(names("{spn}").fill("x {user} y", For::Shell), "x '{spn}' y");
    }

    #[test]
    fn a_shell_reads_every_quoted_name_back_as_it_was() {
        for name in
            ["desk1$", "o'neill", "a b", "CN=desk 1,CN=Computers,DC=corp", "$HOME", "`id`", "\\", "\""]
        {
            let command = names(name).fill("printf %s {user}", For::Shell);
            let said = std::process::Command::new("sh").args(["-c", &command]).output().expect("a shell");
            assert_eq!(String::from_utf8_lossy(&said.stdout), name, "{command}");
        }
    }
}
