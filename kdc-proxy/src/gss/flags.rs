//! What is asked of a context (RFC 2743 section 1.2, numbers of RFC 2744 appendix A).

use std::fmt;

/// Services of a context.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ContextFlags(u32);

impl ContextFlags {
    /// The acceptor proves itself too.
    pub const MUTUAL: Self = Self(0x02);
    /// A message that comes a second time is noticed. Always asked for.
    pub const REPLAY: Self = Self(0x04);
    /// Messages come in the order they were sent in, and none is missing.
    pub const SEQUENCE: Self = Self(0x08);
    /// Messages can be encrypted.
    pub const CONFIDENTIALITY: Self = Self(0x10);
    /// Messages can be protected against change.
    pub const INTEGRITY: Self = Self(0x20);

    /// The number on the wire. `GSS_C_DELEG_FLAG` (1) and `GSS_C_DCE_STYLE` (0x1000) are never in it.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// True when every flag of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// With what these flags entail: replay detection always, and integrity beside confidentiality.
    pub(super) const fn complete(self) -> Self {
        let asked = self.union(Self::REPLAY);
        if asked.contains(Self::CONFIDENTIALITY) { asked.union(Self::INTEGRITY) } else { asked }
    }
}

impl fmt::Display for ContextFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::MUTUAL, "mutual"),
            (Self::REPLAY, "replay"),
            (Self::SEQUENCE, "sequence"),
            (Self::CONFIDENTIALITY, "confidentiality"),
            (Self::INTEGRITY, "integrity"),
        ];
        let mut separator = "";
        for (_, name) in names.iter().filter(|(flag, _)| self.contains(*flag)) {
            write!(f, "{separator}{name}")?;
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for ContextFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContextFlags({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replay_detection_is_always_asked_for_and_integrity_beside_confidentiality() {
        assert_eq!(ContextFlags::default().complete(), ContextFlags::REPLAY);
        let complete = ContextFlags::MUTUAL.union(ContextFlags::CONFIDENTIALITY).complete();
        assert_eq!(complete.bits(), 0x36);
        assert_eq!(complete.to_string(), "mutual,replay,confidentiality,integrity");
    }
}
