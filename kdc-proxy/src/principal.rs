//! Realms and principal names (RFC 4120 section 6): validated, bounded UTF-8.

use std::fmt;
use std::str::FromStr;

/// Longest realm, in octets.
pub const MAX_REALM_LENGTH: usize = 255;
/// Most components of a principal name.
pub const MAX_COMPONENTS: usize = 8;
/// Longest component of a principal name, in octets.
pub const MAX_COMPONENT_LENGTH: usize = 512;

/// Why a realm or a principal name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing there: an empty realm, an empty component or no component.
    #[error("name is empty")]
    Empty,
    /// Longer than [`MAX_REALM_LENGTH`] or [`MAX_COMPONENT_LENGTH`].
    #[error("name is too long")]
    TooLong,
    /// More than [`MAX_COMPONENTS`].
    #[error("name has too many components")]
    TooManyComponents,
    /// A control character, or a separator where none may stand.
    #[error("name holds a character that is not allowed")]
    Character,
    /// The octets are not UTF-8.
    #[error("name is not UTF-8")]
    NotUtf8,
}

/// A realm name. Case is kept and matters, as in RFC 4120 section 6.1; Active Directory writes it in upper case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Realm(String);

impl Realm {
    /// Checks `name`: 1 to [`MAX_REALM_LENGTH`] octets, no control character, none of `/ : @ \`.
    ///
    /// # Errors
    /// [`NameError`] by what is wrong.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > MAX_REALM_LENGTH {
            return Err(NameError::TooLong);
        }
        if name.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '/' | ':' | '@' | '\\')) {
            return Err(NameError::Character);
        }
        Ok(Self(name.to_owned()))
    }

    /// The same from octets as they came from the network.
    ///
    /// # Errors
    /// [`NameError`] by what is wrong.
    pub fn from_octets(octets: &[u8]) -> Result<Self, NameError> {
        Self::new(std::str::from_utf8(octets).map_err(|_| NameError::NotUtf8)?)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares as Active Directory does, without regard to case.
    pub fn eq_ignoring_case(&self, other: &Self) -> bool {
        text_eq_ignoring_case(&self.0, &other.0)
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Realm {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

/// `name-type` of RFC 4120 section 6.2; it is a hint and takes no part in the comparison of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NameType {
    /// NT-UNKNOWN, 0.
    Unknown,
    /// NT-PRINCIPAL, 1: a user or a computer account.
    Principal,
    /// NT-SRV-INST, 2: a service and its instance; also krbtgt.
    SrvInst,
    /// NT-SRV-HST, 3: a service with a host name as instance.
    SrvHst,
    /// NT-ENTERPRISE, 10: one component that holds a whole user principal name (RFC 6806 section 5).
    Enterprise,
    /// Any other number.
    Other(i32),
}

impl NameType {
    /// The number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            Self::Unknown => 0,
            Self::Principal => 1,
            Self::SrvInst => 2,
            Self::SrvHst => 3,
            Self::Enterprise => 10,
            Self::Other(number) => number,
        }
    }

    /// The type of a number from the wire.
    pub const fn from_number(number: i32) -> Self {
        match number {
            0 => Self::Unknown,
            1 => Self::Principal,
            2 => Self::SrvInst,
            3 => Self::SrvHst,
            10 => Self::Enterprise,
            other => Self::Other(other),
        }
    }
}

/// `PrincipalName` of RFC 4120 section 5.2.2: a type and 1 to [`MAX_COMPONENTS`] non-empty components.
///
/// `==` compares everything, the type included; for the meaning of a name use [`Self::eq_ignoring_type`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PrincipalName {
    name_type: NameType,
    components: Vec<String>,
}

impl PrincipalName {
    /// Checks the components: none empty, none longer than [`MAX_COMPONENT_LENGTH`], no control character.
    ///
    /// # Errors
    /// [`NameError`] by what is wrong.
    pub fn new(name_type: NameType, components: Vec<String>) -> Result<Self, NameError> {
        if components.is_empty() {
            return Err(NameError::Empty);
        }
        if components.len() > MAX_COMPONENTS {
            return Err(NameError::TooManyComponents);
        }
        for component in &components {
            if component.is_empty() {
                return Err(NameError::Empty);
            }
            if component.len() > MAX_COMPONENT_LENGTH {
                return Err(NameError::TooLong);
            }
            if component.chars().any(char::is_control) {
                return Err(NameError::Character);
            }
        }
        Ok(Self { name_type, components })
    }

    /// A user or computer account by one name, such as `alice` or `BROKER01$`.
    ///
    /// # Errors
    /// [`NameError`] by what is wrong.
    pub fn principal(name: &str) -> Result<Self, NameError> {
        Self::new(NameType::Principal, vec![name.to_owned()])
    }

    /// A service on a host, such as `TERMSRV` and `desk1.corp.example`.
    ///
    /// # Errors
    /// [`NameError`] by what is wrong.
    pub fn service(class: &str, host: &str) -> Result<Self, NameError> {
        if class.contains('/') {
            return Err(NameError::Character);
        }
        Self::new(NameType::SrvInst, vec![class.to_owned(), host.to_owned()])
    }

    /// A whole user principal name in one component (RFC 6806 section 5), such as `alice@corp.example`.
    ///
    /// # Errors
    /// [`NameError`] by what is wrong; [`NameError::Character`] without an `@`.
    pub fn enterprise(upn: &str) -> Result<Self, NameError> {
        if !upn.contains('@') {
            return Err(NameError::Character);
        }
        Self::new(NameType::Enterprise, vec![upn.to_owned()])
    }

    /// The ticket-granting service of `realm`.
    pub fn krbtgt(realm: &Realm) -> Self {
        Self {
            name_type: NameType::SrvInst,
            components: vec!["krbtgt".to_owned(), realm.as_str().to_owned()],
        }
    }

    /// The service that changes passwords (RFC 3244 section 2).
    pub fn change_password() -> Self {
        Self { name_type: NameType::SrvInst, components: vec!["kadmin".to_owned(), "changepw".to_owned()] }
    }

    /// The type, a hint only.
    pub const fn name_type(&self) -> NameType {
        self.name_type
    }

    /// The components, at least one, none empty.
    pub fn components(&self) -> &[String] {
        &self.components
    }

    /// For `krbtgt/REALM` the realm it grants tickets of; `None` for every other name.
    pub fn krbtgt_realm(&self) -> Option<Realm> {
        match self.components.as_slice() {
            [service, realm] if service == "krbtgt" => Realm::new(realm).ok(),
            _ => None,
        }
    }

    /// True when the first component is `krbtgt` in any case of letters, whatever follows: to Active Directory
    /// `KRBTGT/REALM` is the ticket-granting service too.
    pub fn is_krbtgt(&self) -> bool {
        self.components.first().is_some_and(|service| service.eq_ignore_ascii_case("krbtgt"))
    }

    /// The components joined by `/` without escapes, as a PAC writes a name.
    pub fn joined(&self) -> String {
        self.components.join("/")
    }

    /// Compares the octets of the components, not the type (RFC 4120 section 6.2).
    pub fn eq_ignoring_type(&self, other: &Self) -> bool {
        self.components == other.components
    }

    /// Compares as Active Directory does: neither type nor case count.
    pub fn eq_ignoring_case(&self, other: &Self) -> bool {
        self.components.len() == other.components.len()
            && self.components.iter().zip(&other.components).all(|(a, b)| text_eq_ignoring_case(a, b))
    }
}

impl fmt::Display for PrincipalName {
    /// Joins the components by `/`, with `\` before `/`, `@` and `\` inside a component.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, component) in self.components.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            for character in component.chars() {
                let escaped = match character {
                    '@' => self.name_type != NameType::Enterprise,
                    '/' | '\\' => true,
                    _ => false,
                };
                if escaped {
                    f.write_str("\\")?;
                }
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for PrincipalName {
    type Err = NameError;

    /// Reads `name`, `class/host` or `class/host/domain`; one component is NT-PRINCIPAL, more are NT-SRV-INST.
    /// `@` and `\` are refused: nothing here is escaped, and a realm has no place in it.
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains(['@', '\\']) {
            return Err(NameError::Character);
        }
        let components: Vec<String> = text.split('/').map(str::to_owned).collect();
        let name_type = if components.len() == 1 { NameType::Principal } else { NameType::SrvInst };
        Self::new(name_type, components)
    }
}

/// A name and the realm it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal {
    name: PrincipalName,
    realm: Realm,
}

impl Principal {
    /// Puts a name into its realm.
    pub const fn new(name: PrincipalName, realm: Realm) -> Self {
        Self { name, realm }
    }

    /// The name within the realm.
    pub const fn name(&self) -> &PrincipalName {
        &self.name
    }

    /// The realm.
    pub const fn realm(&self) -> &Realm {
        &self.realm
    }

    /// Compares the octets of realm and components, not the type.
    pub fn eq_ignoring_type(&self, other: &Self) -> bool {
        self.realm == other.realm && self.name.eq_ignoring_type(&other.name)
    }

    /// Compares as Active Directory does: neither type nor case count.
    pub fn eq_ignoring_case(&self, other: &Self) -> bool {
        self.realm.eq_ignoring_case(&other.realm) && self.name.eq_ignoring_case(&other.name)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.realm)
    }
}

/// Whether two texts are the same name to Active Directory, which does not tell upper from lower case.
///
/// Two characters are the same letter only when both their lower and their upper forms agree: the Kelvin sign is
/// not a `k`, although its lower form is.
pub fn text_eq_ignoring_case(a: &str, b: &str) -> bool {
    let (mut left, mut right) = (a.chars(), b.chars());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(x), Some(y))
                if x == y
                    || (x.to_lowercase().eq(y.to_lowercase()) && x.to_uppercase().eq(y.to_uppercase())) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests;
