//! Exit codes of the command, those of sysexits(3).

/// The command line is wrong (EX_USAGE).
pub const USAGE: u8 = 64;
/// A listener cannot be opened (EX_UNAVAILABLE).
pub const UNAVAILABLE: u8 = 69;
/// A fault of this program (EX_SOFTWARE).
pub const SOFTWARE: u8 = 70;
/// The system refuses something it should give (EX_OSERR).
pub const SYSTEM: u8 = 71;
/// Nothing can be written (EX_IOERR).
pub const IO: u8 = 74;
/// Ended before its end, by force or because something must be asked again (EX_TEMPFAIL).
pub const INTERRUPTED: u8 = 75;
/// The domain refuses what was asked of it (EX_NOPERM).
pub const NO_PERMISSION: u8 = 77;
/// The configuration is wrong (EX_CONFIG).
pub const CONFIG: u8 = 78;
