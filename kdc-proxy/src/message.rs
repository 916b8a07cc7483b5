//! Messages and structures on the wire. Parsers here take foreign bytes: they are bounded and do not panic.

pub mod ndr;
pub mod pac;
