//! What is wrong in the domain when it gives no ticket, and the command that mends it.
//!
//! Pure. [`cause`] is the one table: what can be seen ([`symptom`]), what the directory says then, what failed, and the
//! commands for Windows and for Samba. [`judge`] holds what was seen and what the directory says against the table;
//! [`command`] writes the commands so that no name of the directory can become part of one.

pub mod cause;
pub mod command;
pub mod judge;
pub mod symptom;
